"""Segmentation losses, always computed in fp32."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dice_loss(probabilities: Tensor, truth: Tensor) -> Tensor:
    """One minus the mean soft Dice of the foreground classes over the whole batch.

    Args:
        probabilities: (B, C, Z, Y, X).
        truth: (B, Z, Y, X) class indices.
    """
    onehot = F.one_hot(truth, probabilities.shape[1]).movedim(-1, 1).float()
    axes = (0, *range(2, probabilities.dim()))
    overlap = (probabilities * onehot).sum(axes)
    total = probabilities.sum(axes) + onehot.sum(axes)
    dice = (2 * overlap + 1) / (total + 1)
    return 1 - dice[1:].mean()


def segmentation_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """L_Seg = L_Dice + L_CE (arega2021 Eq. 3 with both weights 1).

    Args:
        logits: (B, C, Z, Y, X).
        truth: (B, Z, Y, X) class indices.
    """
    logits = logits.float()
    return dice_loss(logits.softmax(dim=1), truth) + F.cross_entropy(logits, truth)


def deep_supervision(heads: list[Tensor], truth: Tensor) -> Tensor:
    """Weighted mean of the heads' losses, each coarser head counting half the one before.

    Args:
        heads: logits, finest first, each next one half the size in y and x.
        truth: (B, Z, Y, X) class indices at the finest size.
    """
    weights = [0.5**i for i in range(len(heads))]
    losses = [w * segmentation_loss(h, _at(h, truth)) for w, h in zip(weights, heads, strict=True)]
    return torch.stack(losses).sum() / sum(weights)


def _at(head: Tensor, truth: Tensor) -> Tensor:
    step = truth.shape[-1] // head.shape[-1]
    return truth[..., step // 2 :: step, step // 2 :: step]
