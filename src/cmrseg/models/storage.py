"""Weights on disk: eight bits for what is large, so that five folds fit where two would.

A convolution's kernel is stored as int8 codes with one scale an output row, the largest weight of a
row being 127 steps. The rounding error, at most half a step, is about a hundredth of a row's
deviation; out-of-fold scores are those of the weights as stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SCALE = ".scale"
"""What follows a tensor's name in the name of its scales."""
STEPS = 127
LARGE = 4096
"""Smaller kernels, first layers and heads among them, keep half precision."""


def shrink(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they are stored.

    Large kernels become int8 with scales in fp32, smaller ones fp16. Vectors stay as they are:
    batch-norm statistics could overflow half precision.
    """
    import torch

    stored: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if weight.dtype != torch.float32 or weight.dim() < 2:
            stored[name] = weight
        elif weight.numel() < LARGE:
            stored[name] = weight.half()
        else:
            rows = weight.flatten(1)
            scale = rows.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / STEPS
            codes = (rows / scale[:, None]).round().to(torch.int8)
            stored[name], stored[name + SCALE] = codes.reshape(weight.shape), scale
    return stored


def unshrunk(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights that :func:`shrink` stored, in fp32."""
    weights = {}
    for name, value in stored.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in stored:
            continue
        if (scale := stored.get(name + SCALE)) is not None:
            value = value * scale.reshape(-1, *(1,) * (value.dim() - 1))
        weights[name] = value.float() if value.is_floating_point() else value
    return weights
