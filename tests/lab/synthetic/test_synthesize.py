from pathlib import Path

import pytest

from cmrseg.runtime.errors import UsageError
from cmrseg_lab.synthetic.synthesize import patient_seed, synthesize


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
    assert len(one) == 6 + 1  # and the record
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


def test_runs_do_not_mix_in_a_folder(tmp_path: Path) -> None:
    def draw(seed: int, patients: int) -> None:
        synthesize("emidec", tmp_path, patients=patients, seed=seed, jobs=1, group="N")

    draw(1, 1)
    first = contents(tmp_path)
    with pytest.raises(UsageError, match="another run: seed 1 there, 2 asked for"):
        draw(2, 1)
    assert contents(tmp_path) == first
    draw(1, 2)
    grown = contents(tmp_path)
    assert all(grown[name] == data for name, data in first.items() if name != "synthetic.json")
    assert len(grown) == len(first) + 3


def test_a_wrong_request_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="style"):
        synthesize("emidec", tmp_path / "new", patients=1, style="siemens-1.5t")
    assert not (tmp_path / "new").exists()
