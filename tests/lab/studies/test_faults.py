"""The campaign tells right from wrong; a few of its trials run here."""

import signal
import time
from dataclasses import replace

import numpy as np
import pytest

from cmrseg.cli.main import main
from cmrseg.imaging.read import read
from cmrseg.imaging.write import write
from cmrseg.runtime.errors import InputError
from cmrseg_lab.studies.faults import campaign
from cmrseg_lab.studies.faults.inputs import FAULTS, SHARES, Conditions, TrialFolders
from tiny import volume

OPTIONS = ["--device", "cpu", "--mirrors", "1", "--samples", "0", "--no-report"]


@pytest.fixture
def made(bundles):
    options = ["--weights", str(bundles / "emidec"), *OPTIONS]
    return campaign.Campaign(main, "emidec", volume(), options, seed=1)


def test_trials_are_told_by_their_numbers(made):
    found = list(made.trials(range(4)))
    assert [one.number for one in found] == [0, 1, 2, 3]
    assert all(one.outcome in campaign.OUTCOMES[:2] for one in found), found
    assert [one.what for one in made.trials([2, 3], workers=2)] == [found[2].what, found[3].what]
    table = campaign.outcome_table(found)
    assert table.lines[-1][:2] == ["all", "4"]


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_finds_its_place(name, tmp_path):
    for seed in range(6):
        folder = tmp_path / str(seed)
        scene = TrialFolders(folder=folder, image=volume(), stem="odd", role="")
        for one in (folder, scene.inputs, scene.outputs):
            one.mkdir()
        (folder / "kept.txt").write_text("kept.txt")
        assert FAULTS[name](scene, np.random.default_rng(seed)).what
        assert list(scene.inputs.iterdir())
    assert len(SHARES) == len(FAULTS)


def segmenting(inputs, outputs):
    """What a tool does that copies each image as its mask."""
    for path in inputs.glob("*.nii.gz"):
        try:
            image = read(path)
        except InputError:
            continue
        mask = image.like((image.array > 250).astype(np.uint8))
        write(mask, outputs / path.name.replace(".nii.gz", "_seg.nii.gz"))
    return 0


def silent(words):
    from pathlib import Path

    return segmenting(Path(words[2]), Path(words[3]))


def crashing(words):
    silent(words)
    raise RuntimeError("no idea")


def hanging(words):
    silent(words)
    time.sleep(60)
    return 0


def half(words):
    from pathlib import Path

    silent(words)
    for path in Path(words[3]).iterdir():
        path.write_bytes(path.read_bytes()[:40])
    return 3


@pytest.mark.parametrize(
    ("tool", "outcome"),
    [(silent, "wrong"), (crashing, "crashed"), (hanging, "hung"), (half, "half-written")],
)
def test_what_a_bad_tool_does_is_seen(tool, outcome, made, tmp_path, monkeypatch):
    scene = made._scene(tmp_path)
    (scene.inputs / "odd_SA_ED.nii.gz").write_bytes(b"no image")
    made.mask = (volume().array > 250).astype(np.uint8)
    made.main, made.usual_s = tool, 0.01
    if tool is hanging:
        monkeypatch.setattr(campaign, "LONGEST_S", 3.0)
    conditions = Conditions(what="bytes")
    assert made._outcome(scene, conditions, made._run(scene, conditions))[0] == outcome


def test_a_killed_process_is_told_by_its_signal():
    conditions = replace(Conditions(what="kill"), kill_at=0.0)
    process = campaign._Process.forked(lambda: time.sleep(30) or 0, conditions)
    assert process.end(0.0, signal.SIGKILL).code == -signal.SIGKILL
