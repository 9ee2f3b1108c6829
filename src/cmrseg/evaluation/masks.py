"""From two label volumes to boolean masks that may be compared."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cmrseg.imaging.orient import aligned
from cmrseg.imaging.volume import GEOMETRY_TOLERANCE_MM, Array, Volume
from cmrseg.runtime.errors import InputError


def paired_labels(pred: Volume, truth: Volume, highest: int) -> tuple[Array, Array]:
    """The two label arrays (z, y, x) as uint8, once they are known to be comparable.

    A prediction whose axes are stored in another order or sense is brought to the truth's: voxels
    are compared where they lie in the patient.

    Args:
        pred: predicted labels.
        truth: expert labels.
        highest: the highest label of the challenge.

    Raises:
        InputError: the grids differ (size, spacing or place), or a label is none of 0..highest.
    """
    if not pred.geometry.same_as(truth.geometry, GEOMETRY_TOLERANCE_MM):
        turned = aligned(pred, truth.geometry, GEOMETRY_TOLERANCE_MM)
        if turned is None:
            raise _elsewhere(pred, truth)
        pred = turned
    return _labels(pred, highest, "prediction"), _labels(truth, highest, "truth")


def _elsewhere(pred: Volume, truth: Volume) -> InputError:
    """The error for a prediction on other voxels than the truth's."""
    ours, theirs = pred.geometry, truth.geometry
    if ours.shape != theirs.shape:
        said = (
            f"the prediction has {_by(ours.shape)} voxels (z, y, x), the truth {_by(theirs.shape)}"
        )
    elif not np.allclose(ours.spacing_mm, theirs.spacing_mm, rtol=0, atol=1e-3):
        said = (
            f"the prediction's voxels are {_by(ours.spacing_mm)} mm (z, y, x), "
            f"the truth's {_by(theirs.spacing_mm)} mm"
        )
    else:
        said = "prediction and truth have the same voxels but lie in different places"
    return InputError(said, "write the prediction with the header of its input image")


def union(labels: Array, values: Iterable[int]) -> Array:
    """Where a label array (uint8) holds one of ``values``, as bool."""
    table = np.zeros(256, bool)
    table[list(values)] = True
    mask: Array = table[labels]
    return mask


def _labels(volume: Volume, highest: int, whose: str) -> Array:
    array = volume.array
    whole = np.isfinite(array).all() and (array == np.round(array)).all()
    if not whole or array.min() < 0 or array.max() > highest:
        raise InputError(
            f"the {whose} holds values that are not labels (whole numbers from 0 to {highest})",
            "give label maps in the challenge's codes, resampled with nearest neighbour if at all",
        )
    return array.astype(np.uint8)


def _by(numbers: Iterable[float]) -> str:
    return " x ".join(f"{number:.5g}" for number in numbers)
