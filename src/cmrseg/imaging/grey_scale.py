"""Grey values on a common scale that the form of a file does not change.

The same heart is stored with any offset, any factor, any padding value and any field of view. Two
things are therefore taken from the image itself, on its native voxels, before anything is
interpolated: where the image ends and its padding begins (:func:`interior`), and the scale of what
lies inside (:func:`standardised`).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array

STATISTICS_PERCENTILES = (2.0, 98.0)
"""Values beyond these are clipped before mean and deviation are taken: burnt-in text and the like
are few and do not set the scale."""
LIMIT = 5.0
"""Standardised values are clipped to this many standard deviations."""
MARGIN_SHARE = 0.1
"""Share of an image's edge that one value must fill to be padding."""
NESTED = 3
"""Margins within one another that are looked for: an image is padded, shifted and padded again."""
FEWEST = 16
"""Voxels below which a standard deviation says nothing."""


def interior(array: Array) -> Array:
    """Which voxels are image: all but the constant border of each slice, whatever its value.

    A border is a connected region of exactly one value that reaches the slice's edge and fills at
    least :data:`MARGIN_SHARE` of it. What it encloses is searched again, for a border within it.

    Args:
        array: (z, y, x), finite grey values, slices first.

    Returns:
        (z, y, x) bool. All true where nothing would be left.
    """
    inside = np.stack([_slice_interior(plane) for plane in array])
    return inside if inside.any() else np.ones(array.shape, bool)


def _slice_interior(plane: Array) -> Array:
    margin = np.zeros(plane.shape, bool)
    for _ in range(NESTED):
        edge = ndimage.binary_dilation(margin, border_value=1) & ~margin
        values, counts = np.unique(plane[edge], return_counts=True)
        if not len(values) or counts.max() < max(2, MARGIN_SHARE * edge.sum()):
            break
        regions, _ = ndimage.label((plane == values[counts.argmax()]) & ~margin)
        touching = np.unique(regions[edge])
        margin |= np.isin(regions, touching[touching > 0])
    inside: Array = ~margin
    return inside


def bounding_box(inside: Array) -> tuple[slice, slice, slice]:
    """The in-plane box around all true voxels; slices are never left out.

    Args:
        inside: (z, y, x) bool, some of them true.
    """
    rows, columns = np.flatnonzero(inside.any((0, 2))), np.flatnonzero(inside.any((0, 1)))
    return np.s_[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def standardised(array: Array, inside: Array | None = None) -> Array:
    """Zero mean and unit variance of what lies inside; outside everywhere its darkest value.

    Args:
        array: (..., y, x), finite grey values.
        inside: bool of the same shape; only voxels inside set the scale. ``None``: all do.

    Returns:
        float32 of the same shape, within :data:`LIMIT`. All zero if there is no contrast.
    """
    values = np.asarray(array, np.float64)
    chosen = values.ravel() if inside is None else values[inside]
    if chosen.size < FEWEST:
        chosen = values.ravel()
    low, high = np.percentile(chosen, STATISTICS_PERCENTILES)
    if low == high:
        low, high = chosen.min(), chosen.max()
    clipped = np.clip(chosen, low, high)
    # Relative to the range, so that neither an offset nor a tiny unit looks like no contrast.
    centre, span = clipped.mean(), high - low
    if span <= 1e-9 * max(abs(low), abs(high)):
        return np.zeros(values.shape, np.float32)
    deviation = ((clipped - centre) / span).std()
    scaled = np.clip((values - centre) / span / deviation, -LIMIT, LIMIT)
    if inside is not None:
        scaled[~inside] = (low - centre) / span / deviation
    result: Array = scaled.astype(np.float32)
    return result
