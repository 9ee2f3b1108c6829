"""Convolutions that see stacks of slices either as volumes or as slices folded into the batch.

A cardiac stack is a handful of thick slices, and pooling never crosses them. A 3-D convolution is
then exactly a 2-D convolution over the channels of the slices z-1, z, z+1 laid side by side, so one
set of weights has two executions:

- *native*: ``conv3d`` on (B, C, Z, Y, X);
- *folded*: ``conv2d`` on (B*Z, k*C, Y, X), for CPUs, which are slow at 3-D convolution.

Every layer takes the activation together with ``depth``: the number of slices of the folded
layout, or ``None`` for the native one.
"""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fold(x: Tensor) -> Tensor:
    """(B, C, Z, Y, X) to (B*Z, C, Y, X), channels last in memory."""
    b, c, z, height, width = x.shape
    folded = x.transpose(1, 2).reshape(b * z, c, height, width)
    return folded.contiguous(memory_format=torch.channels_last)


def unfold(x: Tensor, depth: int) -> Tensor:
    """(B*Z, C, Y, X) back to (B, C, Z, Y, X)."""
    n, c, height, width = x.shape
    return x.reshape(n // depth, depth, c, height, width).transpose(1, 2)


def beside(x: Tensor, depth: int, taps: int) -> Tensor:
    """Each slice with its neighbours as channels: (B*Z, C, Y, X) to (B*Z, taps*C, Y, X).

    Beyond the first and last slice lie zeros, as in a zero-padded 3-D convolution.
    """
    return x if taps == 1 else cast(Tensor, _Beside.apply(x, depth, taps))  # type: ignore[no-untyped-call]


class _Beside(torch.autograd.Function):
    """:func:`beside` in one copy, and its gradient without a padded one for each tap."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, depth: int, taps: int) -> Tensor:
        ctx.layout = depth, taps
        n, c, height, width = x.shape
        stacks = x.permute(0, 2, 3, 1).reshape(n // depth, depth, height, width, c)
        sides = x.new_empty((*stacks.shape[:-1], taps * c))
        for tap, (shown, of) in enumerate(_neighbours(depth, taps)):
            part = sides[..., tap * c : (tap + 1) * c]
            part[:, : shown.start] = 0
            part[:, shown.stop :] = 0
            part[:, shown] = stacks[:, of]
        return sides.reshape(n, height, width, taps * c).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        depth, taps = ctx.layout
        n, channels, height, width = gradients[0].shape
        shape = (n // depth, depth, height, width, taps, channels // taps)
        parts = gradients[0].permute(0, 2, 3, 1).reshape(shape)
        total = parts[..., taps // 2, :].clone(memory_format=torch.contiguous_format)
        for tap, (shown, of) in reversed(list(enumerate(_neighbours(depth, taps)))):
            if tap != taps // 2:
                total[:, of] += parts[:, shown, :, :, tap]
        return total.reshape(n, height, width, -1).permute(0, 3, 1, 2), None, None


def _neighbours(depth: int, taps: int) -> list[tuple[slice, slice]]:
    """By tap: the slices that have such a neighbour, and those neighbours."""
    pairs = []
    for ahead in range(-(taps // 2), taps // 2 + 1):
        first, last = max(0, -ahead), max(0, min(depth, depth - ahead))
        pairs.append((slice(first, last), slice(first + ahead, last + ahead)))
    return pairs


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, depth: int | None
) -> Tensor:
    """Same-padded convolution of a native or folded activation.

    Args:
        x: native (B, C, Z, Y, X) if ``depth`` is None, else folded (B*Z, C, Y, X).
        weight: (out, in, kz, ky, kx), whatever the layout of ``x``.
        bias: (out,) or None.
        stride: in y and x.
        depth: slices of the folded layout.
    """
    kz, ky, kx = weight.shape[2:]
    if depth is None:
        return F.conv3d(x, weight, bias, (1, stride, stride), (kz // 2, ky // 2, kx // 2))
    if kz == ky == kx == stride == 1:
        # As a convolution its sums depend on the number of threads.
        return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)
    return F.conv2d(beside(x, depth, kz), flat(weight), bias, stride, (ky // 2, kx // 2))


def halved(x: Tensor) -> Tensor:
    """The largest of every 2 x 2 values in y and x, of a native or folded activation."""
    return F.max_pool2d(x, 2) if x.dim() == 4 else F.max_pool3d(x, (1, 2, 2))


def flat(weight: Tensor) -> Tensor:
    """A 3-D kernel (out, in, kz, ky, kx) for slices side by side: (out, kz*in, ky, kx)."""
    laid = weight.transpose(1, 2).flatten(1, 2)
    return laid.contiguous(memory_format=torch.channels_last)


class SliceConv(nn.Module):
    """Same-padded convolution with a (kz, ky, kx) kernel; weight (out, in, kz, ky, kx)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int, int],
        stride: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        # He initialisation for LeakyReLU(0.01), as nnU-Net starts its networks.
        nn.init.kaiming_normal_(self.weight, a=0.01)

    def forward(self, x: Tensor, depth: int | None) -> Tensor:
        """Convolve native (B, C, Z, Y, X) if ``depth`` is None, else folded (B*Z, C, Y, X)."""
        return convolve(x, self.weight, self.bias, self.stride, depth)


class UpConv(nn.Module):
    """Transposed convolution doubling y and x; weight (in, out, 1, 2, 2)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_channels, out_channels, 1, 2, 2))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.normal_(self.weight, std=math.sqrt(1.0 / in_channels))

    def forward(self, x: Tensor, depth: int | None) -> Tensor:
        """Double the in-plane size of a native or folded activation."""
        if depth is None:
            return F.conv_transpose3d(x, self.weight, self.bias, stride=(1, 2, 2))
        return F.conv_transpose2d(x, self.weight[:, :, 0], self.bias, stride=2)


class SliceNorm(nn.BatchNorm3d):
    """Batch normalisation over (B, Z, Y, X); the folded layout has the same statistics."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (4, 5):
            raise ValueError(f"expected 4-D or 5-D input, got {input.dim()}-D")


class Block(nn.Module):
    """Convolution, batch norm, LeakyReLU(0.01), and dropout where the recipe places it."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int, int],
        stride: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv = SliceConv(in_channels, out_channels, kernel, stride)
        self.norm = SliceNorm(out_channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, depth: int | None) -> Tensor:
        """Activations in the layout of ``x``."""
        out: Tensor = self.dropout(self.activate(self.conv(x, depth)))
        return out

    def activate(self, x: Tensor) -> Tensor:
        """What comes between convolution and dropout."""
        # In place: batch norm needs its input for the gradient, not its output.
        return F.leaky_relu_(self.norm(x), 0.01)


Execution = Literal["native", "folded"]


def usual_execution(device: torch.device) -> Execution:
    """Native 3-D kernels on GPUs; on CPUs slices folded into the batch, several times quicker.

    Decided by the device alone: the two round differently, and one image gets one answer.
    """
    return "native" if device.type == "cuda" else "folded"
