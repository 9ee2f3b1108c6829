"""From class probabilities to labels, by connected components."""

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


RIVAL = 0.3
"""A piece with such a share of the largest one is a ventricle, not a mistake far away."""
COLUMN = 0.5
"""A heart is one column through the slices: a piece that begins farther beside the largest one's
shadow, in radii of that shadow, is no ventricle, however large."""


def labels(probabilities: Array) -> Array:
    """(C, z, y, x) class probabilities to uint8 labels, the heart in one piece."""
    return in_one_piece(likeliest(probabilities))


def ventricles(probabilities: Array) -> Array:
    """(C, z, y, x) class probabilities to uint8 labels of a heart whose ventricles may lie apart.

    Where the septum is not seen, one piece would be one ventricle: pieces of :data:`RIVAL` of the
    largest one stay. In a single slice mistakes are as large as ventricles: there it is one piece.
    What either rule does to held-out patients stands in docs/results/mnms2.
    """
    return cleaned(likeliest(probabilities))


def likeliest(probabilities: Array) -> Array:
    """(C, z, y, x) class probabilities to the uint8 labels of the likeliest classes, all pieces."""
    return np.asarray(probabilities.argmax(axis=0), np.uint8)


def cleaned(found: Array) -> Array:
    """(z, y, x) labels by the rule of :func:`ventricles`."""
    return in_one_piece(found) if min(found.shape) == 1 else in_large_pieces(found)


def in_one_piece(found: Array) -> Array:
    """(z, y, x) labels, of the heart's pieces the largest alone."""
    return np.where(largest(found > 0), found, 0).astype(np.uint8)


def in_large_pieces(found: Array) -> Array:
    """(z, y, x) labels, of the heart's pieces those of :data:`RIVAL` of the largest and more, in
    the same :data:`COLUMN`."""
    return np.where(large(found > 0, RIVAL, COLUMN), found, 0).astype(np.uint8)
