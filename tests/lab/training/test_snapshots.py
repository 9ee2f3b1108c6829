"""The best looks of a training are kept, whatever happens to it in between."""

import pytest
import torch

from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.snapshots import Snapshots

STATE = {"config": {"seed": 3}, "about": {"fold": 0}, "precision": "fp32", "scaler": {}}


def network(step):
    """One weight that tells its step."""
    layer = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(layer.weight, step)
    return layer


def offer(kept, step, dice):
    """A look with two classes whose mean Dice is ``dice``."""
    scores = {"1": dice - 0.125, "2": dice + 0.125}
    return kept.offer(scores, network(step), {**STATE, "step": step})


def on_disk(folder):
    """Rank -> (step, Dice), as files and the weights in them tell."""
    told = {}
    for path in sorted(folder.glob("best-*")):
        state = checkpoint.read_state(path)
        rank = state["snapshot"]["rank"]
        assert path.name == f"best-{rank}.safetensors"
        assert float(checkpoint.network_weights(path)["weight"]) == state["step"]
        assert state["about"] == STATE["about"]
        told[rank] = (state["step"], state["snapshot"]["dice"])
    return told


def test_the_best_looks_are_ranked(tmp_path):
    kept = Snapshots(tmp_path, 3, 0)
    given = [(1, 0.5), (2, 0.75), (3, 0.25), (4, 0.625), (5, 0.375), (6, 0.75)]
    assert [offer(kept, *look) for look in given] == [True, True, True, True, False, True]
    # of equals the earlier is better
    assert on_disk(tmp_path) == {1: (2, 0.75), 2: (6, 0.75), 3: (4, 0.625)}
    assert checkpoint.read_state(tmp_path / "best-3.safetensors")["snapshot"]["of"] == 3
    assert not list(tmp_path.glob("*.partial"))


def test_none_are_kept_unasked(tmp_path):
    assert not offer(Snapshots(tmp_path, 0, 0), 1, 0.5)
    assert not list(tmp_path.iterdir())


def test_a_run_goes_on_with_what_it_kept(tmp_path):
    kept = Snapshots(tmp_path, 2, 0)
    for look in ((1, 0.5), (2, 0.75)):
        offer(kept, *look)
    again = Snapshots(tmp_path, 2, 2)
    assert again.looks == kept.looks
    assert not offer(again, 3, 0.5)
    assert offer(again, 4, 0.625)
    assert on_disk(tmp_path) == {1: (2, 0.75), 2: (4, 0.625)}


def test_looks_after_the_checkpoint_are_taken_again(tmp_path):
    kept = Snapshots(tmp_path, 3, 0)
    for look in ((1, 0.5), (2, 0.25), (3, 0.75)):
        offer(kept, *look)
    again = Snapshots(tmp_path, 3, 2)
    assert on_disk(tmp_path) == {1: (1, 0.5), 2: (2, 0.25)}
    offer(again, 3, 0.75)
    assert on_disk(tmp_path) == {1: (3, 0.75), 2: (1, 0.5), 3: (2, 0.25)}


def test_a_run_killed_while_making_room_keeps_each_look_once(tmp_path, monkeypatch):
    kept = Snapshots(tmp_path, 3, 0)
    for look in ((1, 0.75), (2, 0.5), (3, 0.25)):
        offer(kept, *look)
    save, written = checkpoint.save_weights, []

    def die(path, *rest):
        if written:
            raise ConnectionAbortedError
        written.append(path)
        save(path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save_weights", die)
        with pytest.raises(ConnectionAbortedError):
            offer(kept, 4, 1.0)
    assert on_disk(tmp_path) == {1: (1, 0.75), 2: (2, 0.5), 3: (2, 0.5)}
    again = Snapshots(tmp_path, 3, 3)
    assert on_disk(tmp_path) == {1: (1, 0.75), 2: (2, 0.5)}
    offer(again, 4, 1.0)
    assert on_disk(tmp_path) == {1: (4, 1.0), 2: (1, 0.75), 3: (2, 0.5)}
