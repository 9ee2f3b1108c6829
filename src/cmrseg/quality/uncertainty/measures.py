"""What N samples of a segmentation say about its certainty (arega2021 Eq. 1, 2, 4, 6)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

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
