"""Segmentation losses, always computed in fp32."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cmrseg.quality.losses import generalised_dice
from cmrseg_lab.training.cache import UNKNOWN


def log_mean(log_probabilities: Tensor) -> Tensor:
    """Logarithm of the mean of N samples (Eq. 1), safe where all of them are tiny.

    Args:
        log_probabilities: (N, ...).
    """
    return log_probabilities.logsumexp(dim=0) - math.log(len(log_probabilities))


def uncertainty_loss(probabilities: Tensor) -> Tensor:
    """Image-level uncertainty (Eq. 4): sample variance (Eq. 2), averaged over classes and voxels.

    Args:
        probabilities: (N, B, C, Z, Y, X); Eq. 2 divides by N, so that one sample has none.
    """
    # torch.var over the first axis takes several times as long.
    return (probabilities - probabilities.mean(dim=0)).square().mean()


LV = 1


def volume_dice(probabilities: Tensor, truth: Tensor) -> Tensor:
    """One minus the mean soft Dice of the foreground classes of each volume.

    By volume, not by batch: a small heart at end-systole counts as much as a large one. Where only
    the LV is known it alone counts.

    Args:
        probabilities: (B, C, Z, Y, X).
        truth: (B, Z, Y, X) class indices, or UNKNOWN.
    """
    unknown = truth == UNKNOWN
    onehot = F.one_hot(truth.where(~unknown, 0), probabilities.shape[1]).movedim(-1, 1)
    overlap = (probabilities * onehot).sum((2, 3, 4))
    total = probabilities.sum((2, 3, 4)) + onehot.sum((2, 3, 4))
    # A class that is not there gives no gradient worth having: one voxel of leeway.
    dice = ((2 * overlap + 1) / (total + 1))[:, 1:]
    counts = torch.ones_like(dice)
    counts[unknown.flatten(1).any(1), LV:] = 0
    return 1 - ((dice * counts).sum(1) / counts.sum(1)).mean()


def _overlap(probabilities: Tensor, truth: Tensor, dice: str) -> Tensor:
    if dice == "volume":
        return volume_dice(probabilities, truth)
    onehot = F.one_hot(truth, probabilities.shape[1]).movedim(-1, 1)
    return generalised_dice(probabilities, onehot)


def log_likelihood(logged: Tensor, truth: Tensor) -> Tensor:
    """Log-probability of what is true; where that is "not LV", of all other classes together.

    Args:
        logged: (B, C, Z, Y, X) log-probabilities.
        truth: (B, Z, Y, X) class indices, or UNKNOWN.

    Returns:
        (B, Z, Y, X).
    """
    unknown = truth == UNKNOWN
    told = logged.gather(1, truth.where(~unknown, 0)[:, None])[:, 0]
    if not unknown.any():
        return told
    others = torch.cat([logged[:, :LV], logged[:, LV + 1 :]], 1).logsumexp(1)
    return told.where(~unknown, others)


def total_loss(
    logits: Tensor, truth: Tensor, samples: int = 1, alpha: float = 0.0, dice: str = "volume"
) -> Tensor:
    """L_Total = L_Dice + L_CE + alpha L_Uncertainty (arega2021 Eq. 3 and 5; galati2021 Eq. 1).

    Dice and cross-entropy are those of the mean probability of the samples (Eq. 1), which makes the
    cross-entropy its negative log-likelihood. One sample has no variance.

    Args:
        logits: (samples*B, C, Z, Y, X), sample by sample.
        truth: (B, Z, Y, X) class indices, or UNKNOWN.
        samples: N of Eq. 1.
        alpha: weight of the uncertainty.
        dice: ``volume`` or ``generalised``.
    """
    each = logits.float().log_softmax(1).reshape(samples, -1, *logits.shape[1:])
    logged = each[0] if samples == 1 else log_mean(each)
    loss = _overlap(logged.exp(), truth, dice) - log_likelihood(logged, truth).mean()
    return loss + alpha * uncertainty_loss(each.exp()) if alpha and samples > 1 else loss


def deep_supervision(
    heads: list[Tensor],
    truth: Tensor,
    samples: int = 1,
    alpha: float = 0.0,
    dice: str = "volume",
) -> Tensor:
    """Weighted mean of the heads' losses, each coarser head counting half the one before.

    Every head gets the whole of Eq. 5 on the mean and variance of its own samples. The weights add
    up to one, so alpha means what it means for a single head.

    Args:
        heads: logits (samples*B, C, Z, Y, X), finest first, each next one half the size in y and x.
        truth: (B, Z, Y, X) class indices at the finest size.
        samples: N of Eq. 1.
        alpha: weight of the uncertainty.
        dice: ``volume`` or ``generalised``.
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
