"""Where three candidates should come from: snapshots of one run, seeds, or folds.

galati2021 keeps the m_best = 3 snapshots of one run. What a choice among candidates can bring is
bounded by how much they differ: told are their agreement, M, {M}+QC and the best of the three.
Trios of several folds were shown every patient by one candidate or another; only drawn hearts are
new to all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from cmrseg.challenges.mnms2_sizes import STRUCTURES
from cmrseg.evaluation.paired import in_words, paired
from cmrseg.evaluation.table import Grid
from cmrseg.imaging.overlap import dice
from cmrseg.quality.measures import DECISIVE
from cmrseg.reproduce.mnms2.hearts import CLEAN
from cmrseg.reproduce.mnms2.measure import Measured, masks_of
from cmrseg.reproduce.mnms2.tables import Results
from cmrseg.reproduce.mnms2.trios import answer

HEARTS: dict[str, Callable[[Measured], bool]] = {
    "real": lambda one: one.heart.real and one.heart.cohort in CLEAN,
    "real, shifted": lambda one: one.heart.real and one.heart.cohort not in CLEAN,
    "drawn": lambda one: not one.heart.real,
}
"""Which hearts are told of together."""


def kinds(all_results: Sequence[Results], view: str) -> Grid:
    """RV Dice by bundle of three candidates and by hearts; those of more or fewer are left out."""
    header = ["bundle", "hearts", "images", "agreement of candidates", "RV DC, M"]
    header += ["RV DC, {M}+QC", "RV DC of the best of them", "{M}+QC less M, RV DC"]
    lines = []
    for results in all_results:
        for name, among in HEARTS.items():
            own = [m for m in results.measured if m.heart.role.startswith(view) and among(m)]
            if own and all(m.pseudo and len(m.candidates) == 3 for m in own):
                lines.append([results.name, name, str(len(own)), *_cells(results, own)])
    return Grid(header=header, lines=lines)


def agreement(one: Measured) -> float:
    """Mean RV Dice between two of a heart's candidates."""
    masks = np.isin(masks_of(one.masks)["candidates"], STRUCTURES[DECISIVE])
    return float(np.mean([dice(a, b) for a, b in combinations(masks, 2)]))


def _cells(results: Results, own: Sequence[Measured]) -> list[str]:
    chosen = [answer(one, (0, 1, 2)) for one in own]
    gains: dict[str, list[float]] = {}
    for one, of_it in zip(own, chosen, strict=True):
        gain = of_it.taken["rv_dice"] - one.candidates[results.m(one)]["rv_dice"]
        gains.setdefault(one.heart.patient, []).append(gain)
    values = (
        [agreement(one) for one in own],
        [one.candidates[results.m(one)]["rv_dice"] for one in own],
        [of_it.taken["rv_dice"] for of_it in chosen],
        [of_it.best["rv_dice"] for of_it in chosen],
    )
    by_patient = [float(np.mean(of_one)) for of_one in gains.values()]
    return [*(f"{np.mean(value):.3f}" for value in values), in_words(paired(by_patient))]
