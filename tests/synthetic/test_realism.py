from pathlib import Path

from cmrseg.synthetic.realism import main, table
from cmrseg.synthetic.synthesize import synthesize


def test_table_of_known_distributions() -> None:
    real = [{"a": value} for value in (1.0, 2.0, 3.0)]
    fake = [{"a": value} for value in (2.0, 3.0, 4.0)]
    row = table(real, fake)[2]
    # all moved by 1, real deviation 0.816
    assert row == "| a | 2 ± 0.82 (1 to 3) | 3 ± 0.82 (2 to 4) | 1.22 |"


def test_report_names_no_case(tmp_path: Path) -> None:
    synthesize("emidec", tmp_path / "real", patients=2, seed=9, jobs=1)
    out = tmp_path / "R.md"
    main(["--real-emidec", str(tmp_path / "real"), "--patients", "2", "--out", str(out)])
    text = out.read_text(encoding="utf-8")
    assert "Late enhancement" in text
    assert "infarct share" in text
    assert "Cine, short axis" not in text
    assert "Case_" not in text
