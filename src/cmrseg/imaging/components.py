"""Connected pieces of a mask."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array


def largest(mask: Array) -> Array:
    """The largest piece of a (z, y, x) mask, joined across slices; bool, empty stays empty."""
    pieces, sizes = _pieces(mask)
    kept: Array = pieces == sizes.argmax() if len(sizes) > 2 else np.asarray(mask, bool)
    return kept


def large(mask: Array, least_share: float) -> Array:
    """The largest piece of a (z, y, x) mask and all that have at least so much of its size.

    Args:
        mask: pieces are joined across slices; empty stays empty.
        least_share: of the largest piece's voxels, 0..1.

    Returns:
        (z, y, x) of bool.
    """
    pieces, sizes = _pieces(mask)
    kept: Array = (sizes >= max(least_share * sizes.max(), 1))[pieces]
    return kept


def _pieces(mask: Array) -> tuple[Array, Array]:
    """The number of each voxel's piece, 0 outside; voxels of each piece, none of 0."""
    pieces, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces, sizes
