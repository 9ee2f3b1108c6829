"""Segmentation losses, always computed in fp32."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from cmrseg.quality.losses import generalised_dice
from cmrseg.quality.uncertainty.loss import log_mean, uncertainty_loss

Dice = Literal["soft", "generalised"]


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


def overlap_loss(probabilities: Tensor, truth: Tensor, dice: Dice = "soft") -> Tensor:
    """What of a loss tells the overlap: :func:`dice_loss`, or L_GD of galati2021 Eq. 1.

    Args:
        probabilities: (B, C, Z, Y, X).
        truth: (B, Z, Y, X) class indices.
        dice: which of the two.
    """
    if dice == "soft":
        return dice_loss(probabilities, truth)
    onehot = F.one_hot(truth, probabilities.shape[1]).movedim(-1, 1)
    return generalised_dice(probabilities, onehot)


def segmentation_loss(logits: Tensor, truth: Tensor, dice: Dice = "soft") -> Tensor:
    """L_Seg = L_Dice + L_CE (arega2021 Eq. 3 with both weights 1; galati2021 Eq. 1).

    Args:
        logits: (B, C, Z, Y, X).
        truth: (B, Z, Y, X) class indices.
        dice: ``soft`` or ``generalised``.
    """
    logits = logits.float()
    return overlap_loss(logits.softmax(dim=1), truth, dice) + F.cross_entropy(logits, truth)


def total_loss(
    logits: Tensor, truth: Tensor, samples: int = 1, alpha: float = 0.0, dice: Dice = "soft"
) -> Tensor:
    """L_Total = L_Seg + alpha L_Uncertainty (arega2021 Eq. 5).

    Dice and cross-entropy are those of the mean probability of the samples (Eq. 1), which makes the
    cross-entropy its negative log-likelihood. One sample has no variance: L_Seg alone is left.

    Args:
        logits: (samples*B, C, Z, Y, X), sample by sample.
        truth: (B, Z, Y, X) class indices.
        samples: N of Eq. 1.
        alpha: weight of the uncertainty.
        dice: ``soft`` or ``generalised``.
    """
    if samples == 1:
        return segmentation_loss(logits, truth, dice)
    logits = logits.float().reshape(samples, -1, *logits.shape[1:])
    log_probabilities = logits.log_softmax(dim=2)
    probabilities = log_probabilities.exp()
    wanted = truth[None, :, None].expand(samples, *(-1,) * 5)
    likelihood = log_mean(log_probabilities.gather(2, wanted))
    overlap = overlap_loss(probabilities.mean(dim=0), truth, dice)
    segmentation = overlap - likelihood.mean()
    return segmentation + alpha * uncertainty_loss(probabilities)


def deep_supervision(
    heads: list[Tensor],
    truth: Tensor,
    samples: int = 1,
    alpha: float = 0.0,
    dice: Dice = "soft",
) -> Tensor:
    """Weighted mean of the heads' losses, each coarser head counting half the one before.

    Every head gets the whole of Eq. 5 on the mean and variance of its own samples. The weights add
    up to one, so alpha means what it means for a single head.

    Args:
        heads: logits (samples*B, C, Z, Y, X), finest first, each next one half the size in y and x.
        truth: (B, Z, Y, X) class indices at the finest size.
        samples: N of Eq. 1.
        alpha: weight of the uncertainty.
        dice: ``soft`` or ``generalised``.
    """
    weights = [0.5**i for i in range(len(heads))]
    losses = [
        w * total_loss(h, _at(h, truth), samples, alpha, dice)
        for w, h in zip(weights, heads, strict=True)
    ]
    return torch.stack(losses).sum() / sum(weights)


def _at(head: Tensor, truth: Tensor) -> Tensor:
    step = truth.shape[-1] // head.shape[-1]
    return truth[..., step // 2 :: step, step // 2 :: step]
