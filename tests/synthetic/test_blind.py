import csv
from pathlib import Path

import pytest

from cmrseg.errors import OutputError, UsageError
from cmrseg.synthetic.blind import blind_sheet
from cmrseg.synthetic.realism import main
from cmrseg.synthetic.synthesize import synthesize


@pytest.fixture(scope="module")
def late_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    synthesize("emidec", folder, patients=6, seed=9, jobs=1)
    return folder


def test_key_numbers_every_slice_and_names_no_patient(late_set: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    arguments = ["--real-emidec", str(late_set), "--blind", str(sheet), "--slices", "6"]
    assert main([*arguments, "--seed", "0"]) == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "sheet.key.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert {row["kind"] for row in rows} == {"LGE"}
    assert {row["truth"] for row in rows} == {"real", "drawn"}
    assert "Case_" not in text


def test_same_seed_same_sheet_and_another_seed_another(late_set: Path, tmp_path: Path) -> None:
    sheets = []
    for number, seed in enumerate((3, 3, 4)):
        path = tmp_path / f"{number}.png"
        key = blind_sheet(None, late_set, path, slices=2, seed=seed)
        sheets.append((path.read_bytes(), key.read_text(encoding="utf-8")))
    assert sheets[0] == sheets[1]
    assert sheets[0][0] != sheets[2][0]


def test_another_ending_is_refused(late_set: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.jpg"):
        blind_sheet(None, late_set, tmp_path / "s.jpg", slices=1, seed=0)


def test_a_key_that_cannot_be_written_is_said(late_set: Path, tmp_path: Path) -> None:
    (tmp_path / "s.key.csv").mkdir()
    with pytest.raises(OutputError, match="key"):
        blind_sheet(None, late_set, tmp_path / "s.png", slices=1, seed=0)
