"""Apical, mid and basal slices of a short-axis stack, and scores in each (arega2021 Fig. 2).

The paper does not say where a position ends. Here the slices in which the expert drew the heart are
dealt into three parts as even as can be (a part more goes to the apex first), and the apex is at
the end where the heart is smaller. A structure's Dice at a position is that of the part as one
volume; in neither mask counts as 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cmrseg.imaging.overlap import dice
from cmrseg.imaging.volume import Array

POSITIONS = ("apical", "mid", "basal")

Structures = Mapping[str, tuple[int, ...]]


def positions(truth: Array) -> dict[str, Array]:
    """Position -> indices of its slices; a stack of one or two slices has not all three.

    Args:
        truth: (z, y, x) expert labels, any of which is heart.
    """
    area = (truth > 0).sum(axis=(1, 2))
    found = np.flatnonzero(area)
    half = len(found) // 2
    if area[found[:half]].sum() > area[found[len(found) - half :]].sum():
        found = found[::-1]
    parts = zip(POSITIONS, np.array_split(found, len(POSITIONS)), strict=True)
    return {name: np.sort(slices) for name, slices in parts if len(slices)}


def dice_by_position(found: Array, truth: Array, structures: Structures) -> dict[str, float]:
    """``<structure>_dice_<position>`` of a mask against the expert's, both (z, y, x)."""
    return {
        f"{name}_dice_{position}": _dice(found[slices], truth[slices], labels)
        for position, slices in positions(truth).items()
        for name, labels in structures.items()
    }


def certainty_by_position(
    central: Array, samples: Array, truth: Array, structures: Structures
) -> dict[str, float]:
    """``<structure>_certainty_<position>``: Dice within samples (Eq. 6), position by position.

    Args:
        central: (z, y, x) mask of the samples' mean.
        samples: (N, z, y, x) mask of each sample, at least one.
        truth: (z, y, x) expert labels, by which slices get their position.
        structures: name -> the labels it unites.
    """
    return {
        f"{name}_certainty_{position}": float(
            np.mean([_dice(central[slices], one[slices], labels) for one in samples])
        )
        for position, slices in positions(truth).items()
        for name, labels in structures.items()
    }


def _dice(found: Array, truth: Array, labels: tuple[int, ...]) -> float:
    return dice(np.isin(found, labels), np.isin(truth, labels))
