"""What N samples of a segmentation say about its certainty (arega2021 Eq. 1, 2, 4, 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np

from cmrseg.imaging.overlap import dice
from cmrseg.imaging.volume import Array


def mean_and_variance(samples: Array) -> tuple[Array, Array]:
    """Mean (Eq. 1) and sample variance (Eq. 2, divisor N) of each voxel and class.

    Args:
        samples: (N, C, z, y, x) class probabilities.

    Returns:
        Two arrays (C, z, y, x).
    """
    # Class by class, as the variance takes a copy of what it is of.
    variance = np.stack([samples[:, c].var(axis=0) for c in range(samples.shape[1])])
    return samples.mean(axis=0), variance


def image_uncertainty(variance: Array) -> float:
    """Image-level uncertainty (Eq. 4): the variance averaged over classes and voxels.

    Args:
        variance: (C, z, y, x).
    """
    return float(variance.mean())


def predictive_entropy(mean: Array) -> Array:
    """Entropy of the mean class probabilities in nats, (z, y, x).

    Args:
        mean: (C, z, y, x) class probabilities.
    """
    kept = np.clip(mean, 1e-7, 1.0)
    entropy: Array = -(kept * np.log(kept)).sum(axis=0)
    return entropy


def dice_within_samples(
    mean: Array, samples: Array, structures: Mapping[str, tuple[int, ...]]
) -> dict[str, float]:
    """Mean Dice of the mean's mask and each sample's (Eq. 6), by structure.

    Args:
        mean: (C, z, y, x) mean class probabilities.
        samples: (N, C, z, y, x) class probabilities.
        structures: name -> class indices it is made of.

    Returns:
        Name -> Dice in 0..1; a structure in neither mask agrees fully (1).
    """
    central = mean.argmax(axis=0)
    masks = sample_labels(samples)
    return {
        name: float(np.mean([_dice(np.isin(central, parts), np.isin(m, parts)) for m in masks]))
        for name, parts in structures.items()
    }


def sample_labels(samples: Array) -> Array:
    """(N, C, z, y, x) class probabilities to (N, z, y, x) uint8 labels, sample by sample."""
    return np.stack([one.argmax(axis=0).astype(np.uint8) for one in samples])


def _dice(a: Array, b: Array) -> float:
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def agreement(
    masks: Array, drawn: Sequence[int], structures: Mapping[str, tuple[int, ...]]
) -> dict[str, float]:
    """Mean Dice of pairs of samples of the same network, averaged over networks, by structure.

    Dice within samples (arega2021 Eq. 6) sets each sample against the mean of all, so it rises
    with fewer samples and falls with more networks. Pairs within a network do neither: one network
    measured out of fold with few samples tells what to expect of an ensemble with many.

    Args:
        masks: (N, z, y, x) labels of each sample, network by network.
        drawn: how many of them each network gave.
        structures: name -> labels it is made of.

    Structures are such that every heart has: samples that agree on finding none agree on nothing.

    Returns:
        Name -> Dice in 0..1, a pair without it counting 0; empty if no network gave two samples.
    """
    ends = np.cumsum((0, *drawn))
    own = [masks[a:b] for a, b in pairwise(ends) if b - a > 1]
    if not own:
        return {}
    return {
        name: float(np.mean([_pairs(np.isin(part, labels)) for part in own]))
        for name, labels in structures.items()
    }


def _pairs(masks: Array) -> float:
    return float(np.mean([dice(a, b) if a.any() else 0.0 for a, b in combinations(masks, 2)]))
