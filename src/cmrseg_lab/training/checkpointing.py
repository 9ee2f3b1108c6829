"""What a training keeps while it goes on: looks, the best snapshots, and checkpoints."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch.optim.swa_utils import AveragedModel

from cmrseg.models.unet import UNet, pad_to_multiple
from cmrseg.runtime import Precision, Progress, autocast
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.cache import Sample
from cmrseg_lab.training.config import TrainingConfig
from cmrseg_lab.training.journal import Scalars, forget_after, note_scores
from cmrseg_lab.training.snapshots import Snapshots


class Keeper:
    """Tells and keeps a training's state in its folder, step by step.

    Args:
        path: the checkpoint in that folder.
        config: what is trained.
        network: the network.
        optimiser: its optimiser.
        scaler: its gradients' scale.
        state: step, precision and whatever else goes into the checkpoint; followed as it changes.
        held_out: volumes to watch.
        choosers: volumes to choose snapshots by.
    """

    def __init__(
        self,
        path: Path,
        config: TrainingConfig,
        network: UNet,
        optimiser: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        state: dict[str, Any],
        held_out: Sequence[Sample],
        choosers: Sequence[Sample],
    ) -> None:
        self.path, self.config, self.state = path, config, state
        self.network, self.optimiser, self.scaler = network, optimiser, scaler
        self.held_out, self.choosers = held_out, choosers
        forget_after(path.parent, state["step"])
        self.snapshots = Snapshots(path.parent, config.keep, state["step"])
        self.average = AveragedModel(network, use_buffers=True) if config.averaged else None
        if self.average is not None and state["step"]:
            checkpoint.restore_average(path, self.average)
        self.saved_at = time.monotonic()
        self.kept = False

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.scalars = stack.enter_context(Scalars(self.path.parent, self.state["step"]))
            self.progress = stack.enter_context(Progress(self.config.steps, self.config.recipe))
            self.open = stack.pop_all()
        return self

    def __exit__(self, *what: object) -> None:
        self.open.close()

    @property
    def done(self) -> bool:
        """Whether the last step was taken."""
        return bool(self.state["step"] == self.config.steps)

    @property
    def shown(self) -> UNet:
        """The network as it will be used: the mean of its weights, once they are averaged."""
        if self.average is None or not self.average.n_averaged:
            return self.network
        return cast(UNet, self.average.module)

    def note(self, loss: float) -> None:
        """Tell a step that was taken; look at the held-out volumes and choosers when it is time."""
        at: int = self.state["step"]
        self.progress.show(at, f"loss {loss:.3f}")
        self.scalars.add(at, {"loss/train": loss})
        self.kept = False
        if self.average is not None and self.config.averages(at):
            self.average.update_parameters(self.network)
        if at % self.config.validate_every == 0 or self.done:
            watched = self.held_out if self.done or not self.config.keep else []
            dice, choice = (self._dice(looked_at) for looked_at in (watched, self.choosers))
            self.scalars.add_scores(at, dice, choice)
            note_scores(self.path.parent, at, loss, dice, choice)
            self.kept = self.snapshots.offer(choice, self.shown, self.state)

    def save(self, *, stopping: bool) -> None:
        """Write the checkpoint if it is due, or the training ends or was just kept."""
        due = time.monotonic() - self.saved_at > self.config.checkpoint_every_s
        if stopping or due or self.kept or self.done:
            self.state["scaler"] = self.scaler.state_dict()
            checkpoint.save(self.path, self.network, self.optimiser, self.state, self.average)
            self.saved_at = time.monotonic()

    def _dice(self, samples: Sequence[Sample]) -> dict[str, float]:
        device = next(self.network.parameters()).device
        return validate(self.shown, samples, device, self.state["precision"])


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
