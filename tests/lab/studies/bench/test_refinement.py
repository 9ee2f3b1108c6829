"""Refinement takes the time it is given, on thresholds that nothing meets."""

from __future__ import annotations

import pytest

from cmrseg.cases.case import Case, ImageSource
from cmrseg.models import bundle
from cmrseg.quality.replay import Rehearsal
from cmrseg.quality.selection import Fences, Thresholds
from cmrseg_lab.studies.bench import refinement
from cmrseg_lab.training.pack import pack, record_quality
from tiny import make_autoencoder, make_checkpoint, quality_entry, sample, save, volume


@pytest.fixture
def case(tmp_path):
    path = save(tmp_path / "image.nii.gz", volume())
    return Case("1", {"SA_ED": ImageSource(path)}, "case 1")


def test_a_row_a_budget(tmp_path, case, monkeypatch):
    monkeypatch.setattr(refinement, "BUDGETS_S", (0.4, 1.0))
    paths = [make_checkpoint(tmp_path / "sa", "mnms2-sa")]
    paths.append(make_autoencoder(tmp_path / "qc", "mnms2-sa-qc"))
    weights = pack("mnms2", paths, tmp_path / "mnms2")
    one = sample(1)
    easy = Thresholds({"SA_ED": Fences(th_low=0.0, th_up_mm=999.0, measures=9)})
    known = Rehearsal(one.image[:, 4:36, 4:36], one.label[:, 4:36, 4:36])
    record_quality(weights, "mnms2-sa", quality_entry(**easy.by_role), known)
    said = []
    found = bundle.load(weights, "mnms2")
    rows = list(refinement.refinement_rows(found, case, "cpu", 1, said.append))
    assert [row.figure for row in rows] == [
        "refining one flagged image, of its 0.4 s",
        "refining one flagged image, of its 1 s",
    ]
    assert len(said) == 2
    for row in rows:
        assert row.value.median > 0
        assert (row.unit, row.aim) == ("%", 100.0)


def test_nothing_of_a_bundle_without_quality_control(tmp_path, case):
    weights = pack("mnms2", [make_checkpoint(tmp_path / "sa", "mnms2-sa")], tmp_path / "mnms2")
    found = bundle.load(weights, "mnms2")
    assert list(refinement.refinement_rows(found, case, "cpu", 1, print)) == []
