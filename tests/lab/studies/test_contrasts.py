"""Cine in other contrasts goes through the whole recipe."""

from cmrseg_lab.cli import main
from cmrseg_lab.studies.contrasts import CONTRASTS
from cmrseg_lab.synthetic.synthesize import synthesize


def test_every_contrast_is_scored_and_the_bundle_named(tmp_path, bundles, capsys):
    synthesize("mnms2", tmp_path / "data", patients=1, jobs=1)
    out = tmp_path / "page.md"
    call = ["study", "contrasts", f"elsewhere={tmp_path / 'data'}", "--bundle", f"tiny={bundles}"]
    assert main.main([*call, "--out", str(out)]) == 0
    text = out.read_text()
    assert text in capsys.readouterr().out
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| tiny")]
    assert [row[1] for row in rows] == list(CONTRASTS)
    assert all(0 <= float(row[4]) <= 1 for row in rows)
    assert str(tmp_path) not in text
