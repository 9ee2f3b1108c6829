"""An autoencoder learns to reconstruct, and its examples follow from seed and index."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cmrseg.quality.control import Reconstructor
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.autoencoder import (
    Autoencoders,
    Masks,
    load_autoencoder,
    reconstruction_dice,
)
from cmrseg_lab.training.loop import LOG, fit
from cmrseg_lab.training.pack import pack
from cmrseg_lab.training.train import train
from tiny import about, autoencoder_preset, heart, make_cache

CPU = torch.device("cpu")
STACKS = [heart(0)[1], heart(1)[1][:3]]


def preset(**changed):
    return autoencoder_preset("mnms2-sa-qc", **changed)


def test_it_learns_to_reconstruct(tmp_path):
    ours = preset(steps=40, look_every=20, learning_rate=1e-2, warm_up=0, corrupted=0.3, turned=0.0)
    task = Autoencoders(ours, STACKS, [heart(9)[1]])
    told = about(0, 0, (), ["000"])
    path = fit(task, tmp_path, seed=0, device=CPU, about=told, workers=0)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40]
    assert lines[1]["held out"]["1"] > 0.7
    network = load_autoencoder(path)
    assert not network.training
    again = reconstruction_dice(Reconstructor(network, CPU), [heart(9)[1]])
    assert again == lines[1]["held out"]


def test_an_example_follows_from_seed_and_index_and_stacks_fit_one_batch():
    masks = Masks(STACKS, preset(), 0)
    shapes = {tuple(masks[i]["given"].shape) for i in range(10)}
    assert shapes == {(4, 4, 32, 32)}
    assert torch.equal(masks[3]["given"], Masks(STACKS, preset(), 0)[3]["given"])
    assert not torch.equal(masks[3]["given"], Masks(STACKS, preset(), 1)[3]["given"])


@pytest.mark.parametrize("setting", ["corrupted", "blunders"])
def test_what_is_given_has_errors_and_what_is_true_has_none(setting):
    without = {"corrupted": 0.0, "blunders": 0.0, "turned": 0.0}
    plain = Masks(STACKS[:1], preset(**without), 0)
    wrong = Masks(STACKS[:1], preset(**without | {setting: 1.0}), 0)

    def differs(masks):
        pairs = [(masks[i]["given"].argmax(1), masks[i]["truth"]) for i in range(10)]
        return [bool((given != true).any()) for given, true in pairs]

    assert not any(differs(plain))
    assert any(differs(wrong))
    assert set(np.unique(wrong[0]["truth"])) <= {0, 1, 2, 3}


def test_from_cache_to_bundle(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-sa")
    path = train(preset(steps=2), data, tmp_path / "run", fold=0, device="cpu", workers=0)
    state = checkpoint.read_state(path)
    assert state["step"] == 2
    assert len(state["about"]["patients"]) in (4, 5)
    bundle = pack("mnms2", [path], tmp_path / "bundle")
    (entry,) = json.loads((bundle / "manifest.json").read_text())["networks"]
    assert entry["recipe"] == "mnms2-sa-qc"
    assert entry["file"] == "mnms2-sa-qc-fold0-seed0.safetensors"
    assert "preparation" not in entry
