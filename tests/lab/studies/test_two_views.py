"""Images moved on purpose are told apart from those that are right."""

from cmrseg_lab.cli import main
from cmrseg_lab.synthetic.synthesize import synthesize


def test_moved_views_are_flagged_and_true_ones_are_not(tmp_path, capsys):
    synthesize("mnms2", tmp_path / "data", patients=2, jobs=1)
    out = tmp_path / "page.md"
    assert main.main(["study", "two-views", str(tmp_path / "data"), "--out", str(out)]) == 0
    rows = {
        line.split(" | ")[1]: line.split(" | ")[2:]
        for line in out.read_text().splitlines()
        if line.startswith("| true")
    }
    assert rows["unmodified"][2] == "0"
    assert rows["long axis moved by 30 mm"][2] == "100"
    assert float(rows["unmodified"][1]) > float(rows["slices shifted by 10 mm (sd)"][1])
    assert out.read_text() in capsys.readouterr().out
