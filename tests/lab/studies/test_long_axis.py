"""Long axes are scored on patients that no long-axis network was trained on."""

import numpy as np
import pandas as pd
import pytest

from cmrseg.models import bundle
from cmrseg.runtime.errors import InputError
from cmrseg_lab.cli import main
from cmrseg_lab.studies.long_axis import page, scores
from cmrseg_lab.synthetic.synthesize import synthesize
from cmrseg_lab.training.pack import pack
from tiny import make_checkpoint


@pytest.fixture
def drawn(tmp_path):
    """Two patients in the M&Ms-2 layout, long axes among their images."""
    synthesize("mnms2", tmp_path / "data", patients=2, jobs=1)
    return tmp_path / "data"


def weights(tmp_path, *patients):
    path = make_checkpoint(tmp_path / "run", "mnms2-la", sources=["ward"], patients=patients)
    return pack("mnms2", [path], tmp_path / "mnms2")


def test_only_held_out_patients_are_scored(tmp_path, drawn):
    found = scores({"ward": drawn}, weights(tmp_path, "001"), most=5, device="cpu")
    assert len(found) == 2 * 3, "both phases of one patient, three structures"
    assert found["dice"].between(0, 1).all()
    assert not found["flagged"].any(), "the bundle has no quality control"
    with pytest.raises(InputError, match="trained on"):
        scores({"ward": drawn}, weights(tmp_path, "001", "002"), most=5, device="cpu")


def test_the_command_writes_the_page(tmp_path, drawn, capsys):
    folder, out = weights(tmp_path, "001"), tmp_path / "page.md"
    command = ["study", "long-axis", f"ward={drawn}", "--bundle", f"ours={folder}"]
    assert main.main([*command, "--out", str(out), "--device", "cpu"]) == 0
    assert out.read_text() in capsys.readouterr().out
    assert "| ours | ward | LV | 2 |" in out.read_text()
    assert bundle.load(folder, "mnms2").networks


def test_hits_and_false_alarms_are_counted_by_image():
    rows = [
        {"source": "a", "structure": s, "dice": d, "hd_mm": 1.0, "area_error": np.nan, "flagged": f}
        for dices, f in (
            ((0.9, 0.8, 0.5), True),
            ((0.9, 0.8, 0.75), False),
            ((0.9, 0.9, 0.9), True),
        )
        for s, d in zip(("LV", "MYO", "RV"), dices, strict=True)
    ]
    text = page({"ours": pd.DataFrame(rows)}, "command")
    assert "| ours | a | 1 | 100 % | 2 | 50 % |" in text
