"""Grey values to a common scale."""

from __future__ import annotations

import numpy as np

from cmrseg.imaging.volume import Array

PERCENTILES = (0.5, 99.5)
FEWEST = 16
"""Voxels below which percentiles and a standard deviation say nothing."""


def robust_zscore(array: Array, mask: Array | None = None) -> Array:
    """Clip to the 0.5 and 99.5 percentile, then zero mean and unit variance.

    Percentiles, mean and variance are those of the non-zero voxels: real EMIDEC and GE scans
    have wide margins of exact zeros that would otherwise set the scale. Every voxel, zeros
    included, then goes through the same clipping and scaling, so the margin becomes one
    constant (the darkest value).

    Args:
        array: (z, y, x), finite grey values.
        mask: (z, y, x) of bool; only voxels inside it set the scale.

    Returns:
        (z, y, x) float32. All zero if there is no contrast to scale. With fewer than 16
        non-zero voxels (in the mask) all voxels (in the mask, then anywhere) set the scale.
    """
    values = np.asarray(array, np.float32)
    inside = np.ones(values.shape, bool) if mask is None else np.asarray(mask, bool)
    for chosen in (values[inside & (values != 0)], values[inside], values.ravel()):
        if chosen.size >= FEWEST:
            break
    if chosen.size == 0:
        return np.zeros_like(values)
    low, high = np.percentile(chosen, PERCENTILES)
    clipped = np.clip(chosen, low, high).astype(np.float64)
    mean, deviation = clipped.mean(), clipped.std()
    if deviation <= 1e-6 * max(abs(mean), 1e-6):
        return np.zeros_like(values)
    scaled: Array = ((np.clip(values, low, high) - mean) / deviation).astype(np.float32)
    return scaled
