from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from cmrseg.quality.reconstruct import Reconstructor
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg_lab.training import autoencoder, checkpoint
from cmrseg_lab.training.autoencoder import (
    fit_autoencoder,
    load_autoencoder,
    train_autoencoder,
    validate,
)
from cmrseg_lab.training.autoencoder_config import AutoencoderTraining, configurations
from cmrseg_lab.training.journal import LOG
from cmrseg_lab.training.loop import CHECKPOINT, TrainingStoppedError
from cmrseg_lab.training.pack import pack
from lab.training.test_autoencoder_data import CONFIG, STACKS
from tiny import heart, make_cache

CPU = torch.device("cpu")


def fit(run_dir, config=CONFIG, **options):
    return fit_autoencoder(config, STACKS, [heart(9)[1]], run_dir, device=CPU, **options)


def weights(path):
    return {k: v.clone() for k, v in checkpoint.network_weights(path).items()}


def test_it_learns_to_reconstruct(tmp_path):
    config = replace(CONFIG, steps=40, learning_rate=1e-2, validate_every=20, corrupted=0.3)
    path = fit(tmp_path, replace(config, turned=0.0))
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40]
    assert lines[1]["dice"]["1"] > 0.7
    network = load_autoencoder(path)
    assert not network.training
    again = validate(Reconstructor(network, CPU), [heart(9)[1]])
    assert again == lines[1]["dice"]


def test_a_run_stopped_and_resumed_is_the_run_never_stopped(tmp_path, monkeypatch):
    straight = fit(tmp_path / "straight", replace(CONFIG, validate_every=2))
    take = autoencoder.step

    def stopping(*arguments):
        if arguments[4]["step"] == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(*arguments)

    monkeypatch.setattr(autoencoder, "step", stopping)
    with pytest.raises(TrainingStoppedError, match="step 2"):
        fit(tmp_path / "halves", replace(CONFIG, validate_every=2))
    monkeypatch.setattr(autoencoder, "step", take)
    halves = fit(tmp_path / "halves", replace(CONFIG, validate_every=2), resume=True)
    one, other = weights(straight), weights(halves)
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=1e-6)
    logs = [(tmp_path / run / LOG).read_text().count("\n") for run in ("straight", "halves")]
    assert logs == [2, 2]


def test_another_run_is_not_resumed_and_none_is_overwritten(tmp_path):
    fit(tmp_path)
    with pytest.raises(UsageError, match="holds a training"):
        fit(tmp_path)
    with pytest.raises(UsageError, match="corrupted"):
        fit(tmp_path, replace(CONFIG, corrupted=0.1), resume=True)
    with pytest.raises(UsageError, match="fold"):
        fit(tmp_path, resume=True, about={"fold": 1})
    with pytest.raises(InputError):
        fit(tmp_path / "nowhere", resume=True)


@pytest.mark.parametrize("recipe", ["mnms2-sa-qc", "mnms2-la-qc"])
def test_configurations_survive_json(recipe):
    for config in configurations(recipe).values():
        assert AutoencoderTraining.from_dict(json.loads(json.dumps(config.as_dict()))) == config
    assert configurations(recipe)["compact"].network.slices == (3 if "sa" in recipe else 1)


def test_the_papers_training():
    paper = configurations("mnms2-sa-qc")["paper"]
    assert (paper.learning_rate, paper.weight_decay, paper.decay) == (2e-4, 1e-5, 0.0)
    assert paper.corrupted == paper.turned == 0.0
    assert paper.network.latent == (100, 4, 4)
    assert paper.network.dropout == 0.5


def test_from_cache_to_bundle(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-sa")
    path = train_autoencoder(CONFIG, data, tmp_path / "run", fold=0, device="cpu", steps=2)
    state = checkpoint.read_state(path)
    assert state["step"] == 2
    assert len(state["about"]["held_out"]) in (1, 2)
    assert state["about"]["volumes"] + len(state["about"]["held_out"]) == 6
    bundle = pack("mnms2", [path], tmp_path / "bundle")
    (entry,) = json.loads((bundle / "manifest.json").read_text())["networks"]
    assert entry["recipe"] == "mnms2-sa-qc"
    assert entry["file"] == "mnms2-sa-qc-fold0-seed0.safetensors"
    with pytest.raises(InputError, match="recipe"):
        train_autoencoder(replace(CONFIG, recipe="mnms2-la-qc"), data, tmp_path / "la")


def test_nothing_to_learn_from(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-sa", patients=0)
    with pytest.raises(InputError, match="no volume"):
        train_autoencoder(CONFIG, data, tmp_path / "run", device="cpu")


def test_checkpoint_name(tmp_path):
    assert fit(tmp_path, replace(CONFIG, steps=1)) == tmp_path / CHECKPOINT
    assert np.isfinite(
        [float(v.abs().max()) for v in weights(tmp_path / CHECKPOINT).values()]
    ).all()


def test_a_run_goes_on_from_anothers_weights(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-sa")
    first = train_autoencoder(CONFIG, data, tmp_path / "first", device="cpu", steps=2)
    second = train_autoencoder(
        CONFIG, data, tmp_path / "second", device="cpu", steps=1, start=first, learning_rate=1e-12
    )
    one, other = weights(first), weights(second)
    moving = ("running_mean", "running_var", "num_batches_tracked")
    for name in one:
        if not name.endswith(moving):
            torch.testing.assert_close(one[name], other[name], rtol=0, atol=1e-6)
    state = checkpoint.read_state(second)
    assert state["config"]["seed"] == CONFIG.seed + 1
    told = state["about"]["started_from"]
    assert (told["steps"], told["seed"], told["sources"]) == (2, CONFIG.seed, ["hospital"])
    for settings in ({"slices": 1}, {"fold": 1}):
        with pytest.raises(InputError, match="another network or other held-out"):
            train_autoencoder(
                CONFIG, data, tmp_path / "x", device="cpu", start=first, steps=1, **settings
            )


def test_settings_change_what_is_given_and_nothing_else(tmp_path):
    ours = configurations("mnms2-sa-qc")["compact"]
    assert ours.altered(steps=None, slices=None) == ours
    changed = ours.altered(slices=5, corrupted=0.0, blunders=0.4)
    assert (changed.network.slices, changed.corrupted, changed.blunders) == (5, 0.0, 0.4)
    assert replace(changed, network=ours.network, corrupted=0.7, blunders=0.0) == ours
    with pytest.raises(UsageError, match="odd"):
        train_autoencoder(CONFIG, tmp_path, tmp_path / "run", slices=2)


def test_the_papers_network_trained_as_ours():
    known = configurations("mnms2-sa-qc")
    assert known["paper-denoising"].network == known["paper"].network
    assert replace(known["paper-denoising"], network=known["compact"].network) == known["compact"]
