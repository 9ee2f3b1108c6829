"""Training on Monte-Carlo dropout samples: the step, the command, and what a checkpoint tells."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cmrseg.models.unet import UNet
from cmrseg_lab.cli import main
from cmrseg_lab.training import loop as fitting
from cmrseg_lab.training.checkpoint import read_state
from cmrseg_lab.training.loop import CHECKPOINT, TrainingStoppedError, batches, fit, make_optimiser
from cmrseg_lab.training.losses import deep_supervision
from cmrseg_lab.training.presets import RECIPES
from tiny import make_cache, sample, training_config

CPU = torch.device("cpu")
OPTIONS = {"device": CPU, "precision": "fp32", "workers": 0}


def test_a_step_is_that_of_the_loss_on_separate_passes():
    config = training_config(
        "emidec", samples=3, alpha=3.0, optimiser="sgd", learning_rate=1.0, weight_decay=0.0
    )
    torch.manual_seed(0)
    network, naive = UNet(config.network), UNet(config.network)
    naive.load_state_dict(network.state_dict())
    before = [p.detach().clone() for p in network.parameters()]
    batch = next(batches(config, [sample(0)], 0, 0))
    torch.manual_seed(1)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    state = {"step": 0, "precision": "fp32"}
    optimiser = make_optimiser(network, config)
    loss = fitting.step(network, optimiser, scaler, batch, state, config, CPU)

    torch.manual_seed(1)
    passes = [naive(batch["image"]) for _ in range(3)]
    heads = [torch.cat(head) for head in zip(*passes, strict=True)]
    expected = deep_supervision(heads, batch["label"], 3, 3.0)
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    # Nesterov's first step is the gradient times one plus the momentum.
    moved = [(a - b.detach()) / 1.99 for a, b in zip(before, network.parameters(), strict=True)]
    for (name, p), gradient in zip(naive.named_parameters(), moved, strict=True):
        torch.testing.assert_close(gradient, p.grad, rtol=1e-3, atol=2e-5, msg=name)


def stopped_and_resumed(folder, config):
    """A run stopped by SIGTERM's flag in its second step, then gone on with."""
    take = fitting.step

    def step(network, optimiser, scaler, batch, state, *rest):
        if state["step"] == 1:
            fitting.signal.raise_signal(fitting.signal.SIGTERM)
        return take(network, optimiser, scaler, batch, state, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fitting, "step", step)
        with pytest.raises(TrainingStoppedError, match="step 2"):
            fit(config, [sample(0)], [], folder, **OPTIONS)
    return fit(config, [sample(0)], [], folder, resume=True, **OPTIONS)


def test_a_run_on_samples_resumes_to_the_bit(tmp_path):
    config = training_config("emidec", samples=2, alpha=3.0, steps=4)
    straight = load_file(fit(config, [sample(0)], [], tmp_path / "straight", **OPTIONS))
    resumed = load_file(stopped_and_resumed(tmp_path / "stopped", config))
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in straight.items())


def test_a_checkpoint_from_before_there_were_samples_is_gone_on_with(tmp_path):
    config = training_config("emidec", steps=2)
    path = fit(config, [sample(0)], [], tmp_path, **OPTIONS)
    with safe_open(path, "pt") as file:
        state = json.loads(file.metadata()["state"])
    del state["config"]["samples"], state["config"]["alpha"]
    save_file(load_file(path), path, metadata={"state": json.dumps(state)})
    assert fit(config, [sample(0)], [], tmp_path, resume=True, **OPTIONS) == path


def train(tmp_path, monkeypatch, *options):
    monkeypatch.setitem(RECIPES["emidec"].training, "tiny", training_config("emidec", steps=2))
    folder = make_cache(tmp_path / "cache", "emidec")
    given = ["--config", "tiny", "--device", "cpu", "--workers", "0", "--precision", "fp32"]
    return main.main(["train", "emidec", str(folder), str(tmp_path / "run"), *given, *options])


def test_the_command_trains_on_samples_and_the_checkpoint_tells(tmp_path, monkeypatch):
    assert train(tmp_path, monkeypatch, "--samples", "2", "--alpha", "1.5") == 0
    config = read_state(tmp_path / "run" / CHECKPOINT)["config"]
    assert (config["samples"], config["alpha"]) == (2, 1.5)


def test_alpha_alone_would_weigh_nothing(tmp_path, monkeypatch, capsys):
    assert train(tmp_path, monkeypatch, "--alpha", "3") == 2
    assert "--samples" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [("--samples", "0"), ("--alpha", "-1"), ("--alpha", "nan")])
def test_numbers_that_make_no_sense_are_refused(options, tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="2"):
        train(tmp_path, monkeypatch, *options)
