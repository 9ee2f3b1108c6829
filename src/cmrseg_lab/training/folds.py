"""Cross-validation folds by patient, stratified by group (pathology)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np


def stratified_folds(groups: Mapping[str, str], folds: int = 5, seed: int = 0) -> dict[str, int]:
    """Patient -> fold, every group dealt out evenly.

    Args:
        groups: patient -> pathology group.
        folds: number of folds.
        seed: decides who sits where; the order of ``groups`` does not matter.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for patient in sorted(groups):
        members[groups[patient]].append(patient)
    rng = np.random.default_rng(seed)
    dealt: dict[str, int] = {}
    next_seat = 0
    for group in sorted(members):
        for index in rng.permutation(len(members[group])):
            dealt[members[group][index]] = next_seat % folds
            next_seat += 1
    return dealt


def held_out(groups: Mapping[str, str], fold: int, folds: int = 5, seed: int = 0) -> set[str]:
    """The patients of one fold."""
    return {p for p, dealt in stratified_folds(groups, folds, seed).items() if dealt == fold}
