"""An autoencoder trained and scored from the command line."""

from __future__ import annotations

import json

from cmrseg.runtime.errors import EXIT_OK, EXIT_USAGE
from cmrseg_lab.cli import main
from tiny import make_cache


def test_an_autoencoder_is_trained_and_scored(tmp_path, capsys):
    data = make_cache(tmp_path / "cache", "mnms2-la")
    train = ["train", "qc_long_axis", str(data), str(tmp_path / "run"), "--device", "cpu"]
    assert main.main([*train, "--steps", "1", "--seed", "4"]) == EXIT_OK
    assert main.main([*train, "--steps", "1"]) == EXIT_USAGE
    assert "another training" in capsys.readouterr().err
    path, out = tmp_path / "run" / "checkpoint.safetensors", tmp_path / "out"
    score = ["score-qc", str(path), str(data), str(out), "--errors", "1", "--alone", "1"]
    score += ["--device", "cpu"]
    assert main.main(score) == EXIT_OK
    assert (out / "autoencoder.md").read_text(encoding="utf-8") in capsys.readouterr().out
    assert (
        json.loads((out / "autoencoder.json").read_text(encoding="utf-8"))["recipe"]
        == "mnms2-la-qc"
    )
