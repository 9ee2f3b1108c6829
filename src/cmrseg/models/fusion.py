"""A trained U-Net made ready for inference: the same function, fewer steps.

Normalisation with fixed statistics is a scale and a shift of each channel; both go into the
convolution before it. Weights of the folded execution are laid out once instead of at every pass,
and decoder stages begin with one step for up-sampling and convolution
(:class:`~cmrseg.models.mc_dropout.Join`).
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmrseg.models.layers import Block, UpConv, beside, flat
from cmrseg.models.mc_dropout import Join
from cmrseg.models.unet import UNet


def fuse(network: UNet) -> UNet:
    """Fuse every block of a trained network, in place; it can no longer be trained or saved.

    Its outputs stay the same but for rounding.
    """
    folded = network.execution == "folded"
    encoder, decoder = network.stages()
    joins = []
    for up, stage in zip(network.up, decoder, strict=True):
        weight, bias = absorb(stage.first)
        joins.append(Join(cast(UpConv, up), weight, bias, composed=folded))
        stage.add_module("first", Activation(stage.first))
    for stage in encoder:
        stage.add_module("first", FusedBlock(stage.first, folded=folded))
    for stage in (*encoder, *decoder):
        stage.add_module("second", FusedBlock(stage.second, folded=folded))
    network.joins = nn.ModuleList(joins)
    return network


def repeated(network: UNet, x: Tensor, passes: int) -> Tensor:
    """Logits (passes, classes, Z, Y, X) of several passes over one image.

    Args:
        network: in evaluation mode, its dropout layers on or off.
        x: (1, in_channels, Z, Y, X).
        passes: how many.
    """
    logits: Tensor = network(x, passes)[0]
    return logits


@torch.no_grad()
def absorb(block: Block) -> tuple[Tensor, Tensor]:
    """Weight and bias of a block's convolution with its norm inside.

    Raises:
        ValueError: the norm keeps no running statistics.
    """
    norm, conv = block.norm, block.conv
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a block without running statistics cannot be fused")
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return conv.weight * scale[:, None, None, None, None], norm.bias - norm.running_mean * scale


class Activation(nn.Module):
    """What a fused block does after its convolution."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.dropout = block.dropout

    def activate(self, x: Tensor) -> Tensor:
        """LeakyReLU in place."""
        return F.leaky_relu_(x, 0.01)


class FusedBlock(Activation):
    """A trained :class:`~cmrseg.models.layers.Block` as one convolution with a bias."""

    weight: Tensor
    bias: Tensor

    def __init__(self, block: Block, *, folded: bool) -> None:
        super().__init__(block)
        weight, bias = absorb(block)
        self.register_buffer("weight", flat(weight) if folded else weight)
        self.register_buffer("bias", bias)
        self.kernel, self.stride = block.conv.kernel, block.conv.stride

    def conv(self, x: Tensor, depth: int | None) -> Tensor:
        """Convolve a native activation if ``depth`` is None, else a folded one."""
        kz, ky, kx = self.kernel
        padding = (kz // 2, ky // 2, kx // 2)
        if depth is None:
            return F.conv3d(x, self.weight, self.bias, (1, self.stride, self.stride), padding)
        return F.conv2d(beside(x, depth, kz), self.weight, self.bias, self.stride, padding[1:])

    def forward(self, x: Tensor, depth: int | None) -> Tensor:
        """Activations in the layout of ``x``: native if ``depth`` is None, else folded."""
        out: Tensor = self.dropout(self.activate(self.conv(x, depth)))
        return out
