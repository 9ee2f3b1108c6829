"""The fitting loop, from the cache alone: no image library, no network, no display.

Read :func:`fit` top to bottom. It stops at any minute (a checkpoint every few minutes and on
SIGTERM) and goes on exactly where it stood: patches follow from (seed, index), everything else is
in the checkpoint. Several processes share each step (:mod:`cmrseg_lab.training.distributed`);
theirs goes on exactly as well, since their dropout follows from (seed, step, rank).
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

import numpy as np
import torch
from torch import Tensor

from cmrseg.models.layers import deepened
from cmrseg.models.layout import usual_execution
from cmrseg.models.unet import UNet, count_parameters
from cmrseg.runtime import Precision, autocast, usual_precision
from cmrseg.runtime.errors import UsageError
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.augment import Patches
from cmrseg_lab.training.begin import begin
from cmrseg_lab.training.cache import Sample
from cmrseg_lab.training.checkpointing import Keeper
from cmrseg_lab.training.config import TrainingConfig
from cmrseg_lab.training.distributed import ALONE, EndedTogetherError, Group
from cmrseg_lab.training.losses import deep_supervision
from cmrseg_lab.training.sync_batchnorm import share_norms

CHECKPOINT = "checkpoint.safetensors"
TERMINATED = 143
"""Exit code of a command that SIGTERM stopped."""


class TrainingStoppedError(Exception):
    """SIGTERM came; the checkpoint is written."""


def fit(
    config: TrainingConfig,
    training: list[Sample],
    held_out: list[Sample],
    run_dir: Path,
    *,
    device: torch.device,
    choosers: Sequence[Sample] = (),
    precision: Precision | None = None,
    resume: bool = False,
    start: Path | None = None,
    workers: int = 1,
    about: dict[str, Any] | None = None,
    group: Group = ALONE,
) -> Path:
    """Train one network and return its checkpoint.

    Args:
        config: what to train.
        training: volumes to learn from.
        held_out: volumes to watch; nothing is chosen by them, so their scores stay honest.
        run_dir: checkpoint, snapshots, TensorBoard scalars and ``log.jsonl`` go here.
        device: where to compute.
        choosers: volumes, neither learned from nor held out, by which the best ``config.keep``
            looks are chosen; the held-out ones are then scored at the last step alone.
        precision: None for the device's usual one.
        resume: go on from the checkpoint in ``run_dir``, in the precision it began with.
        start: a checkpoint whose weights to start from, with a fresh optimiser and schedule.
        workers: processes that augment; 0 does it in line.
        about: stored in the checkpoint (data, fold, command), for the manifest.
        group: the processes that train it together, of which this is one.

    Raises:
        InputError: there is nothing to resume from.
        UsageError: the run to resume had another configuration, fold or data; or there is a run
            and it was not to be resumed; or there is nobody to choose snapshots by; or there are
            more processes than patches in a batch.
        TrainingStoppedError: on SIGTERM in any process, after the checkpoint is safe.
        EndedTogetherError: in all processes but the first, when it stopped; or another was lost.
    """
    if config.keep and not choosers:
        raise UsageError("there is nobody to choose snapshots by", "keep none, or set some aside")
    group.check(config.batch)
    run_dir.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = UNet(config.network).to(device)
    if group.size > 1:
        share_norms(network, group)
    if start and not resume:
        network.load_state_dict(deepened(checkpoint.network_weights(start), network))
    optimiser = make_optimiser(network, config)
    path = run_dir / CHECKPOINT
    state = begin(path, network, optimiser, config, about or {}, resume=resume)
    _settle(state, network, device, precision)
    scaler = torch.amp.GradScaler(device.type, enabled=state["precision"] == "fp16")
    if state.get("scaler"):  # empty unless fp16 needs it
        scaler.load_state_dict(state["scaler"])
    keeper = None
    if group.first:
        print(_told(network, config, device, state, group), flush=True)
        keeper = Keeper(path, config, network, optimiser, scaler, state, held_out, choosers)
    with stop_on_sigterm() as stop, keeper or contextlib.nullcontext():
        own = group.share(config.batch)
        for batch in batches(config, training, state["step"], workers, own):
            loss = step(network, optimiser, scaler, batch, state, config, device, group)
            state["step"] += 1
            if keeper:
                keeper.note(loss)
            stopping = group.any(bool(stop))
            if keeper:
                keeper.save(stopping=stopping)
            if stopping:
                _stop(state["step"], group)
    group.wait()  # for the checkpoint
    return path


def _settle(
    state: dict[str, Any], network: UNet, device: torch.device, precision: Precision | None
) -> None:
    """How a run computes: as is usual where it begins, and the same when resumed."""
    state.setdefault("execution", usual_execution(device))
    network.execution = state["execution"]
    state.setdefault("precision", precision or usual_precision(device))


def _told(
    network: UNet, config: TrainingConfig, device: torch.device, state: dict[str, Any], group: Group
) -> str:
    """The line a training begins with."""
    shared = f", a step's {config.batch} patches by {group.size} processes" * (group.size > 1)
    return (
        f"{config.recipe}: {count_parameters(network) / 1e6:.1f} M parameters, "
        f"{state['precision']} {state['execution']} on {device}{shared}, from step {state['step']}"
    )


def _stop(at: int, group: Group) -> NoReturn:
    """End all processes, once the checkpoint is safe; the first tells."""
    group.wait()
    if group.first:
        raise TrainingStoppedError(f"stopped at step {at}; --resume goes on")
    raise EndedTogetherError(TERMINATED)


def make_optimiser(network: UNet, config: TrainingConfig) -> torch.optim.Optimizer:
    """SGD as arega2021 section 2.3, Adam with L2 (the ACDC winner's), or AdamW."""
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            config.learning_rate,
            momentum=0.99,
            nesterov=True,
            weight_decay=config.weight_decay,
        )
    kind = torch.optim.Adam if config.optimiser == "adam" else torch.optim.AdamW
    return kind(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)


