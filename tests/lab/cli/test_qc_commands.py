"""``train-qc`` and ``score-qc`` from the command line."""

from __future__ import annotations

import json

import pytest

from cmrseg.runtime.errors import EXIT_OK, EXIT_USAGE
from cmrseg_lab.cli import main
from tiny import make_cache


def test_an_autoencoder_is_trained_and_scored(tmp_path, capsys):
    data = make_cache(tmp_path / "cache", "mnms2-la")
    train = ["train-qc", "mnms2-la-qc", str(data), str(tmp_path / "run"), "--device", "cpu"]
    assert main.main([*train, "--steps", "1", "--seed", "4"]) == EXIT_OK
    assert main.main([*train, "--steps", "1"]) == EXIT_USAGE
    assert "--resume" in capsys.readouterr().err
    path, out = tmp_path / "run" / "checkpoint.safetensors", tmp_path / "out"
    score = ["score-qc", str(path), str(data), str(out), "--errors", "1", "--alone", "1"]
    score += ["--device", "cpu"]
    assert main.main(score) == EXIT_OK
    assert (out / "autoencoder.md").read_text(encoding="utf-8") in capsys.readouterr().out
    assert (
        json.loads((out / "autoencoder.json").read_text(encoding="utf-8"))["recipe"]
        == "mnms2-la-qc"
    )


def test_only_autoencoders_are_trained_here(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main.main(["train-qc", "mnms2-sa", str(tmp_path), str(tmp_path)])
    assert "mnms2-sa-qc" in capsys.readouterr().err
