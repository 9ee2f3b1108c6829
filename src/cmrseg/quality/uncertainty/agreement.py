"""How far the dropout samples of a network agree with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np

from cmrseg.imaging.overlap import dice
from cmrseg.imaging.volume import Array


def agreement(
    masks: Array, drawn: Sequence[int], structures: Mapping[str, tuple[int, ...]]
) -> dict[str, float]:
    """Mean Dice of pairs of samples of the same network, averaged over networks, by structure.

    Dice within samples (arega2021 Eq. 6) sets each sample against the mean of all, so it rises
    with fewer samples and falls with more networks. Pairs within a network do neither: one network
    measured out of fold with few samples tells what to expect of an ensemble with many.

    Args:
        masks: (N, z, y, x) labels of each sample, network by network.
        drawn: how many of them each network gave.
        structures: name -> labels it is made of.

    Structures are such that every heart has: samples that agree on finding none agree on nothing.

    Returns:
        Name -> Dice in 0..1, a pair without it counting 0; empty if no network gave two samples.
    """
    ends = np.cumsum((0, *drawn))
    own = [masks[a:b] for a, b in pairwise(ends) if b - a > 1]
    if not own:
        return {}
    return {
        name: float(np.mean([_pairs(np.isin(part, labels)) for part in own]))
        for name, labels in structures.items()
    }


def _pairs(masks: Array) -> float:
    return float(np.mean([dice(a, b) if a.any() else 0.0 for a, b in combinations(masks, 2)]))
