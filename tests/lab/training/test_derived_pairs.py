"""Pairs made of other pairs, through the preprocessing that uses them."""

import numpy as np

from cmrseg_lab.synthetic.synthesize import synthesize
from cmrseg_lab.training import cache
from cmrseg_lab.training.derived_pairs import implanted
from cmrseg_lab.training.preprocess import preprocess
from cmrseg_lab.training.presets import RECIPES


def test_infarcts_are_put_onto_cine_and_repeat(tmp_path):
    synthesize("mnms2", tmp_path / "cine", patients=3, seed=2, jobs=1)
    shares = []
    for name in ("one", "again"):
        items, remake = implanted(tmp_path / "cine")
        assert {item.role for item in items} == {"SA_ED", "SA_ES"}
        entries = preprocess(
            "emidec",
            items,
            RECIPES["emidec"].grid,
            tmp_path / name,
            source="x-implanted",
            remake=remake,
        )
        labels = [cache.load(tmp_path / name, e).label for e in entries]
        shares.append([(np.isin(x, (3, 4)).sum() / np.isin(x, (2, 3, 4)).sum()) for x in labels])
    assert shares[0] == shares[1]
    assert max(shares[0]) > 0.04
    assert all(0 <= share < 0.6 for share in shares[0])


def test_infarcts_are_put_onto_late_enhancement(tmp_path):
    synthesize("emidec", tmp_path / "late", patients=4, seed=2, group="N", jobs=1)
    items, remake = implanted(tmp_path / "late")
    entries = preprocess(
        "emidec", items, RECIPES["emidec"].grid, tmp_path / "c", source="y", remake=remake
    )
    found = [np.isin(cache.load(tmp_path / "c", e).label, (3, 4)).any() for e in entries]
    assert any(found)
