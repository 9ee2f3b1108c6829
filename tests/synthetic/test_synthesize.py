from pathlib import Path

import pytest

from cmrseg.errors import UsageError
from cmrseg.synthetic.synthesize import patient_seed, synthesize


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_same_files_whatever_the_processes(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    synthesize(
        "emidec",
        tmp_path / "one",
        patients=2,
        seed=4,
        jobs=1,
        progress=lambda done, every: seen.append((done, every)),
    )
    synthesize("emidec", tmp_path / "two", patients=2, seed=4, jobs=2)
    assert seen == [(1, 2), (2, 2)]
    one = contents(tmp_path / "one")
    assert len(one) == 6
    assert one == contents(tmp_path / "two")


def test_mnms2_layout(tmp_path: Path) -> None:
    synthesize("mnms2", tmp_path, patients=1, seed=4, jobs=1, group="HCM", style="out")
    assert (tmp_path / "dataset" / "001" / "001_LA_ES_gt.nii.gz").is_file()
    table = (tmp_path / "dataset_information.csv").read_text().splitlines()
    assert table[1].startswith("1,HCM,")


def test_patients_do_not_depend_on_how_many_there_are() -> None:
    assert patient_seed(3, 1) == patient_seed(3, 1)
    assert len({patient_seed(seed, number) for seed in range(9) for number in range(9)}) == 81


@pytest.mark.parametrize(
    ("challenge", "patients", "word"), [("acdc", 1, "challenge"), ("emidec", 0, "patients")]
)
def test_refuses(tmp_path: Path, challenge: str, patients: int, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        synthesize(challenge, tmp_path, patients=patients)


def test_a_seed_below_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="-1 is no seed"):
        synthesize("mnms2", tmp_path, patients=1, seed=-1)
