"""The uncertainty that training lowers (arega2021 Eq. 1, 2 and 4), with a gradient."""

from __future__ import annotations

import math

from torch import Tensor


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
