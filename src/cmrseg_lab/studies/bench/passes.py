"""What Monte-Carlo dropout costs in training, and what a shared prefix saves of it.

Every network takes the very steps that training takes
(:func:`cmrseg_lab.training.loop.take_step`), on one batch of the preset's size, in turns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from cmrseg.cases.challenge import EMIDEC
from cmrseg.models.layers import usual_execution
from cmrseg.models.unet import UNet
from cmrseg.runtime import Precision
from cmrseg_lab.studies.bench.table import BenchRow, Spread
from cmrseg_lab.training import segmenter
from cmrseg_lab.training.loop import make_optimiser, take_step
from cmrseg_lab.training.preset import SegmenterPreset, read_preset

SAMPLES, ALPHA = 5, 3.0
"""N and alpha of arega2021."""
TARGET = {"cpu": 3.5, "cuda": 3.0}
"""A step with five passes should take no longer than this many steps with one."""


class Naive(UNet):
    """A full pass for each sample."""

    def forward(self, x: Tensor, passes: int = 1) -> list[Tensor]:
        """As many calls as there are passes."""
        calls = [super(Naive, self).forward(x) for _ in range(passes)]
        return [torch.cat(head) for head in zip(*calls, strict=True)]


KINDS: dict[str, tuple[type[UNet], int]] = {
    "one pass": (UNet, 1),
    "naive loop": (Naive, SAMPLES),
    "shared prefix": (UNet, SAMPLES),
}
"""Name -> class of network, passes a step."""


class BenchTrainee:
    """A fresh network of one kind, and one batch of noise to train it on."""

    def __init__(self, kind: str, preset: SegmenterPreset, device: torch.device) -> None:
        network_of, samples = KINDS[kind]
        alpha = ALPHA if samples > 1 else 0.0
        preset = replace(preset, samples=samples, alpha=alpha, samples_from=0.0)
        self.task, self.device = segmenter.Segmenters(preset, [], []), device
        torch.manual_seed(0)
        network = network_of(preset.network, usual_execution(device)).to(device)
        self.trainee = segmenter.Trainee(network)
        self.optimiser = make_optimiser(network, preset)
        shape = (preset.batch, *preset.patch)
        self.batch = {
            "image": torch.randn(shape)[:, None],
            "label": torch.randint(preset.classes, shape),
        }

    def seconds(self, precision: Precision) -> float:
        """Take one training step."""
        self.trainee.precision = precision
        started = time.perf_counter()
        # The step ends by reading the loss, which waits for the device.
        take_step(self.trainee, self.optimiser, self.batch, self.task, 0, 0)
        return time.perf_counter() - started


def training_rows(device: torch.device, rounds: int) -> Iterator[BenchRow]:
    """The cost of a training step of several passes, per step of one.

    Args:
        device: where to train.
        rounds: how often the networks take turns, after one round to warm up.
    """
    preset = cast(SegmenterPreset, read_preset(EMIDEC.name))
    trainees = {kind: BenchTrainee(kind, preset, device) for kind in KINDS}
    precision = segmenter.precision(device)
    timed: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds + 1):
        for kind, trainee in trainees.items():
            seconds = trainee.seconds(precision)
            if number:
                timed[kind].append(seconds)
    one = Spread.of(timed.pop("one pass"))
    yield BenchRow(
        recipe=EMIDEC.name, figure=f"training step, one pass, {precision}", value=one, unit="s"
    )
    for kind, several in timed.items():
        target = TARGET[device.type] if kind == "shared prefix" else None
        figure = f"  {SAMPLES} passes, {kind}, per step of one"
        ratio = Spread.of(several).per(one)
        yield BenchRow(recipe=EMIDEC.name, figure=figure, value=ratio, unit="x", aim=target)
