"""The fitting loop, from the cache alone: no image library, no network, no display.

Read :func:`fit` top to bottom. It stops at any minute (a checkpoint every few minutes and on
SIGTERM) and goes on exactly where it stood: patches follow from (seed, index), everything else is
in the checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Self

import torch
from torch import Tensor

from cmrseg.errors import UsageError
from cmrseg.networks.unet import UNet, count_parameters, pad_to_multiple
from cmrseg.runtime import Precision, Progress, autocast, fastest_precision
from cmrseg.training import checkpoint
from cmrseg.training.augment import Patches
from cmrseg.training.cache import Sample
from cmrseg.training.config import TrainingConfig
from cmrseg.training.losses import deep_supervision
from cmrseg.training.snapshots import Snapshots

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"


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
        precision: None measures which is fastest here.
        resume: go on from the checkpoint in ``run_dir``, in the precision it began with.
        start: a checkpoint whose weights to start from, with a fresh optimiser and schedule.
        workers: processes that augment; 0 does it in line.
        about: stored in the checkpoint (data, fold, command), for the manifest.

    Raises:
        InputError: there is nothing to resume from.
        UsageError: the run to resume had another configuration, fold or data; or there is a run
            and it was not to be resumed; or there is nobody to choose snapshots by.
        TrainingStoppedError: on SIGTERM, after the checkpoint is safe.
    """
    if config.keep and not choosers:
        raise UsageError("there is nobody to choose snapshots by", "keep none, or set some aside")
    run_dir.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = UNet(config.network, "native" if device.type == "cuda" else "folded").to(device)
    if start and not resume:
        network.load_state_dict(checkpoint.network_weights(start))
    optimiser = make_optimiser(network, config)
    state: dict[str, Any] = {"step": 0, "config": config.as_dict(), "about": about or {}}
    path = run_dir / CHECKPOINT
    if path.exists() and not resume:
        raise UsageError(
            f"{run_dir} holds a training already", "go on with --resume, or use another folder"
        )
    if resume:
        _check_same_run(checkpoint.read_state(path), config, about or {})
        state = checkpoint.restore(path, network, optimiser)
        precision = state["precision"]
    state["precision"] = precision or _probe(network, config, device)
    print(
        f"{config.recipe}: {count_parameters(network) / 1e6:.1f} M parameters, "
        f"{state['precision']} on {device}, from step {state['step']}",
        flush=True,
    )
    scaler = torch.amp.GradScaler(device.type, enabled=state["precision"] == "fp16")
    if state.get("scaler"):  # empty unless fp16 needs it
        scaler.load_state_dict(state["scaler"])
    forget_after(run_dir, state["step"])
    snapshots = Snapshots(run_dir, config.keep, state["step"])
    saved_at = time.monotonic()
    with (
        stop_on_sigterm() as stop,
        Scalars(run_dir, state["step"]) as scalars,
        Progress(config.steps, config.recipe) as progress,
    ):
        for batch in batches(config, training, state["step"], workers):
            loss = step(network, optimiser, scaler, batch, state, config, device)
            state["step"] += 1
            progress.show(state["step"], f"loss {loss:.3f}")
            scalars.add(state["step"], {"loss/train": loss})
            done, kept = state["step"] == config.steps, False
            if state["step"] % config.validate_every == 0 or done:
                watched = held_out if done or not config.keep else []
                dice, choice = (
                    validate(network, looked_at, device, state["precision"])
                    for looked_at in (watched, choosers)
                )
                scalars.add_scores(state["step"], dice, choice)
                note_scores(run_dir, state["step"], loss, dice, choice)
                kept = snapshots.offer(choice, network, state)
            due = time.monotonic() - saved_at > config.checkpoint_every_s
            if stop or due or kept or done:
                state["scaler"] = scaler.state_dict()
                checkpoint.save(path, network, optimiser, state)
                saved_at = time.monotonic()
            if stop:
                raise TrainingStoppedError(f"stopped at step {state['step']}; --resume goes on")
    return path


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
    config: TrainingConfig, samples: list[Sample], done: int, workers: int
) -> Iterator[dict[str, Tensor]]:
    """The batches from step ``done`` on: the same ones whether or not the run was interrupted."""
    loader = torch.utils.data.DataLoader(
        Patches(samples, config),
        batch_size=config.batch,
        sampler=range(done * config.batch, config.steps * config.batch),
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
) -> float:
    """One optimiser step; returns the loss."""
    for group in optimiser.param_groups:
        group["lr"] = config.rate(state["step"])
    network.train()
    image = batch["image"].to(device, non_blocking=True)
    label = batch["label"].to(device, non_blocking=True)
    with autocast(device, state["precision"]):
        heads = network(image, config.samples)
    loss = deep_supervision(heads, label, config.samples, config.alpha, config.dice)
    optimiser.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    scaler.unscale_(optimiser)
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
    scaler.step(optimiser)
    scaler.update()
    return float(loss.detach())


