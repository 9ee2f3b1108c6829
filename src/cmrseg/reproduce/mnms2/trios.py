"""Which three of more candidates are the most useful together (galati2021: m_best = 3).

Three snapshots of one run are nearly one model: quality control has nothing to choose from. A
bundle with more candidates than three, of other runs, seeds or architectures, tells by the measures
of each what every trio of them would have answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cmrseg.evaluation.table import Grid
from cmrseg.quality.measures import Pseudo
from cmrseg.quality.selection import choose
from cmrseg.quality.thresholds import Fences
from cmrseg.reproduce.mnms2.hearts import CLEAN
from cmrseg.reproduce.mnms2.measure import Measured, Row
from cmrseg.reproduce.mnms2.tables import METRICS, Results

TRIO = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """RV metrics of a heart: of what quality control takes of a trio, and of the trio's best."""

    taken: Row
    best: Row


def trios(all_results: Sequence[Results], view: str) -> Grid:
    """RV scores of every trio, the best by Dice over clean and shifted hearts together first.

    Where quality control would average two candidates, their scores are averaged instead of their
    probabilities. Bundles without quality control or with three candidates or fewer are left out.
    """
    header = ["bundle", "candidates"]
    for hearts in ("clean", "shifted"):
        header += [f"{name}, {hearts}" for name, _ in METRICS.values()]
        header += [f"RV DC of the best of them, {hearts}"]
    lines: list[tuple[float, list[str]]] = []
    for results in all_results:
        measured = [one for one in results.measured
                    if one.heart.role.startswith(view) and one.pseudo]  # fmt: skip
        count = min((len(one.candidates) for one in measured), default=0)
        for trio in combinations(range(count), TRIO) if count > TRIO else ():
            parts = [
                [answer(one, trio) for one in measured if (one.heart.cohort in CLEAN) == clean]
                for clean in (True, False)
            ]
            cells = [results.name, " ".join(str(i + 1) for i in trio)]
            for part in parts:
                for metric, (_, digits) in METRICS.items():
                    cells.append(_mean([a.taken[metric] for a in part], digits))
                cells.append(_mean([a.best["rv_dice"] for a in part], 3))
            rank = np.mean([a.taken["rv_dice"] for part in parts for a in part])
            lines.append((float(rank), cells))
    return Grid(header=header, lines=[cells for _, cells in sorted(lines, reverse=True)])


def answer(one: Measured, trio: Sequence[int]) -> Answer:
    """What a heart would get, had the bundle these candidates (0-based) alone."""
    rows = [one.candidates[i] for i in trio]
    low, high = one.fences or (0.0, np.inf)
    fences = Fences(th_low=low, th_up_mm=high, measures=0)
    choice = choose([Pseudo(*one.pseudo[i]) for i in trio], fences)
    chosen = [rows[i] for i in choice.candidates]
    taken = {metric: float(np.mean([row[metric] for row in chosen])) for metric in METRICS}
    return Answer(taken, max(rows, key=lambda row: row["rv_dice"]))


def _mean(values: Sequence[float], digits: int) -> str:
    return f"{np.mean(values):.{digits}f}" if len(values) else "-"
