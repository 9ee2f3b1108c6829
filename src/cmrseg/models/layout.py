"""Which of a U-Net's two executions (:mod:`cmrseg.models.layers`) is quicker here: measured."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Literal

import torch

from cmrseg.models.layers import convolve, fold

Execution = Literal["native", "folded"]
EXECUTIONS: tuple[Execution, Execution] = ("native", "folded")
CLEARLY = 0.7
"""Share of the usual execution's time below which the other is chosen.

They agree but for rounding: what is nearly as quick shall not change results between two starts.
"""
SLICES, SIDE = 8, 96
"""Of the stack that the probe stands for, as the finest stage sees it."""


def quicker_execution(
    features: Sequence[int], across: Sequence[bool], device: torch.device, *, training: bool
) -> Execution:
    """How stacks are to be laid out for a U-Net's convolutions on a device.

    The finest stage whose kernels look across slices is timed, once a process; nowhere else do the
    two differ in more than layout. Timed in fp32 on CPUs, whose native 3-D gradients in bf16 take
    minutes, and in the half precision that is used on GPUs.

    Args:
        features: channels by stage, finest first.
        across: by stage, whether kernels look across slices.
        device: where the network computes.
        training: time the gradients too.

    Returns:
        The usual one (native on GPUs, folded elsewhere) if the other is not clearly quicker, or if
        no kernel looks across.
    """
    usual: Execution = "native" if device.type == "cuda" else "folded"
    if not any(across):
        return usual
    stage = list(across).index(True)
    seconds = probe(features[stage], SIDE >> stage, device, training)
    other = next(name for name in EXECUTIONS if name != usual)
    return other if seconds[other] < CLEARLY * seconds[usual] else usual


@functools.cache
def probe(
    channels: int, side: int, device: torch.device, training: bool, repeats: int = 5
) -> dict[Execution, float]:
    """Seconds of one 3 x 3 x 3 convolution by execution, the best of a few after one to warm up.

    Args:
        channels: of input and output.
        side: pixels in y and x.
        device: where.
        training: forward and backward, else forward.
        repeats: timed runs of each, in turns.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        volume = torch.randn(1, channels, SLICES, side, side, device=device)
        weight = torch.randn(channels, channels, 3, 3, 3, device=device, requires_grad=training)
    given: dict[Execution, tuple[torch.Tensor, int | None]] = {
        "native": (volume, None),
        "folded": (fold(volume), SLICES),
    }
    timed: dict[Execution, list[float]] = {name: [] for name in EXECUTIONS}
    for _ in range(repeats + 1):
        for name, (x, depth) in given.items():
            started = time.perf_counter()
            _convolve(x, weight, depth, training)
            timed[name].append(time.perf_counter() - started)
    return {name: min(values[1:]) for name, values in timed.items()}


def _convolve(x: torch.Tensor, weight: torch.Tensor, depth: int | None, training: bool) -> None:
    """One convolution, awaited."""
    x = x.detach().requires_grad_(training)
    with torch.set_grad_enabled(training), torch.autocast(x.device.type, enabled=x.is_cuda):
        out = convolve(x, weight, None, 1, depth)
    if training:
        out.float().square().mean().backward()  # type: ignore[no-untyped-call]
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
