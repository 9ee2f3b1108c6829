"""Overlap and volume of boolean masks (z, y, x); empty masks are defined, nothing is ever NaN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cmrseg.imaging.volume import Array


def dice(pred: Array, truth: Array) -> float:
    """Dice similarity coefficient, 2 |P and T| / (|P| + |T|), over the whole volume.

    Both masks empty is a perfect answer, 1.0; one of them empty is 0.0 (EMIDEC's evaluation
    code, ``metrics.dc``: 3D per case, "in case of true negative the Dice is 1").

    Args:
        pred: bool, any shape.
        truth: bool, same shape.

    Returns:
        A fraction in 0..1.

    Raises:
        ValueError: the shapes differ, or a mask is not boolean.
    """
    check_masks(pred, truth)
    total = np.count_nonzero(pred) + np.count_nonzero(truth)
    if total == 0:
        return 1.0
    return float(2 * np.count_nonzero(pred & truth) / total)


def volume_mm3(mask: Array, spacing_mm: Sequence[float]) -> float:
    """Volume of a boolean mask (z, y, x) with voxels of ``spacing_mm``, in cubic millimetres."""
    return float(np.count_nonzero(mask) * np.prod(np.asarray(spacing_mm, float)))


def volume_ml(mask: Array, spacing_mm: Sequence[float]) -> float:
    """Volume of a boolean mask (z, y, x), in mL (= cm3)."""
    return volume_mm3(mask, spacing_mm) / 1000.0


def volume_difference_mm3(pred: Array, truth: Array, spacing_mm: Sequence[float]) -> float:
    """|V_pred - V_truth| in cubic millimetres (EMIDEC's VD; the papers print it in cm3).

    Raises:
        ValueError: the shapes differ, or a mask is not boolean.
    """
    check_masks(pred, truth)
    # counts first: equal counts give exactly 0, whatever the voxel's size
    voxels = abs(np.count_nonzero(pred) - np.count_nonzero(truth))
    return float(voxels * np.prod(np.asarray(spacing_mm, float)))


def check_masks(pred: Array, truth: Array) -> None:
    """Refuse what is not a pair of boolean masks on one grid.

    Raises:
        ValueError: the shapes differ, or a mask is not boolean (label maps would be counted
            as one structure by accident).
    """
    if pred.dtype != bool or truth.dtype != bool:
        raise ValueError(f"masks must be boolean, not {pred.dtype} and {truth.dtype}")
    if pred.shape != truth.shape:
        raise ValueError(f"masks of different shapes: {pred.shape} and {truth.shape}")
