"""A trained U-Net made ready for inference: the same function, fewer steps.

Normalisation with fixed statistics is a scale and a shift of each channel; both go into the
convolution before it. Weights of the folded execution are laid out once instead of at every pass,
the activation works in place, and passes that differ by dropout alone share what comes before the
first dropout.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmrseg.networks.layers import Block, fold, unfold
from cmrseg.networks.unet import UNet


def fuse(network: UNet) -> UNet:
    """Fuse every block of a trained network, in place; it can no longer be trained or saved.

    Its outputs stay the same but for rounding.
    """
    for stage in (*network.encoder, *network.decoder):
        stage.first = FusedBlock(stage.first, folded=network.execution == "folded")
        stage.second = FusedBlock(stage.second, folded=network.execution == "folded")
    return network


def repeated(network: UNet, x: Tensor, passes: int) -> Tensor:
    """Logits (passes, classes, Z, Y, X) of several passes over one image.

    Stages before the first dropout are computed once; dropout draws what it would have drawn in
    ``passes`` calls of the network.

    Args:
        network: in evaluation mode, its dropout layers on or off.
        x: (1, in_channels, Z, Y, X).
        passes: how many.
    """
    if passes == 1:
        only: Tensor = network(x)[0]
        return only
    depth = x.shape[2] if network.execution == "folded" else None
    settled: list[Tensor] = []
    y = x if depth is None else fold(x)
    for stage, dropout in zip(network.encoder, network.config.dropout, strict=True):
        if dropout:
            break
        y = stage(y, depth)
        settled.append(y)
    return torch.cat([_finish(network, y, settled, depth) for _ in range(passes)])


def _finish(network: UNet, y: Tensor, settled: list[Tensor], depth: int | None) -> Tensor:
    """The rest of a pass: deeper encoder stages on ``y``, then the decoder."""
    skips = list(settled)
    for stage in network.encoder[len(settled) :]:
        y = stage(y, depth)
        skips.append(y)
    logits = network.decode(skips, depth)[0]
    return logits if depth is None else unfold(logits, depth)


class FusedBlock(nn.Module):
    """A trained :class:`~cmrseg.networks.layers.Block` as one convolution with a bias."""

    weight: Tensor
    bias: Tensor

    def __init__(self, block: Block, *, folded: bool) -> None:
        super().__init__()
        norm, conv = block.norm, block.conv
        if norm.running_mean is None or norm.running_var is None:
            raise ValueError("a block without running statistics cannot be fused")
        with torch.no_grad():
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight = conv.weight * scale[:, None, None, None, None]
            if folded:
                weight = weight.transpose(1, 2).flatten(1, 2)
                weight = weight.contiguous(memory_format=torch.channels_last)
            bias = norm.bias - norm.running_mean * scale
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.kernel, self.stride, self.dropout = conv.kernel, conv.stride, block.dropout

    def forward(self, x: Tensor, depth: int | None) -> Tensor:
        """Activations in the layout of ``x``: native if ``depth`` is None, else folded."""
        kz, ky, kx = self.kernel
        if depth is None:
            stride = (1, self.stride, self.stride)
            x = F.conv3d(x, self.weight, self.bias, stride, (kz // 2, ky // 2, kx // 2))
        else:
            sides = neighbours(x, depth, kz)
            x = F.conv2d(sides, self.weight, self.bias, self.stride, (ky // 2, kx // 2))
        out: Tensor = self.dropout(F.leaky_relu_(x, 0.01))
        return out


def neighbours(x: Tensor, depth: int, taps: int) -> Tensor:
    """What :func:`~cmrseg.networks.layers.beside` makes, in one copy and without a gradient."""
    if taps == 1:
        return x
    n, c, height, width = x.shape
    stack = x.permute(0, 2, 3, 1).reshape(n // depth, depth, height, width, c)
    sides = x.new_empty((n // depth, depth, height, width, taps * c))
    for tap in range(taps):
        ahead = tap - taps // 2  # this tap of slice z holds slice z + ahead
        first, last = max(0, -ahead), max(0, min(depth, depth - ahead))
        part = sides[..., tap * c : (tap + 1) * c]
        part[:, :first] = 0
        part[:, last:] = 0
        part[:, first:last] = stack[:, first + ahead : last + ahead]
    return sides.reshape(n, height, width, taps * c).permute(0, 3, 1, 2)
