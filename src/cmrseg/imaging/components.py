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


def large(mask: Array, least_share: float, reach: float = np.inf) -> Array:
    """The largest piece of a (z, y, x) mask and all of some size in the same column of slices.

    Args:
        mask: pieces are joined across slices; empty stays empty.
        least_share: of the largest piece's voxels that another must have, 0..1.
        reach: how far beside the largest piece's shadow on the slices another may begin, in radii
            of a disc as large as that shadow.

    Returns:
        (z, y, x) of bool.
    """
    pieces, sizes = _pieces(mask)
    kept = sizes >= max(least_share * sizes.max(), 1)
    if kept.sum() > 1 and np.isfinite(reach):
        slices = int(np.argmin(mask.shape))
        shadow = (pieces == sizes.argmax()).any(axis=slices)
        away = ndimage.distance_transform_edt(~shadow)
        near = np.expand_dims(away <= reach * np.sqrt(shadow.sum() / np.pi), slices)
        kept &= np.isin(np.arange(len(sizes)), pieces[np.broadcast_to(near, mask.shape)])
    found: Array = kept[pieces]
    return found


def _pieces(mask: Array) -> tuple[Array, Array]:
    """The number of each voxel's piece, 0 outside; voxels of each piece, none of 0."""
    pieces, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces, sizes
