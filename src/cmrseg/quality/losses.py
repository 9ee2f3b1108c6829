"""The losses of quality control, on probabilities and always in fp32."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def generalised_dice(
    probabilities: Tensor, target: Tensor, importance: Sequence[float] | None = None
) -> Tensor:
    """L_GD of galati2021 Eq. 1, and with ``importance`` L_WGD of Eq. 2.

    Generalised Dice (Sudre 2017): classes weigh by the inverse square of their volume over the
    batch, times their importance. A class the target has not at all weighs as much as the
    heaviest that it has, so that inventing it costs.

    Args:
        probabilities: (B, C, ...) predicted.
        target: (B, C, ...) probabilities or one-hot.
        importance: one factor a class, background first; None for all 1.
    """
    probabilities, target = probabilities.float(), target.float()
    axes = (0, *range(2, target.dim()))
    volume = target.sum(axes)
    inverse = volume.clamp(min=1).square().reciprocal()
    heaviest = inverse[volume > 0].max()
    weights = torch.where(volume > 0, inverse, heaviest)
    if importance is not None:
        weights = weights * torch.tensor(importance, device=weights.device)
    overlap = (weights * (probabilities * target).sum(axes)).sum()
    total = (weights * (probabilities + target).sum(axes)).sum()
    return 1 - 2 * overlap / total


def reconstruction_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """L^R = L_MSE + L_GD (galati2021 section 2.2).

    Args:
        logits: (B, C, Y, X).
        truth: (B, Y, X) class indices.
    """
    probabilities = logits.float().softmax(dim=1)
    target = F.one_hot(truth, logits.shape[1]).movedim(-1, 1).float()
    return F.mse_loss(probabilities, target) + generalised_dice(probabilities, target)


def supervised_loss(probabilities: Tensor, truth: Tensor) -> Tensor:
    """L_SUP = L_GD + L_CE (galati2021 Eq. 1).

    Args:
        probabilities: (B, C, ...) predicted.
        truth: (B, ...) class indices.
    """
    target = F.one_hot(truth, probabilities.shape[1]).movedim(-1, 1).float()
    logarithms = probabilities.float().clamp(min=1e-7).log()
    return generalised_dice(probabilities, target) + F.nll_loss(logarithms, truth)


def semi_supervised_loss(
    predicted: Tensor,
    reconstructed: Tensor,
    rehearsed: Tensor,
    truth: Tensor,
    *,
    epoch: int,
    importance: Sequence[float],
) -> Tensor:
    """L_SEMI = alpha L_WGD(y^M, y^R) + L_SUP with alpha = 1/k (galati2021 Eq. 2).

    Args:
        predicted: y^M, (B, C, ...) class probabilities of unlabelled images.
        reconstructed: y^R, (B, ...) class indices, taken for the truth.
        rehearsed: (B', C, ...) class probabilities of labelled images.
        truth: (B', ...) their class indices.
        epoch: k, from 1.
        importance: one factor a class, background first.
    """
    target = F.one_hot(reconstructed, predicted.shape[1]).movedim(-1, 1).float()
    unlabelled = generalised_dice(predicted, target, importance)
    return unlabelled / epoch + supervised_loss(rehearsed, truth)
