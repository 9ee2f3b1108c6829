"""From a stored image to what a network sees, and from what it says back to the stored image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cmrseg.imaging.grey_scale import bounding_box, interior, standardised
from cmrseg.imaging.orient import Orientation, canonical
from cmrseg.imaging.resample import labels_to_grid, probabilities_to, to_grid
from cmrseg.imaging.volume import Array, Geometry, Grid, Volume

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


Preparation = Literal["nonzero", "interior"]
"""What sets an image's grey scale: all voxels that are not zero, on the recipe's grid (networks of
the first bundles), or all within the constant border, on the native grid."""

MODERATE = (1e-3, 1e9)
"""The largest value of an image in usual units; others are scaled before they are interpolated."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image on a recipe's grid, and the way back.

    Attributes:
        image: float32 (z, y, x), one orientation, the recipe's spacing, robust z-score.
        turned: the source's geometry in that orientation.
        orientation: how the source's axes were swapped and flipped.
        box: which part of the turned image is no constant border; ``None`` for all of it.
    """

    image: Volume
    turned: Geometry
    orientation: Orientation
    box: tuple[slice, slice, slice] | None = None

    def restore(self, maps: Array) -> Array:
        """Bring (C, z, y, x) float maps on the recipe's grid back to the source's voxels.

        In the constant border around the image they are zero.
        """
        if self.box is None:
            return self.orientation.back(probabilities_to(self.image.geometry, maps, self.turned))
        native = probabilities_to(self.image.geometry, maps, cropped(self.turned, self.box))
        whole = np.zeros((len(maps), *self.turned.shape), native.dtype)
        whole[:, *self.box] = native
        return self.orientation.back(whole)

    def labels(self, volume: Volume, grid: Grid) -> Volume:
        """A label map on the source's voxels, brought to the recipe's grid as its image was."""
        turned = canonical(volume)[0]
        return labels_to_grid(turned if self.box is None else _crop(turned, self.box), grid)


def prepare(volume: Volume, grid: Grid, preparation: Preparation = "nonzero") -> Prepared:
    """Bring an image to one orientation, a recipe's spacing and a common grey scale."""
    if preparation == "interior":
        return prepare_interior(volume, grid)
    turned, orientation = canonical(volume)
    on_grid = to_grid(_moderate(turned), grid)
    image = on_grid.like(robust_zscore(on_grid.array))
    return Prepared(image, turned.geometry, orientation)


def prepare_interior(volume: Volume, grid: Grid) -> Prepared:
    """Bring an image to one orientation, one grey scale and a recipe's spacing.

    The constant border is cut off and the scale taken from the rest, both on the native voxels:
    an offset, a factor or padding of any value leaves the result as it is.
    """
    turned, orientation = canonical(volume)
    inside = interior(turned.array)
    box = bounding_box(inside)
    scaled = replace(turned, array=standardised(turned.array, inside))
    return Prepared(to_grid(_crop(scaled, box), grid), turned.geometry, orientation, box)


def _moderate(volume: Volume) -> Volume:
    """The volume in units in which nothing overflows or counts as nothing."""
    peak = float(np.abs(volume.array.astype(np.float64)).max())
    if peak == 0 or MODERATE[0] <= peak <= MODERATE[1]:
        return volume
    return replace(volume, array=(volume.array / peak * 1000).astype(np.float32))


def _crop(volume: Volume, box: tuple[slice, slice, slice]) -> Volume:
    geometry = cropped(volume.geometry, box)
    return replace(volume, array=np.ascontiguousarray(volume.array[box]), geometry=geometry)


def cropped(geometry: Geometry, box: tuple[slice, slice, slice]) -> Geometry:
    """Where the voxels of a box lie."""
    z, y, x = (part.indices(n)[:2] for part, n in zip(box, geometry.shape, strict=True))
    first = np.array([[z[0]], [y[0]], [x[0]]])
    shape = (z[1] - z[0], y[1] - y[0], x[1] - x[0])
    origin = tuple(geometry.to_patient(first)[:, 0].tolist())
    return replace(geometry, shape=shape, origin_mm=origin)
