from pathlib import Path

import pytest

from cmrseg.synthetic.realism import far_apart, main, table
from cmrseg.synthetic.synthesize import synthesize


def test_table_of_known_distributions() -> None:
    real = [{"a": value} for value in (1.0, 2.0, 3.0)]
    fake = [{"a": value} for value in (2.0, 3.0, 4.0)]
    row = table(real, fake)[2]
    # all moved by 1, real deviation 0.816
    assert row == "| a | 2 ± 0.82 (1 to 3) | 3 ± 0.82 (2 to 4) | 1.22 |"


def test_report_picture_and_curves_name_no_case(tmp_path: Path) -> None:
    synthesize("emidec", tmp_path / "real", patients=2, seed=9, jobs=1)
    out, picture = tmp_path / "R.md", tmp_path / "p.png"
    real = ["--real-emidec", str(tmp_path / "real")]
    places = ["--out", str(out), "--picture", str(picture), "--rows", "1"]
    assert main([*real, *places, "--patients", "2"]) == 0
    text = out.read_text(encoding="utf-8")
    for words in ("Late enhancement", "infarct share", "| LV blood | real |", "(R.svg)"):
        assert words in text
    assert "Cine, short axis" not in text
    curves = (tmp_path / "R.svg").read_text(encoding="utf-8")
    assert "healthy myocardium" in curves
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Case_" not in text + curves


def test_nothing_to_compare_is_a_wrong_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "R.md")]) == 2
    assert "--real-mnms2" in capsys.readouterr().err


def test_what_is_far_off_is_told_with_a_reason() -> None:
    lines = ["## Cine", "", "| measure | real | synthetic | W |", "|---|---|---|---|",
             "| LV [mL] | 1 | 1 | 0.80 |", "| slices | 1 | 3 | 0.81 |", "| LV grey | 1 | 1 | - |",
             "| RV solidity, base | 1 | 2 | 1.50 |"]  # fmt: skip
    told = [line for line in far_apart(lines) if line.startswith("- ")]
    assert [line.split(" (")[0] for line in told] == ["- Cine, slices", "- Cine, RV solidity, base"]
    assert all(not line.endswith(": not known.") for line in told)
