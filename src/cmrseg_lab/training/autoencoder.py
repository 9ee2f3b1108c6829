"""Training the masks' autoencoder from the cache that the view's segmenter learns from.

The paper's is trained on true masks alone (galati2021 section 2.2 and the authors' code). The
compact one is given wrong masks and has to answer with the right ones: what it cannot be talked
into reproducing shows the more clearly.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cmrseg.imaging.overlap import dice
from cmrseg.imaging.volume import Array
from cmrseg.models.autoencoder import Autoencoder
from cmrseg.models.unet import count_parameters
from cmrseg.quality.losses import reconstruction_loss
from cmrseg.quality.reconstruct import Reconstructor
from cmrseg.runtime import Progress, use_device
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg_lab.training import cache, checkpoint
from cmrseg_lab.training.autoencoder_config import AutoencoderTraining
from cmrseg_lab.training.autoencoder_data import batches
from cmrseg_lab.training.journal import Scalars, forget_after, note_scores
from cmrseg_lab.training.loop import CHECKPOINT, TrainingStoppedError, stop_on_sigterm
from cmrseg_lab.training.train import split, told_of


def train_autoencoder(
    config: AutoencoderTraining,
    cache_dir: Path,
    run_dir: Path,
    *,
    fold: int | None = 0,
    device: str = "auto",
    resume: bool = False,
    start: Path | None = None,
    steps: int | None = None,
    seed: int | None = None,
    learning_rate: float | None = None,
    slices: int | None = None,
    corrupted: float | None = None,
    blunders: float | None = None,
) -> Path:
    """Fit one fold from the cache of the view's segmenter, and return the checkpoint.

    With ``start`` the run goes on from another run's weights with a fresh schedule, and unless told
    otherwise with the seed after that run's. What is None is as the configuration, or as that run's
    network, has it.

    Raises:
        InputError: the cache is missing or of another recipe, or holds nothing to learn from;
            ``start`` is no checkpoint, or of another network or fold.
        UsageError: there is no such fold or device, the run to resume was another one, or slices
            are even.
    """
    if slices is not None and slices % 2 == 0:
        raise UsageError(f"{slices} slices have none in the middle", "give an odd number")
    if start and seed is None:
        seed = AutoencoderTraining.from_dict(checkpoint.read_state(start)["config"]).seed + 1
    config = config.altered(
        steps=steps,
        seed=seed,
        learning_rate=learning_rate,
        slices=slices,
        corrupted=corrupted,
        blunders=blunders,
    )
    learn, watched = split(cache.read_index(cache_dir, config.recipe.removesuffix("-qc")), fold)
    about = told_of(fold, learn, watched)
    if start:
        about["started_from"] = _started_from(start, config, about)
    return fit_autoencoder(
        config,
        [cache.load(cache_dir, e).label for e in learn],
        [cache.load(cache_dir, e).label for e in watched],
        run_dir,
        device=use_device(device),
        resume=resume,
        start=start,
        about=about,
    )


def fit_autoencoder(
    config: AutoencoderTraining,
    training: list[Array],
    held_out: list[Array],
    run_dir: Path,
    *,
    device: torch.device,
    resume: bool = False,
    start: Path | None = None,
    about: dict[str, Any] | None = None,
) -> Path:
    """Train one autoencoder in fp32 and return its checkpoint.

    Args:
        config: what to train.
        training: (z, y, x) uint8 label stacks to learn from.
        held_out: label stacks to watch; nothing is chosen by them.
        run_dir: checkpoint, TensorBoard scalars and ``log.jsonl`` go here.
        device: where to compute.
        resume: go on from the checkpoint in ``run_dir``.
        start: checkpoint whose weights a new run begins with.
        about: stored in the checkpoint (data, fold), for the manifest.

    Raises:
        InputError: there is nothing to resume from.
        UsageError: there is a run and it was not to be resumed, or the run to resume is another.
        TrainingStoppedError: on SIGTERM, after the checkpoint is safe.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = Autoencoder(config.network).to(device)
    optimiser = torch.optim.Adam(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    state: dict[str, Any] = {"step": 0, "config": config.as_dict(), "about": about or {}}
    path = run_dir / CHECKPOINT
    if resume:
        _check_same_run(checkpoint.read_state(path), config, about or {})
        state = checkpoint.restore(path, network, optimiser)
    elif path.exists():
        raise UsageError(
            f"{run_dir} holds a training already", "go on with --resume, or use another folder"
        )
    elif start:
        network.load_state_dict(checkpoint.network_weights(start))
    state["precision"] = "fp32"
    parameters = count_parameters(network) / 1e6
    print(f"{config.recipe}: {parameters:.2f} M parameters, from step {state['step']}", flush=True)
    forget_after(run_dir, state["step"])
    saved_at = time.monotonic()
    with (
        stop_on_sigterm() as stop,
        Scalars(run_dir, state["step"]) as scalars,
        Progress(config.steps, config.recipe) as progress,
    ):
        for given, truth in batches(config, training, state["step"]):
            loss = step(network, optimiser, given.to(device), truth.to(device), state, config)
            state["step"] += 1
            progress.show(state["step"], f"loss {loss:.3f}")
            scalars.add(state["step"], {"loss/train": loss})
            done = state["step"] == config.steps
            if state["step"] % config.validate_every == 0 or done:
                scores = validate(Reconstructor(network.eval(), device), held_out)
                scalars.add(state["step"], {f"dice/{name}": v for name, v in scores.items()})
                note_scores(run_dir, state["step"], loss, scores)
            if stop or done or time.monotonic() - saved_at > config.checkpoint_every_s:
                checkpoint.save(path, network, optimiser, state)
                saved_at = time.monotonic()
            if stop:
                raise TrainingStoppedError(f"stopped at step {state['step']}; --resume goes on")
    return path


def load_autoencoder(path: Path) -> Autoencoder:
    """The trained network of a checkpoint, in evaluation mode.

    Raises:
        InputError: no checkpoint of ours.
    """
    config = AutoencoderTraining.from_dict(checkpoint.read_state(path)["config"])
    network = Autoencoder(config.network)
    network.load_state_dict(checkpoint.network_weights(path))
    return network.eval()


def step(
    network: Autoencoder,
    optimiser: torch.optim.Optimizer,
    given: Tensor,
    truth: Tensor,
    state: dict[str, Any],
    config: AutoencoderTraining,
) -> float:
    """One optimiser step; returns the loss."""
    rate = config.learning_rate * float((1 - state["step"] / config.steps) ** config.decay)
    for group in optimiser.param_groups:
        group["lr"] = rate
    loss = reconstruction_loss(network.train()(given), truth)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(loss.detach())


def validate(reconstructor: Reconstructor, stacks: list[Array]) -> dict[str, float]:
    """Mean 3-D Dice of each class between held-out true masks and their reconstructions."""
    if not stacks:
        return {}
    classes = range(1, reconstructor.network.config.classes)
    rows = []
    for stack in stacks:
        found = reconstructor.labels(stack)
        rows.append([dice(stack == c, found == c) for c in classes])
    means = np.mean(rows, axis=0)
    return {str(c): round(float(mean), 4) for c, mean in zip(classes, means, strict=True)}


def _started_from(
    start: Path, config: AutoencoderTraining, about: dict[str, Any]
) -> dict[str, Any]:
    """What the manifest says of the run whose weights are gone on from."""
    state = checkpoint.read_state(start)
    earlier, began = state["about"], AutoencoderTraining.from_dict(state["config"])
    same = (began.recipe, began.network) == (config.recipe, config.network)
    if not same or earlier["held_out"] != about["held_out"]:
        raise InputError(
            "the run to start from had another network or other held-out patients",
            "start from a run of the same network and fold",
        )
    kept = {key: earlier[key] for key in ("sources", "started_from") if key in earlier}
    with start.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"steps": state["step"], "seed": began.seed, "sha256": digest, **kept}


def _check_same_run(
    state: dict[str, Any], config: AutoencoderTraining, about: dict[str, Any]
) -> None:
    """A resumed run is the same run: another fold would learn from its own held-out patients."""
    began, now = AutoencoderTraining.from_dict(state["config"]).as_dict(), config.as_dict()
    changed = [k for k in now if k != "checkpoint_every_s" and began[k] != now[k]]
    changed += [k for k in about if state["about"].get(k) != about[k]]
    if changed:
        raise UsageError(
            f"the run to resume began with another {', '.join(changed)}",
            "resume with the settings and the cache it began with, or train into a new folder",
        )