@torch.no_grad()
def validate(
    network: UNet, samples: Sequence[Sample], device: torch.device, precision: Precision
) -> dict[str, float]:
    """Mean Dice a volume of each foreground class on the recipe's grid (both empty counts 1).

    Nothing is told of no samples.
    """
    if not samples:
        return {}
    network.eval()
    classes = network.config.classes
    scores: list[list[float]] = []
    for sample in samples:
        image = torch.from_numpy(sample.image)[None, None].to(device)
        with autocast(device, precision):
            logits = network(pad_to_multiple(image, network.config.multiple))[0]
        height, width = sample.image.shape[1:]
        found = logits[0, :, :, :height, :width].argmax(dim=0).cpu()
        truth = torch.from_numpy(sample.label)
        row = []
        for c in range(1, classes):
            total = int((found == c).sum() + (truth == c).sum())
            overlap = int(((found == c) & (truth == c)).sum())
            row.append(2 * overlap / total if total else 1.0)
        scores.append(row)
    means = torch.tensor(scores).mean(dim=0).tolist()
    return {str(c): round(m, 4) for c, m in enumerate(means, start=1)}


def _probe(network: UNet, config: TrainingConfig, device: torch.device) -> Precision:
    """The faster precision for this very network's training step; leaves no trace."""

    def run(precision: Precision) -> None:
        with autocast(device, precision):
            heads = network(image)
        torch.stack([h.float().square().mean() for h in heads]).sum().backward()  # type: ignore[no-untyped-call]
        network.zero_grad(set_to_none=True)

    before = {k: v.clone() for k, v in network.state_dict().items()}
    with torch.random.fork_rng():
        image = torch.randn(1, config.network.in_channels, *config.patch, device=device)
        chosen = fastest_precision(run, device)
    network.load_state_dict(before)  # batch-norm statistics saw noise
    return chosen


def _check_same_run(state: dict[str, Any], config: TrainingConfig, about: dict[str, Any]) -> None:
    """A resumed run is the same run: another fold would learn from its own held-out patients."""
    began, stored = TrainingConfig.from_dict(state["config"]).as_dict(), state["about"]
    now = config.as_dict()
    pairs = {k: (began[k], now[k]) for k in now if k != "checkpoint_every_s"}
    # Runs from before configurations had names are told apart by their settings.
    pairs |= {k: (stored.get(k), about[k]) for k in about if k in stored or k != "configuration"}
    changed = [_differing(k, then, asked) for k, (then, asked) in pairs.items() if then != asked]
    if changed:
        raise UsageError(
            f"the run to resume began with another {', '.join(changed)}",
            "resume with the settings and the cache it began with, or train into a new folder",
        )


def _differing(name: str, then: Any, asked: Any) -> str:
    """A setting's name, with both values where they are short."""
    if isinstance(then, list | tuple | dict) or isinstance(asked, list | tuple | dict):
        return name
    return f"{name} ({then}, now {asked})"


def forget_after(run_dir: Path, last: int) -> None:
    """Drop what ``log.jsonl`` says of steps after ``last``: they are about to be taken again."""
    log = run_dir / LOG
    if log.exists():
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(line for line in lines if json.loads(line)["step"] <= last))


class Scalars:
    """TensorBoard scalars, where tensorboard is installed; ``log.jsonl`` is written anyway."""

    def __init__(self, run_dir: Path, done: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            print("tensorboard is not installed: scalars go to log.jsonl alone", flush=True)
            self.writer = None
        else:
            self.writer = SummaryWriter(str(run_dir), purge_step=done + 1)

    def add(self, at: int, values: dict[str, float]) -> None:
        """Record named values of a step."""
        for name, value in values.items():
            if self.writer:
                self.writer.add_scalar(name, value, at)

    def add_scores(self, at: int, dice: dict[str, float], choice: dict[str, float]) -> None:
        """Record a look: held-out Dice, and Dice to choose by."""
        self.add(at, {f"dice/{name}": value for name, value in dice.items()})
        self.add(at, {f"choose/{name}": value for name, value in choice.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        if self.writer:
            self.writer.close()


def note_scores(
    run_dir: Path,
    at: int,
    loss: float,
    dice: dict[str, float],
    choice: dict[str, float] | None = None,
) -> None:
    """Tell a look at the held-out volumes and at those to choose by; append it to ``log.jsonl``."""
    told = {"step": at, "loss": loss, "dice": dice, **({"choose": choice} if choice else {})}
    with (run_dir / LOG).open("a") as log:
        log.write(json.dumps(told) + "\n")
    if choice:
        print(f"step {at}: Dice to choose by {choice}", flush=True)
    if dice or not choice:
        print(f"step {at}: held-out Dice {dice}", flush=True)


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
