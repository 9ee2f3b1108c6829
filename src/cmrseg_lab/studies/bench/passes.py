"""What Monte-Carlo dropout costs in training, and what each way to save brings.

Every execution takes the very steps that training takes
(:func:`cmrseg_lab.training.loop.take_step`), on one batch of the preset's size, in turns.
``python -m cmrseg_lab.studies.bench.passes EXECUTION DEVICE PRECISION`` takes two steps in a
process of its own, whose peak memory is then looked at.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar, cast

import torch
from torch import Tensor

from cmrseg.models.layers import UpConv
from cmrseg.models.layout import Execution, usual_execution
from cmrseg.models.mc_dropout import Prefix, joined, laid_back, sampled
from cmrseg.models.split_conv import Join
from cmrseg.models.unet import UNet
from cmrseg.runtime import Precision, use_device
from cmrseg_lab.studies.bench import process
from cmrseg_lab.studies.bench.spread import Spread
from cmrseg_lab.studies.bench.table import Row
from cmrseg_lab.training import segmenter
from cmrseg_lab.training.loop import make_optimiser, take_step
from cmrseg_lab.training.preset import SegmenterPreset, read

LAYOUTS: tuple[Execution, Execution] = ("native", "folded")
SAMPLES, ALPHA = 5, 3.0
"""N and alpha of arega2021."""
AIM = {"cpu": 3.5, "cuda": 3.0}
"""A step with five passes should take no longer than this many steps with one."""


class Naive(UNet):
    """A full pass for each sample."""

    def forward(self, x: Tensor, passes: int = 1) -> list[Tensor]:
        """As many calls as there are passes."""
        calls = [super(Naive, self).forward(x) for _ in range(passes)]
        return [torch.cat(head) for head in zip(*calls, strict=True)]


class OnePrefix(UNet):
    """What comes before the first dropout is computed once."""

    def forward(self, x: Tensor, passes: int = 1) -> list[Tensor]:
        """The rest of each pass as ever."""
        prefix = Prefix.of(self, x, passes)
        calls = [self.decode(prefix.encode(self, 1), prefix.depth) for _ in range(passes)]
        heads = [joined(list(head)) for head in zip(*calls, strict=True)]
        return laid_back(heads, prefix.depth)


class SplitSkips(UNet):
    """And skip connections are convolved once."""

    def join(self, s: int) -> Join:
        """Up-sampling and convolution stay two steps."""
        weight = self.stages()[1][s].first.conv.weight
        return Join(cast(UpConv, self.up[s]), weight, None, composed=False)


class Stacked(UNet):
    """As training does it, but all passes in one batch."""

    def forward(self, x: Tensor, passes: int = 1) -> list[Tensor]:
        """Side by side instead of one after the other."""
        return sampled(self, x, passes, together=True)


EXECUTIONS: dict[str, tuple[type[UNet], int, str]] = {
    "plain": (UNet, 1, "one pass"),
    "naive": (Naive, SAMPLES, "naive loop"),
    "prefix": (OnePrefix, SAMPLES, "one prefix"),
    "split": (SplitSkips, SAMPLES, "one prefix, skips convolved once"),
    "used": (UNet, SAMPLES, "the same, up-sampling composed (used)"),
    "stacked": (Stacked, SAMPLES, "as used, but in one batch"),
}
"""Name -> class of network, passes a step, and what the report calls it."""
_Name = TypeVar("_Name", bound=str)
WEIGHED = ("plain", "naive", "used")
"""Those whose memory is told."""


class Trainee:
    """A fresh network of one execution, and one batch of noise to train it on."""

    def __init__(
        self,
        execution: str,
        preset: SegmenterPreset,
        device: torch.device,
        layout: Execution | None = None,
    ) -> None:
        kind, samples, _ = EXECUTIONS[execution]
        alpha = ALPHA if samples > 1 else 0.0
        preset = replace(preset, samples=samples, alpha=alpha, samples_from=0.0)
        self.task, self.device = segmenter.Segmenters(preset, [], []), device
        torch.manual_seed(0)
        network = kind(preset.network, layout or usual_execution(device)).to(device)
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


def rows(device: torch.device, rounds: int) -> Iterator[Row]:
    """The cost of a training step of several passes, per step of one, and memory.

    Args:
        device: where to train.
        rounds: how often the executions take turns.
    """
    preset = cast(SegmenterPreset, read("emidec"))
    trainees = {name: Trainee(name, preset, device) for name in EXECUTIONS}
    precision = segmenter.precision(device)
    yield from cost_rows(trainees, rounds, precision)
    yield from layout_rows(preset, device, rounds, precision)
    yield from memory_rows(device, precision)


def cost_rows(trainees: dict[str, Trainee], rounds: int, precision: Precision) -> Iterator[Row]:
    """Training steps taken in turns."""
    timed = _in_turns(trainees, rounds, precision)
    one = timed.pop("plain")
    yield _row(f"training step, one pass, {precision} (used)", one, "s")
    for name, several in timed.items():
        aim = AIM[trainees[name].device.type] if name == "used" else None
        figure = f"  {SAMPLES} passes, {EXECUTIONS[name][2]}, per step of one"
        yield _row(figure, several.per(one), "x", aim)


def _in_turns(
    trainees: Mapping[_Name, Trainee], rounds: int, precision: Precision
) -> dict[_Name, Spread]:
    """Seconds of a step of each, taken in turns."""
    timed: dict[_Name, list[float]] = {name: [] for name in trainees}
    for number in range(rounds + 1):
        for name, trainee in trainees.items():
            seconds = trainee.seconds(precision)
            if number:  # the first round warms up
                timed[name].append(seconds)
    return {name: Spread.of(values) for name, values in timed.items()}


def layout_rows(
    preset: SegmenterPreset, device: torch.device, rounds: int, precision: Precision
) -> Iterator[Row]:
    """The same step, forward and backward, with native 3-D convolutions and with slices folded.

    On a CPU in fp32: one step of native convolutions in bf16 did not end there in minutes.
    """
    if device.type == "cpu":
        precision = "fp32"
    trainees = {name: Trainee("plain", preset, device, name) for name in LAYOUTS}
    timed = _in_turns(trainees, rounds, precision)
    ratio = timed["native"].per(timed["folded"])
    used = usual_execution(device)
    yield _row(f"  one pass in {precision}, native, per step folded ({used} used)", ratio, "x")


def memory_rows(device: torch.device, precision: Precision) -> Iterator[Row]:
    """Peak memory of processes that train: the whole process on a CPU, tensors on a GPU."""
    for name in WEIGHED:
        command = [sys.executable, "-m", __name__, name, str(device), precision]
        ran = process.run(command)
        peak = float(ran.stderr.split()[-1]) if device.type == "cuda" else ran.peak_mb
        _, passes, told = EXECUTIONS[name]
        figure = f"peak memory of training, {told if passes == 1 else f'{passes} passes, {told}'}"
        yield _row(figure, Spread.of([peak]), "MB")


def _row(figure: str, value: Spread, unit: str, aim: float | None = None) -> Row:
    return Row(recipe="emidec", figure=figure, value=value, unit=unit, aim=aim)


def main(arguments: list[str]) -> None:
    """Two training steps of one execution; tells the GPU memory they took, if there is one."""
    execution, device, precision = arguments
    trainee = Trainee(execution, cast(SegmenterPreset, read("emidec")), use_device(device))
    for _ in range(2):
        trainee.seconds(cast(Precision, precision))
    if trainee.device.type == "cuda":
        print(torch.cuda.max_memory_allocated(trainee.device) / process.MB, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