def batches(
    config: TrainingConfig,
    samples: list[Sample],
    done: int,
    workers: int,
    own: range | None = None,
) -> Iterator[dict[str, Tensor]]:
    """The batches from step ``done`` on: the same ones whether or not the run was interrupted.

    Args:
        config: tells batch, steps and seed.
        samples: volumes to cut patches from.
        done: steps already taken.
        workers: processes that augment; 0 does it in line.
        own: which patches of each batch; None for all.
    """
    own = own or range(config.batch)
    firsts = range(done * config.batch, config.steps * config.batch, config.batch)
    loader = torch.utils.data.DataLoader(
        Patches(samples, config),
        batch_sampler=(list(range(f + own.start, f + own.stop)) for f in firsts),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_outlive_signals,
        pin_memory=torch.cuda.is_available(),
        # Without one of its own the loader would draw from dropout's random numbers at each start.
        generator=torch.Generator(),
    )
    return iter(loader)


def step(
    network: UNet,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    batch: dict[str, Tensor],
    state: dict[str, Any],
    config: TrainingConfig,
    device: torch.device,
    group: Group = ALONE,
) -> float:
    """One optimiser step; returns the loss.

    Where processes share it, each brings its own patches, and all take the same step.
    """
    for parameters in optimiser.param_groups:
        parameters["lr"] = config.rate(state["step"])
    network.train()
    group.seed(config.seed, state["step"])
    image = batch["image"].to(device, non_blocking=True)
    label = batch["label"].to(device, non_blocking=True)
    with autocast(device, state["precision"]):
        heads = _logits(network, image, config, state["step"])
    heads = [group.whole(head, config.batch, config.samples) for head in heads]
    label = group.whole(label, config.batch)
    loss = deep_supervision(heads, label, config.samples, config.alpha, config.dice)
    optimiser.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    group.add_up(network.parameters())
    scaler.unscale_(optimiser)
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
    scaler.step(optimiser)
    scaler.update()
    return float(loss.detach())


def _logits(network: UNet, image: Tensor, config: TrainingConfig, at: int) -> list[Tensor]:
    """Every head's logits of (B, C, Z, Y, X); in some steps each slice is seen without the others.

    Which steps those are follows from the seed, so all processes agree.
    """
    if np.random.default_rng([config.seed, at]).random() >= config.alone:
        return cast("list[Tensor]", network(image, config.samples))
    depth = image.shape[2]
    apart = image.transpose(1, 2).flatten(0, 1)[:, :, None]
    heads = network(apart, config.samples)
    return [head[:, :, 0].unflatten(0, (-1, depth)).transpose(1, 2) for head in heads]


def _outlive_signals(worker: int) -> None:
    """Signals sent to the whole group are the parent's to answer: it still needs its batch."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[list[int]]:
    """A list that fills when SIGTERM comes."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)
