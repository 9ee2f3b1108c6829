"""Fitting learns, stops at any minute and goes on bit for bit."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cmrseg.models.layers import SliceConv
from cmrseg.models.unet import UNet
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg_lab.cli import main
from cmrseg_lab.training import loop as fitting
from cmrseg_lab.training.checkpoint import network_weights, read_state
from cmrseg_lab.training.checkpointing import validate
from cmrseg_lab.training.journal import LOG
from cmrseg_lab.training.loop import CHECKPOINT, TrainingStoppedError, batches, fit, make_optimiser
from cmrseg_lab.training.presets import RECIPES
from tiny import make_cache, network_config, sample, training_config

CPU = torch.device("cpu")
SCRIPT = Path(__file__).parents[2] / "tiny_training.py"


def scalars(run_dir, tag="loss/train"):
    """(step, value) by the newest file that tells of a step."""
    told = {}
    for file in sorted(run_dir.glob("events.*"), key=lambda path: path.stat().st_mtime_ns):
        events = EventAccumulator(str(file)).Reload()
        if tag in events.Tags()["scalars"]:
            told |= {e.step: e.value for e in events.Scalars(tag)}
    return sorted(told.items())


def same_state(a, b):
    """Whether two checkpoints hold the same tensors, bit for bit, and tell the same."""
    one, other = load_file(a / CHECKPOINT), load_file(b / CHECKPOINT)
    assert one.keys() == other.keys()
    differing = [k for k in one if not torch.equal(one[k], other[k])]
    return not differing and read_state(a / CHECKPOINT) == read_state(b / CHECKPOINT)


def run(
    run_dir,
    recipe="emidec",
    resume=False,
    workers=0,
    samples=None,
    choosers=(),
    precision="fp32",
    **changed,
):
    samples = samples or [sample(0), sample(1)]
    options = {"device": CPU, "precision": precision, "resume": resume, "workers": workers}
    options["choosers"] = choosers
    return fit(training_config(recipe, **changed), samples, samples[:1], run_dir, **options)


def stop_during(monkeypatch, number):
    """SIGTERM while step ``number`` is being taken."""
    take = fitting.step

    def step(network, optimiser, scaler, batch, state, *rest):
        if state["step"] == number - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(network, optimiser, scaler, batch, state, *rest)

    monkeypatch.setattr(fitting, "step", step)


def test_a_tiny_network_learns_two_tiny_hearts(tmp_path):
    samples = [sample(0), sample(1)]
    network = network_config("mnms2-sa", features=(8, 16, 16))
    path = run(
        tmp_path,
        "mnms2-sa",
        samples=samples,
        steps=60,
        batch=4,
        learning_rate=2e-2,
        validate_every=60,
        network=network,
    )
    losses = [value for _, value in scalars(tmp_path)]
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    trained = UNet(network)
    weights = load_file(path)
    state = {k.removeprefix("network."): v for k, v in weights.items() if k.startswith("network.")}
    trained.load_state_dict(state)
    dice = validate(trained, samples, CPU, "fp32")
    assert min(dice.values()) > 0.75
    (line,) = (tmp_path / LOG).read_text().splitlines()
    assert json.loads(line)["dice"]["1"] == validate(trained, samples[:1], CPU, "fp32")["1"]


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_resumed_run_reports_what_a_straight_one_does(tmp_path, monkeypatch, optimiser):
    changed = {"optimiser": optimiser, "steps": 7, "learning_rate": 3e-3}
    run(tmp_path / "straight", **changed)
    with monkeypatch.context() as patched:
        stop_during(patched, 3)
        with pytest.raises(TrainingStoppedError, match="step 3; --resume"):
            run(tmp_path / "stopped", **changed)
    assert read_state(tmp_path / "stopped" / CHECKPOINT)["step"] == 3
    run(tmp_path / "stopped", resume=True, workers=1, **changed)
    assert same_state(tmp_path / "straight", tmp_path / "stopped")
    logs = [(tmp_path / d / LOG).read_text() for d in ("straight", "stopped")]
    assert logs[0] == logs[1]
    assert [json.loads(line)["step"] for line in logs[0].splitlines()] == [2, 4, 6, 7]
    assert scalars(tmp_path / "straight") == scalars(tmp_path / "stopped")
    assert [step for step, _ in scalars(tmp_path / "stopped")] == list(range(1, 8))


def test_a_run_killed_after_its_checkpoint_tells_each_step_once(tmp_path, monkeypatch):
    """Checkpoints lag behind the log: what follows the last one is taken and told again."""
    run(tmp_path / "straight")

    def die(network, optimiser, scaler, batch, state, *rest):
        if state["step"] == 4:
            raise ConnectionAbortedError
        return take(network, optimiser, scaler, batch, state, *rest)

    take = fitting.step
    with monkeypatch.context() as patched:
        stop_during(patched, 3)
        with pytest.raises(TrainingStoppedError):
            run(tmp_path / "killed")
    with monkeypatch.context() as patched:
        patched.setattr(fitting, "step", die)
        with pytest.raises(ConnectionAbortedError):
            run(tmp_path / "killed", resume=True)
    run(tmp_path / "killed", resume=True)
    assert same_state(tmp_path / "straight", tmp_path / "killed")
    assert (tmp_path / "straight" / LOG).read_text() == (tmp_path / "killed" / LOG).read_text()
    assert scalars(tmp_path / "straight") == scalars(tmp_path / "killed")


def test_the_command_needs_no_image_library_stops_on_sigterm_and_resumes(tmp_path, monkeypatch):
    """A real process group, its worker included, gets the signal as a cluster sends it."""
    folder = make_cache(tmp_path / "cache", "emidec")
    arguments = ["emidec", str(folder), str(tmp_path / "stopped"), "--seed", "5"]
    blocked = "SimpleITK,nibabel,scipy,pydicom,matplotlib,PIL"
    command = [sys.executable, str(SCRIPT), "--block", blocked, "--stop-after", "3", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, start_new_session=True, check=False
    )
    assert done.returncode == 143, done.stderr
    assert done.stderr.splitlines()[-1] == "cmrseg: stopped at step 3; --resume goes on"
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1] == "loaded although blocked: []"
    assert [step for step, _ in scalars(tmp_path / "stopped")] == [1, 2, 3]
    began = read_state(tmp_path / "stopped" / CHECKPOINT)
    assert began["step"] == 3
    monkeypatch.setitem(RECIPES["emidec"].training, "tiny", training_config("emidec"))
    options = ["--config", "tiny", "--device", "cpu", "--workers", "0"]
    assert main.main(["train", *arguments, *options, "--resume"]) == 0
    monkeypatch.setattr(fitting, "usual_precision", lambda *_: began["precision"])
    arguments[2] = str(tmp_path / "straight")
    assert main.main(["train", *arguments, *options]) == 0
    assert same_state(tmp_path / "straight", tmp_path / "stopped")
    assert (tmp_path / "straight" / LOG).read_text() == (tmp_path / "stopped" / LOG).read_text()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"steps": 9}, r"steps \(1, now 9\)"),
        ({"seed": 2}, "seed"),
        ({"learning_rate": 1.0}, "learning_rate"),
        ({"network": network_config("emidec", features=(4, 8, 12))}, "network"),
    ],
)
def test_only_the_same_run_is_resumed(tmp_path, changed, told):
    run(tmp_path, steps=1)
    with pytest.raises(UsageError, match=f"began with another {told}"):
        run(tmp_path, resume=True, **{"steps": 1, **changed})


def test_a_run_that_is_done_or_asks_for_more_checkpoints_may_be_resumed(tmp_path):
    path = run(tmp_path, steps=1)
    before = load_file(path)
    assert run(tmp_path, resume=True, steps=1, checkpoint_every_s=1.0) == path
    assert all(torch.equal(before[k], v) for k, v in load_file(path).items())


def test_another_fold_is_not_the_same_run(tmp_path):
    config, samples = training_config("emidec", steps=1), [sample(0)]
    options = {"device": CPU, "precision": "fp32", "workers": 0}
    fit(config, samples, [], tmp_path, about={"fold": 0}, **options)
    with pytest.raises(UsageError, match="began with another fold"):
        fit(config, samples, [], tmp_path, about={"fold": 1}, resume=True, **options)


def test_there_must_be_something_to_resume(tmp_path):
    with pytest.raises(InputError, match="no readable checkpoint"):
        run(tmp_path, resume=True)


def test_a_finished_run_is_never_written_over(tmp_path):
    run(tmp_path, steps=2)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(UsageError, match="--resume"):
        run(tmp_path, steps=2)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_without_a_held_out_fold_the_log_is_still_json(tmp_path):
    options = {"device": CPU, "precision": "fp32", "workers": 0}
    fit(training_config("mnms2-sa", steps=2), [sample(0)], [], tmp_path, **options)
    (line,) = (tmp_path / LOG).read_text().splitlines()
    told = json.loads(line, parse_constant=pytest.fail)
    assert told["dice"] == {}
    assert told["loss"] > 0


def test_checkpoints_come_by_the_clock(tmp_path, monkeypatch):
    saved = []
    save = fitting.checkpoint.save

    def count(path, network, optimiser, state, average):
        saved.append(state["step"])
        save(path, network, optimiser, state, average)

    monkeypatch.setattr(fitting.checkpoint, "save", count)
    run(tmp_path / "often", steps=4, checkpoint_every_s=0.0)
    assert saved == [1, 2, 3, 4]
    saved.clear()
    run(tmp_path / "once", steps=4, checkpoint_every_s=1000.0)
    assert saved == [4]


def test_sigterm_means_what_it_did_once_fitting_is_over(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    run(tmp_path, steps=1)
    assert signal.getsignal(signal.SIGTERM) is before


def test_both_precisions_learn_the_same_first_step(tmp_path):
    for precision in ("fp32", "bf16"):
        run(tmp_path / precision, precision=precision, steps=1)
    (one,), (other,) = (scalars(tmp_path / p) for p in ("fp32", "bf16"))
    assert one[1] == pytest.approx(other[1], rel=0.02)


def test_the_learning_rate_falls_to_zero_by_the_power(tmp_path, monkeypatch):
    rates = []
    take = fitting.step

    def step(network, optimiser, *rest):
        loss = take(network, optimiser, *rest)
        rates.append(optimiser.param_groups[0]["lr"])
        return loss

    monkeypatch.setattr(fitting, "step", step)
    run(tmp_path, steps=4, learning_rate=0.1)
    assert rates == pytest.approx([0.1 * (1 - i / 4) ** 0.9 for i in range(4)])


def test_the_best_looks_are_kept_whether_or_not_a_run_is_interrupted(tmp_path, monkeypatch):
    """One straight run; one stopped between looks; one killed right after a look was kept."""
    changed = {"keep": 2, "steps": 7, "validate_every": 1, "learning_rate": 3e-2}
    run(tmp_path / "straight", "mnms2-sa", choosers=[sample(2)], **changed)
    looks = [json.loads(line) for line in (tmp_path / "straight" / LOG).read_text().splitlines()]
    assert [look["step"] for look in looks] == list(range(1, 8))
    # the held-out volumes are not looked at before all is over
    assert [bool(look["dice"]) for look in looks] == [False] * 6 + [True]
    means = {look["step"]: sum(look["choose"].values()) / 3 for look in looks}
    best = sorted(means, key=lambda step: (-means[step], step))[:2]
    for rank, step in enumerate(best, start=1):
        state = read_state(tmp_path / "straight" / f"best-{rank}.safetensors")
        assert (state["step"], state["snapshot"]["rank"]) == (step, rank)
        assert state["snapshot"]["dice"] == pytest.approx(means[step])
    trained = UNet(network_config("mnms2-sa"))
    trained.load_state_dict(network_weights(tmp_path / "straight" / "best-1.safetensors"))
    assert validate(trained, [sample(2)], CPU, "fp32") == looks[best[0] - 1]["choose"]

    with monkeypatch.context() as patched:
        stop_during(patched, 4)
        with pytest.raises(TrainingStoppedError):
            run(tmp_path / "stopped", "mnms2-sa", choosers=[sample(2)], **changed)
    run(tmp_path / "stopped", "mnms2-sa", choosers=[sample(2)], resume=True, **changed)

    save, done = fitting.checkpoint.save, best[0] - 1

    def die(path, network, optimiser, state, average):
        if state["step"] == best[0]:  # the best look is kept, its checkpoint never written
            raise ConnectionAbortedError
        save(path, network, optimiser, state, average)

    with monkeypatch.context() as patched:
        patched.setattr(fitting.checkpoint, "save", die)
        with pytest.raises(ConnectionAbortedError):
            run(tmp_path / "killed", "mnms2-sa", choosers=[sample(2)], **changed)
    run(tmp_path / "killed", "mnms2-sa", choosers=[sample(2)], resume=done > 0, **changed)

    for other in ("stopped", "killed"):
        assert same_state(tmp_path / "straight", tmp_path / other)
        logs = [(tmp_path / d / LOG).read_text() for d in ("straight", other)]
        assert logs[0] == logs[1]
        for rank in (1, 2):
            paths = [tmp_path / d / f"best-{rank}.safetensors" for d in ("straight", other)]
            assert read_state(paths[0]) == read_state(paths[1])
            one, two = (load_file(path) for path in paths)
            assert all(torch.equal(one[k], two[k]) for k in one)


def test_nobody_to_choose_by_is_told_before_anything_is_trained(tmp_path):
    with pytest.raises(UsageError, match="nobody to choose snapshots by"):
        run(tmp_path / "run", "mnms2-sa", keep=1)
    assert not (tmp_path / "run").exists()


def test_adam_is_adam_with_l2(tmp_path):
    config = training_config("emidec", optimiser="adam", weight_decay=1e-5)
    optimiser = make_optimiser(UNet(config.network), config)
    assert type(optimiser) is torch.optim.Adam
    assert optimiser.param_groups[0]["weight_decay"] == 1e-5
    run(tmp_path, "mnms2-sa", optimiser="adam", dice="generalised", steps=2)
    assert read_state(tmp_path / CHECKPOINT)["config"]["dice"] == "generalised"


def test_the_optimiser_steps_at_the_schedules_rate(tmp_path, monkeypatch):
    rates = []
    take = fitting.step

    def step(network, optimiser, *rest):
        loss = take(network, optimiser, *rest)
        rates.append(optimiser.param_groups[0]["lr"])
        return loss

    monkeypatch.setattr(fitting, "step", step)
    changed = {"schedule": "exponential", "decay": 0.5, "epochs": 2, "learning_rate": 0.1}
    run(tmp_path, "mnms2-sa", steps=4, validate_every=9, **changed)
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05])


def test_a_run_from_before_configurations_had_names_goes_on(tmp_path):
    config, samples = training_config("mnms2-sa", steps=1), [sample(0)]
    options = {"device": CPU, "precision": "fp32", "workers": 0}
    fit(config, samples, [], tmp_path, about={"fold": 0}, **options)
    named = {"fold": 0, "configuration": "compact"}
    fit(config, samples, [], tmp_path, about=named, resume=True, **options)


def test_gradients_are_clipped(tmp_path):
    config = training_config("emidec", optimiser="sgd", learning_rate=1.0, weight_decay=0.0)
    config = replace(config, gradient_clip=1e-3)
    torch.manual_seed(0)
    network = UNet(config.network)
    before = [p.detach().clone() for p in network.parameters()]
    batch = next(batches(config, [sample(0)], 0, 0))
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    state = {"step": 0, "precision": "fp32"}
    fitting.step(network, make_optimiser(network, config), scaler, batch, state, config, CPU)
    moved = [a - b for a, b in zip(network.parameters(), before, strict=True)]
    # Nesterov's first step is the gradient times one plus the momentum.
    norm = float(torch.stack([d.detach().square().sum() for d in moved]).sum().sqrt())
    assert norm == pytest.approx(1.99e-3, rel=1e-3)


def test_slices_are_seen_alone_in_the_steps_that_the_seed_says():
    """Alone, a slice gets the same logits whatever its neighbours show; among them it does not."""
    network = UNet(network_config("emidec", across=(True, True, True))).eval()
    image = torch.randn(2, 1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    other = image.clone()
    other[:, :, 1:] += 1
    config = training_config("emidec", alone=0.5)
    alone = []
    for at in range(40):
        one, changed = (fitting._logits(network, x, config, at)[0] for x in (image, other))
        assert one.shape == (2, network.config.classes, 4, 16, 16)
        alone.append(torch.allclose(one[:, :, 0], changed[:, :, 0], atol=1e-6))
        if alone[-1]:
            single = network(image[1:, :, 2:3])[0]
            assert torch.allclose(one[1:, :, 2:3], single, atol=1e-5)
        else:
            assert torch.equal(one, network(image)[0])
    assert 8 < sum(alone) < 32
    again = replace(config, alone=0.0)
    assert torch.equal(fitting._logits(network, image, again, 0)[0], network(image)[0])


def test_a_network_that_looks_across_begins_as_one_that_does_not(tmp_path):
    flat = run(tmp_path / "flat", "mnms2-sa", steps=2)
    network = network_config("mnms2-sa", across=(False, True, True))
    deep = tmp_path / "deep"
    options = {"device": CPU, "precision": "fp32", "workers": 0, "start": flat}
    config = training_config("mnms2-sa", network=network, steps=1, learning_rate=0.0)
    samples = [sample(0), sample(1)]
    path = fit(config, samples, samples[:1], deep, **options)
    before, after = UNet(network_config("mnms2-sa")), UNet(network)
    before.load_state_dict(network_weights(flat))
    after.load_state_dict(network_weights(path))
    kernels = [m.weight for m in after.modules() if isinstance(m, SliceConv)]
    assert any(k.shape[2] == 3 for k in kernels)
    assert all(not k[:, :, [0, 2]].any() for k in kernels if k.shape[2] == 3)
    old = [m.weight for m in before.modules() if isinstance(m, SliceConv)]
    pairs = zip(old, kernels, strict=True)
    assert all(torch.equal(a[:, :, 0], b[:, :, b.shape[2] // 2]) for a, b in pairs)


def test_the_mean_of_the_last_weights_is_what_a_run_leaves(tmp_path, monkeypatch):
    """Of six steps the last three: by hand, over a stop and beginning another run."""
    after = []
    take = fitting.step

    def step(network, *rest):
        loss = take(network, *rest)
        after.append({k: v.clone() for k, v in network.state_dict().items()})
        return loss

    with monkeypatch.context() as patched:
        patched.setattr(fitting, "step", step)
        run(tmp_path / "straight", averaged=0.5)
    mean = {k: torch.stack([w[k].double() for w in after[3:]]).mean(dim=0) for k in after[0]}
    left = network_weights(tmp_path / "straight" / CHECKPOINT)
    for name, weight in left.items():
        if weight.is_floating_point():
            torch.testing.assert_close(weight, mean[name].float(), msg=name)
    last = load_file(tmp_path / "straight" / CHECKPOINT)
    name = "heads.0.weight"
    assert torch.equal(last[f"network.{name}"], after[-1][name])
    assert not torch.equal(left[name], after[-1][name])

    with monkeypatch.context() as patched:
        stop_during(patched, 5)
        with pytest.raises(TrainingStoppedError):
            run(tmp_path / "stopped", averaged=0.5)
    run(tmp_path / "stopped", averaged=0.5, resume=True)
    assert same_state(tmp_path / "straight", tmp_path / "stopped")
    logs = [(tmp_path / d / LOG).read_text() for d in ("straight", "stopped")]
    assert logs[0] == logs[1]
    averaged = UNet(network_config("emidec"))
    averaged.load_state_dict(left)
    told = json.loads(logs[0].splitlines()[-1])["dice"]
    assert told == validate(averaged, [sample(0)], CPU, "fp32")


def test_before_the_last_share_nothing_is_averaged(tmp_path):
    path = run(tmp_path, steps=2, averaged=0.2)  # of two steps a fifth is none
    stored = load_file(path)
    assert not any(name.startswith("average.") for name in stored)
    weights = network_weights(path)
    assert all(torch.equal(stored[f"network.{name}"], weights[name]) for name in weights)
