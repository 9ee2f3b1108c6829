"""The fitting loop, from the cache alone: no image library, no network, no display.

Read :func:`fit` top to bottom. It stops at any minute (a checkpoint every few minutes and on
SIGTERM) and goes on exactly where it stood: patches follow from (seed, index), everything else is
in the checkpoint.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from cmrseg.networks.unet import UNet, count_parameters, pad_to_multiple
from cmrseg.runtime import Precision, Progress, autocast, fastest_precision
from cmrseg.training import checkpoint
from cmrseg.training.augment import Patches
from cmrseg.training.cache import Sample
from cmrseg.training.config import TrainingConfig
from cmrseg.training.losses import deep_supervision

CHECKPOINT = "checkpoint.safetensors"


class TrainingStoppedError(Exception):
    """SIGTERM came; the checkpoint is written."""


def fit(
    config: TrainingConfig,
    training: list[Sample],
    held_out: list[Sample],
    run_dir: Path,
    *,
    device: torch.device,
    precision: Precision | None = None,
    resume: bool = False,
    workers: int = 1,
    about: dict[str, Any] | None = None,
) -> Path:
    """Train one network and return its checkpoint.

    Args:
        config: what to train.
        training: volumes to learn from.
        held_out: volumes to watch; nothing is chosen by them, so their scores stay honest.
        run_dir: checkpoint, TensorBoard scalars and ``log.jsonl`` go here.
        device: where to compute.
        precision: None measures which is fastest here.
        resume: go on from the checkpoint in ``run_dir``.
        workers: processes that augment; 0 does it in line.
        about: stored in the checkpoint (data, fold, command), for the manifest.

    Raises:
        TrainingStoppedError: on SIGTERM, after the checkpoint is safe.
    """
    from torch.utils.tensorboard import SummaryWriter

    run_dir.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = UNet(config.network, "native" if device.type == "cuda" else "folded").to(device)
    optimiser = make_optimiser(network, config)
    state: dict[str, Any] = {"step": 0, "config": config.as_dict(), "about": about or {}}
    path = run_dir / CHECKPOINT
    if resume:
        state = checkpoint.restore(path, network, optimiser)
        precision = state["precision"]
    state["precision"] = precision or _probe(network, config, device)
    print(
        f"{config.recipe}: {count_parameters(network) / 1e6:.1f} M parameters, "
        f"{state['precision']} on {device}, from step {state['step']}",
        flush=True,
    )
    scaler = torch.amp.GradScaler(device.type, enabled=state["precision"] == "fp16")
    stop = _stop_on_sigterm()
    progress, saved_at = Progress(config.steps, config.recipe), time.monotonic()
    writer = SummaryWriter(str(run_dir), purge_step=state["step"] + 1)
    for batch in batches(config, training, state["step"], workers):
        loss = step(network, optimiser, scaler, batch, state, config, device)
        state["step"] += 1
        progress.show(state["step"], f"loss {loss:.3f}")
        writer.add_scalar("loss/train", loss, state["step"])
        if state["step"] % config.validate_every == 0 or state["step"] == config.steps:
            dice = validate(network, held_out, device, state["precision"])
            _note(run_dir, writer, state["step"], loss, dice)
        due = time.monotonic() - saved_at > config.checkpoint_every_s
        if stop or due or state["step"] == config.steps:
            checkpoint.save(path, network, optimiser, state)
            saved_at = time.monotonic()
        if stop:
            raise TrainingStoppedError(f"stopped at step {state['step']}; --resume goes on")
    writer.close()
    return path


def make_optimiser(network: UNet, config: TrainingConfig) -> torch.optim.Optimizer:
    """SGD as arega2021 section 2.3, or AdamW."""
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            config.learning_rate,
            momentum=0.99,
            nesterov=True,
            weight_decay=config.weight_decay,
        )
    return torch.optim.AdamW(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )


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
    rate = config.learning_rate * (1 - state["step"] / config.steps) ** 0.9
    for group in optimiser.param_groups:
        group["lr"] = rate
    network.train()
    image = batch["image"].to(device, non_blocking=True)
    label = batch["label"].to(device, non_blocking=True)
    with autocast(device, state["precision"]):
        heads = network(image)
    loss = deep_supervision(heads, label)
    optimiser.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    scaler.unscale_(optimiser)
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
    scaler.step(optimiser)
    scaler.update()
    return float(loss.detach())


@torch.no_grad()
def validate(
    network: UNet, samples: list[Sample], device: torch.device, precision: Precision
) -> dict[str, float]:
    """Mean Dice a volume of each foreground class on the recipe's grid (both empty counts 1)."""
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
    means = torch.tensor(scores).reshape(-1, classes - 1).mean(dim=0).tolist()
    return {str(c): round(m, 4) for c, m in enumerate(means, start=1)}


def _probe(network: UNet, config: TrainingConfig, device: torch.device) -> Precision:
    """The faster precision for this very network's training step."""
    image = torch.randn(1, config.network.in_channels, *config.patch, device=device)

    def run(precision: Precision) -> None:
        with autocast(device, precision):
            heads = network(image)
        torch.stack([h.float().square().mean() for h in heads]).sum().backward()  # type: ignore[no-untyped-call]
        network.zero_grad(set_to_none=True)

    before = {k: v.clone() for k, v in network.state_dict().items()}
    chosen = fastest_precision(run, device)
    network.load_state_dict(before)  # batch-norm statistics saw noise
    return chosen


def _note(run_dir: Path, writer: Any, at: int, loss: float, dice: dict[str, float]) -> None:
    for name, value in dice.items():
        writer.add_scalar(f"dice/{name}", value, at)
    with (run_dir / "log.jsonl").open("a") as log:
        log.write(json.dumps({"step": at, "loss": loss, "dice": dice}) + "\n")
    print(f"step {at}: held-out Dice {dice}", flush=True)


def _outlive_signals(worker: int) -> None:
    """Signals sent to the whole group are the parent's to answer: it still needs its batch."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stop_on_sigterm() -> list[int]:
    """A list that fills when SIGTERM comes."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    signal.signal(signal.SIGTERM, note)
    return received
