"""The lab's command line: every command explained, from labelled folders to masks."""

import pytest

from cmrseg.cli import main as cmrseg
from cmrseg_lab.cli import main
from tiny import heart, save, volume

COMMANDS = (
    "synthesize",
    "prepare",
    "train",
    "score-qc",
    "pack",
    "calibrate",
    "validate",
    "reproduce",
    "study",
    "lint-image",
)


TINY = """
recipe = "mnms2-sa"
classes = 4
features = [4, 8]
across = [false, false]
deep_supervision = 1
patch = [1, 32, 32]
batch = 2
steps = 2
learning_rate = 1e-3
weight_decay = 0
folds = 5
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main([command, "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out


def test_from_labelled_folders_to_masks(tmp_path, capsys):
    """prepare, train, pack, info and predict, one after the other."""
    for number in range(3):
        image = volume(number)
        name = f"{number:03d}_SA_ED"
        save(tmp_path / "data" / name[:3] / f"{name}.nii.gz", image)
        save(tmp_path / "data" / name[:3] / f"{name}_gt.nii.gz", image.like(heart(number)[1]))
    data, cache, run, weights, out = (
        str(tmp_path / n) for n in ("data", "cache", "run", "w/mnms2", "out")
    )
    own = tmp_path / "tiny.toml"
    own.write_text(TINY)
    train = ["--fold", "all", "--workers", "0", "--device", "cpu"]
    for arguments in (
        ["prepare", "mnms2-sa", cache, f"ward={data}"],
        ["train", str(own), cache, run, *train, "--seed", "9"],
        ["pack", "mnms2", weights, f"{run}/checkpoint.safetensors", "--commit", "abc"],
        ["info", "mnms2", "--weights", weights],
        ["predict", "mnms2", data, out, "--weights", str(tmp_path / "w"), "--device", "cpu"],
    ):
        command = cmrseg if arguments[0] in ("info", "predict") else main
        assert command.main(arguments) == 0, arguments
    assert "| mnms2-sa-all-seed9.safetensors | ward | 3 | none | 2 | 9 |" in capsys.readouterr().out
    assert len(list((tmp_path / "out").rglob("*_pred.nii.gz"))) == 3
