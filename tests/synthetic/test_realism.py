from pathlib import Path

import pytest

from cmrseg.synthetic.realism import main
from cmrseg.synthetic.synthesize import synthesize


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


@pytest.mark.parametrize("option", ["--patients", "--rows", "--slices"])
def test_nothing_cannot_be_compared(option, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--real-mnms2", str(tmp_path), "--out", str(tmp_path / "R.md"), option, "0"])
    assert ended.value.code == 2
    assert f"argument {option}: 0 is too few: at least 1" in capsys.readouterr().err
