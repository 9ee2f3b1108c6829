"""Connected pieces of a mask."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array


def largest(mask: Array) -> Array:
    """The largest piece of a (z, y, x) mask, joined across slices; bool, empty stays empty."""
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count < 2:
        return np.asarray(mask, bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    kept: Array = pieces == sizes.argmax()
    return kept
