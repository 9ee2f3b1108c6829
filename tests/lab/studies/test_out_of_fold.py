"""Masks of a view are scored on patients that none of its networks was trained on."""

import pandas as pd
import pytest

from cmrseg.models import bundle
from cmrseg.runtime.errors import InputError
from cmrseg_lab.cli import main
from cmrseg_lab.studies.out_of_fold import page, scores
from cmrseg_lab.synthetic.synthesize import synthesize
from cmrseg_lab.training.pack import pack
from tiny import make_checkpoint


@pytest.fixture
def drawn(tmp_path):
    """Two patients in the M&Ms-2 layout, long axes among their images."""
    synthesize("mnms2", tmp_path / "data", patients=2, jobs=1)
    return tmp_path / "data"


def weights(tmp_path, *patients, recipe="mnms2-la"):
    path = make_checkpoint(tmp_path / "run", recipe, sources=["ward"], patients=patients)
    return pack("mnms2", [path], tmp_path / "mnms2")


def test_only_held_out_patients_are_scored(tmp_path, drawn):
    found, _ = scores("LA", {"ward": drawn}, weights(tmp_path, "001"), most=5, device="cpu")
    assert len(found) == 2 * 3, "both phases of one patient, three structures"
    assert found["dice"].between(0, 1).all()
    assert not found["flagged"].any(), "the bundle has no quality control"
    with pytest.raises(InputError, match="trained on"):
        scores("LA", {"ward": drawn}, weights(tmp_path, "001", "002"), device="cpu")


def test_short_axes_are_seen_with_both_phases_and_tell_ejection_fractions(tmp_path, drawn):
    found, fractions = scores(
        "SA", {"ward": drawn}, weights(tmp_path, recipe="mnms2-sa"), device="cpu", mirrors=1
    )
    assert sorted(set(found["phase"])) == ["ED", "ES"]
    assert len(found) == 2 * 2 * 3
    assert set(fractions["structure"]) <= {"LV", "RV"}
    text = page("SA", {"ours": (found, fractions)}, "command")
    assert "Ejection fractions" in text or fractions.empty


def test_the_command_writes_the_page(tmp_path, drawn, capsys):
    folder, out = weights(tmp_path, "001"), tmp_path / "page.md"
    command = ["study", "long-axis", f"ward={drawn}", "--bundle", f"ours={folder}"]
    assert main.main([*command, "--out", str(out), "--device", "cpu"]) == 0
    assert out.read_text() in capsys.readouterr().out
    assert "| ours | ward, " in out.read_text()
    assert bundle.load(folder, "mnms2").networks


def test_hits_false_alarms_bounds_and_intervals_are_counted_by_image():
    rows = [
        {
            "data": "set",
            "images": "a",
            "phase": "ED",
            "structure": s,
            "dice": d,
            "hd_mm": 1.0,
            "size_error": 0.1,
            "flagged": f,
            "at_least": 0.78,
            "bound_holds": d >= 0.78,
            "half_width": 0.08,
            "holds": d > 0.6,
            "unreliable": False,
        }
        for dices, f in (
            ((0.9, 0.8, 0.5), True),
            ((0.9, 0.8, 0.75), False),
            ((0.9, 0.9, 0.9), True),
        )
        for s, d in zip(("LV", "MYO", "RV"), dices, strict=True)
    ]
    text = page("SA", {"ours": (pd.DataFrame(rows), pd.DataFrame())}, "command")
    assert "| ours | a | 1 | 100 | 2 | 50 |" in text
    assert "| ours | a | RV | 3 | 0.780 | 33 | 0.500 |" in text
    assert "| ours | a | RV | ED | 3 | 8.0 | 67 | 0 |" in text
