"""Which class takes a voxel that several classes share."""

from __future__ import annotations

import numpy as np

from cmrseg.imaging.volume import Array

ROUNDS = 30
STEP, COOLING = 0.1, 0.93
"""First step of the handicaps (as a share of a voxel) and its factor from round to round."""
WHOLE = 1.0 - 1e-6
"""A share from which a voxel belongs to one class alone."""


def winners(shares: Array) -> Array:
    """The class of every voxel, so that each class keeps its volume.

    The largest share alone would starve what is thin: a wall 1.4 voxels wide, put on a grid 1.25
    times coarser, loses a quarter of its volume and tears, because each half of it meets a larger
    neighbour. Here each class gets one handicap, added to its shares everywhere, and the handicaps
    are moved until every class has as many voxels as its shares add up to. What is decided
    without doubt is not touched.

    Args:
        shares: (C, z, y, x), the part of each voxel that each class fills; sums to one.

    Returns:
        (z, y, x) class indices.
    """
    flat = shares.reshape(len(shares), -1)
    found = flat.argmax(0)
    doubtful = np.flatnonzero(flat.max(0) < WHOLE)
    contested = flat[:, doubtful]
    wanted = contested.sum(1)
    handicap = np.zeros((len(shares), 1), flat.dtype)
    least, step = np.inf, STEP
    for _ in range(ROUNDS):
        taken = (contested + handicap).argmax(0)
        missing = wanted - np.bincount(taken, minlength=len(shares))
        if np.abs(missing).sum() < least:
            least, found[doubtful] = float(np.abs(missing).sum()), taken
        handicap[:, 0] += step * missing / np.maximum(wanted, 1.0)
        step *= COOLING
    indices: Array = found.reshape(shares.shape[1:])
    return indices
