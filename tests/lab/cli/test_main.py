"""The lab's command line: every command explained, from labelled folders to masks."""

import pytest

from cmrseg.cli import main as cmrseg
from cmrseg_lab.cli import main
from cmrseg_lab.training.presets import RECIPES
from tiny import heart, save, training_config, volume

COMMANDS = (
    "synthesize",
    "preprocess",
    "train",
    "train-qc",
    "score-qc",
    "pack",
    "calibrate",
    "validate",
    "reproduce",
    "study",
    "lint-image",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main([command, "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out


def test_from_labelled_folders_to_masks(tmp_path, monkeypatch, capsys):
    """preprocess, train, pack, info and predict, one after the other."""
    for number in range(3):
        image = volume(number)
        name = f"{number:03d}_SA_ED"
        save(tmp_path / "data" / name[:3] / f"{name}.nii.gz", image)
        save(tmp_path / "data" / name[:3] / f"{name}_gt.nii.gz", image.like(heart(number)[1]))
    data, cache, run, weights, out = (
        str(tmp_path / n) for n in ("data", "cache", "run", "w/mnms2", "out")
    )
    tiny = training_config("mnms2-sa", steps=2)
    monkeypatch.setitem(RECIPES["mnms2-sa"].training, "tiny", tiny)
    train = ["--config", "tiny", "--fold", "all", "--workers", "0", "--device", "cpu"]
    for arguments in (
        ["preprocess", "mnms2-sa", data, cache, "--source", "ward"],
        ["train", "mnms2-sa", cache, run, *train, "--seed", "9"],
        ["pack", "mnms2", weights, f"{run}/checkpoint.safetensors", "--commit", "abc"],
        ["info", "mnms2", "--weights", weights],
        ["predict", "mnms2", data, out, "--weights", str(tmp_path / "w"), "--device", "cpu"],
    ):
        command = cmrseg if arguments[0] in ("info", "predict") else main
        assert command.main(arguments) == 0, arguments
    assert "| mnms2-sa-all-seed9.safetensors | ward | 3 | none | 2 | 9 |" in capsys.readouterr().out
    assert len(list((tmp_path / "out").rglob("*_pred.nii.gz"))) == 3


def test_a_training_takes_the_papers_dice(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "cmrseg_lab.training.train.train",
        lambda config, *_, **how: seen.update(config=config, **how),
    )
    assert main.main(["train", "mnms2-sa", "cache", "run", "--dice", "generalised"]) == 0
    assert (seen["config"].dice, seen["dice"]) == ("soft", "generalised")
    assert main.main(["train", "mnms2-sa", "cache", "run", "--config", "bn1"]) == 0
    assert (seen["config"].dice, seen["dice"]) == ("generalised", None)
