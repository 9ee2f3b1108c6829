"""A checkpoint is a safetensors file with everything in it, and no pickle."""

import json
import zipfile

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cmrseg.models.unet import UNet
from cmrseg.runtime.errors import InputError
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.loop import make_optimiser
from tiny import make_checkpoint, network_config, segmenter_preset


def stepped(optimiser="adamw", seed=0):
    config = segmenter_preset("emidec", optimiser=optimiser)
    torch.manual_seed(seed)
    network = UNet(config.network)
    steps = make_optimiser(network, config)
    for _ in range(2):
        loss = sum(y.square().mean() for y in network(torch.randn(2, 1, 3, 16, 16)))
        steps.zero_grad()
        loss.backward()
        steps.step()
    return network, steps


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_everything_is_put_back(tmp_path, kind):
    network, optimiser = stepped(kind)
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, network, optimiser, {"step": 2, "about": {"fold": 0}})
    expected = torch.rand(5)
    other, others = stepped(kind, seed=7)
    torch.manual_seed(3)
    assert checkpoint.restore(path, other, others) == {"step": 2, "about": {"fold": 0}}
    assert torch.equal(torch.rand(5), expected)
    for (name, a), (_, b) in zip(
        network.state_dict().items(), other.state_dict().items(), strict=True
    ):
        assert torch.equal(a, b), name
    before, after = optimiser.state_dict()["state"], others.state_dict()["state"]
    assert before.keys() == after.keys()
    for index, slots in before.items():
        for name, value in slots.items():
            assert torch.equal(value, after[index][name]), (index, name)
            assert value.dtype == after[index][name].dtype


def test_it_opens_as_safetensors_and_is_no_pickle(tmp_path):
    path = make_checkpoint(tmp_path, "emidec")
    with safe_open(path, "np") as file:
        names = set(file.keys())
        state = json.loads(file.metadata()["state"])
    assert state["preset"]["recipe"] == "emidec"
    assert {n.removeprefix("network.") for n in names if n.startswith("network.")} == set(
        UNet(network_config("emidec")).state_dict()
    )
    assert not zipfile.is_zipfile(path)
    assert path.read_bytes()[:1] != b"\x80"


def test_a_write_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    network, optimiser = stepped()
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, network, optimiser, {"step": 1})

    def full(tensors, partial, metadata):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, network, optimiser, {"step": 2})
    assert checkpoint.read_state(path) == {"step": 1}


@pytest.mark.parametrize("fault", ["missing", "empty", "truncated", "garbage", "foreign", "folder"])
def test_what_is_no_checkpoint_is_told(tmp_path, fault):
    path = make_checkpoint(tmp_path, "emidec")
    whole = path.read_bytes()
    if fault in ("missing", "folder"):
        path.unlink()
    if fault == "folder":
        path.mkdir()
    if fault == "foreign":
        save_file({"a": torch.zeros(2)}, path)
    content = {"empty": b"", "truncated": whole[:-100], "garbage": b"x" * 500}
    if fault in content:
        path.write_bytes(content[fault])
    with pytest.raises(InputError, match="no readable checkpoint"):
        checkpoint.read_state(path)
