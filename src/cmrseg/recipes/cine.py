"""End-diastole and end-systole of a cine: the frames of the largest and the smallest LV."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEWEST = 5
"""Frames; of fewer no failed one can be told."""
APART = 0.25
"""Share of the largest volume by which a frame may differ from the median of itself and its two
neighbours, an estimate: no heart changes so much there and back, but a mask that failed does."""


def find_phases(lv_ml: Sequence[float]) -> tuple[int, int]:
    """The frames of end-diastole and of end-systole, from 0.

    Args:
        lv_ml: the LV's volume in every frame, at least one; the first follows the last.
    """
    volumes = np.asarray(lv_ml, float)
    usual = np.median([np.roll(volumes, by) for by in (-1, 0, 1)], axis=0)
    sound = np.abs(volumes - usual) <= APART * usual.max()
    if len(volumes) < FEWEST or not sound.any():
        sound[:] = True
    largest = np.where(sound, volumes, -np.inf).argmax()
    smallest = np.where(sound, volumes, np.inf).argmin()
    return int(largest), int(smallest)
