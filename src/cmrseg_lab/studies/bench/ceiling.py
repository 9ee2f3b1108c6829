"""Network time against the time torch needs for the same FLOPs as one large matrix product.

A matrix product is the densest arithmetic there is: what the machine does in it is its ceiling.
The network's convolutions are counted exactly, multiplication and addition one FLOP each;
normalisation, activations, padding and softmax count nothing and are paid for in the ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from cmrseg.imaging.volume import Volume
from cmrseg.models.ensemble import Segmenter
from cmrseg.runtime import Precision
from cmrseg_lab.studies.bench.table import Spread

SIDES = {"cpu": 2048, "cuda": 8192}
"""Side of the square matrices, by type of device: large enough to be computed at full speed."""
TYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One image's pass through an ensemble, and the matrix product, in one precision.

    Attributes:
        precision: of both.
        chosen: whether the product computes in it on this machine.
        flops: of the pass.
        network_s: seconds of the pass, from prepared image to class probabilities.
        ceiling_s: seconds of as many FLOPs in a matrix product, measured around each pass.
    """

    precision: Precision
    chosen: bool
    flops: int
    network_s: Spread
    ceiling_s: Spread

    @property
    def ratio(self) -> Spread:
        """How many times the ceiling's time the network takes."""
        return self.network_s.per(self.ceiling_s)


def race(segmenter: Segmenter, image: Volume, rounds: int) -> list[Race]:
    """Measure one pass an ensemble's network, no mirror images, against the ceiling.

    Args:
        segmenter: with at least one network; its precision is found out if it is not known.
        image: prepared.
        rounds: how often precisions, passes and matrix products alternate.
    """

    def run() -> object:
        return segmenter.mirrored(image, 1)

    run()
    chosen = segmenter.precision
    flops = count_flops(run)
    precisions = precisions_on(segmenter.device)
    network_s: dict[Precision, list[float]] = {p: [] for p in precisions}
    ceiling_s: dict[Precision, list[float]] = {p: [] for p in precisions}
    products = {p: _Product(segmenter.device, p) for p in precisions}
    for number in range(rounds + 1):
        for precision, product in products.items():
            segmenter.precision = precision
            before, network, after = product.seconds(), _seconds(run), product.seconds()
            if number:  # the first round warms up
                network_s[precision].append(network)
                ceiling_s[precision].append((before + after) / 2 * flops / product.flops)
    segmenter.precision = chosen
    return [
        Race(
            precision=p,
            chosen=p == chosen,
            flops=flops,
            network_s=Spread.of(network_s[p]),
            ceiling_s=Spread.of(ceiling_s[p]),
        )
        for p in precisions
    ]


def precisions_on(device: torch.device) -> tuple[Precision, ...]:
    """The precisions worth comparing: fp16 takes the place of bf16 on chips that lack it."""
    bf16 = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    return ("fp32", "bf16" if bf16 else "fp16")


def count_flops(run: Callable[[], object]) -> int:
    """FLOPs of all convolutions and matrix products that ``run`` computes."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


class _Product:
    """A square matrix product in one precision."""

    def __init__(self, device: torch.device, precision: Precision) -> None:
        side = SIDES[device.type]
        self.matrix = torch.randn(side, side, device=device).to(TYPES[precision])
        self.flops = 2 * side**3

    @torch.inference_mode()
    def seconds(self) -> float:
        """Time of one product."""
        return _seconds(self._multiply)

    def _multiply(self) -> None:
        torch.mm(self.matrix, self.matrix)
        if self.matrix.is_cuda:
            torch.cuda.synchronize(self.matrix.device)


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
