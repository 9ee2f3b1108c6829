"""From class probabilities to labels, by connected components."""

from __future__ import annotations

import numpy as np

from cmrseg.imaging.components import large, largest
from cmrseg.imaging.volume import Array

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
