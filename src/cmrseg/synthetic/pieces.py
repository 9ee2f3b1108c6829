"""Into how many pieces labels fall in a slice: experts draw one, a cut through a model may not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array, Volume

SPECK_PIXELS = 2
"""So many pixels at most, apart from the rest, are a speck."""

TOUCHING = np.ones((3, 3), bool)
"""Pixels that share a corner are one piece."""


def measure_pieces(label: Volume, codes: Mapping[str, tuple[int, ...]]) -> dict[str, float]:
    """How often a structure falls apart in the plane, as shares of the slices that show it.

    Args:
        label: labels.
        codes: name -> the codes that make up the structure.

    Returns:
        ``NAME in pieces``: the share of slices with two or more, specks aside, and ``NAME with
        specks``: that of slices where ``SPECK_PIXELS`` or fewer lie apart from a larger piece.
        Neither for a structure that no slice shows.
    """
    found = {}
    for name, values in codes.items():
        planes = [plane for plane in np.isin(label.array, values) if plane.any()]
        if planes:
            sizes = [_sizes(plane) for plane in planes]
            found[f"{name} in pieces"] = float(
                np.mean([(s > SPECK_PIXELS).sum() > 1 for s in sizes])
            )
            found[f"{name} with specks"] = float(
                np.mean([s.min() <= SPECK_PIXELS < s.max() for s in sizes])
            )
    return found


def _sizes(plane: Array) -> Array:
    """Pixels of each piece of a mask of one slice."""
    pieces, _ = ndimage.label(plane, TOUCHING)
    return np.bincount(pieces.ravel())[1:]
