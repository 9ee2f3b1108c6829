"""Which three of more candidates are the most useful together (galati2021: m_best = 3).

Three snapshots of one run are nearly one model: quality control has nothing to choose from. A
pool of more candidates than three, of other runs, seeds or architectures, tells by the measures of
each what every trio of them would have answered. All are judged by one quality control.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cmrseg.evaluation.paired import in_words, paired
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
    """RV metrics of a heart: of what quality control takes of some candidates, of their best."""

    taken: Row
    best: Row


def trios(pools: Sequence[Results], view: str, shipped: Results) -> Grid:
    """RV scores of every trio, the best by Dice over clean and shifted hearts together first.

    What is shipped stands among them, trio or not, and the others' difference from it beside them.
    Where quality control would average two candidates, their scores are averaged instead of their
    probabilities. Pools with three candidates or fewer, or without quality control, are left out.

    Args:
        pools: bundles of many candidates.
        view: ``SA`` or ``LA``.
        shipped: the bundle whose candidates are marked.
    """
    header = ["pool", "candidates"]
    for hearts in ("clean", "shifted"):
        header += [f"{name}, {hearts}" for name, _ in METRICS.values()]
        header += [f"RV DC of the best of them, {hearts}"]
    header += ["RV DC, difference from the shipped"]
    lines: list[tuple[float, list[str]]] = []
    for results in pools:
        measured = [m for m in results.measured if m.heart.role.startswith(view) and m.pseudo]
        count = min((len(one.candidates) for one in measured), default=0)
        ours = _places(results, shipped, view)
        for some in _subsets(count, ours):
            cells = [results.name, " ".join(str(i + 1) for i in some)]
            cells[1] += " (shipped)" if some == ours else ""
            for clean in (True, False):
                cells += _scores([answer(m, some) for m in measured if _clean(m) == clean])
            cells.append(_difference(measured, some, ours))
            rank = np.mean([answer(one, some).taken["rv_dice"] for one in measured])
            lines.append((float(rank), cells))
    return Grid(header=header, lines=[cells for _, cells in sorted(lines, reverse=True)])


def answer(one: Measured, some: Sequence[int]) -> Answer:
    """What a heart would get, had the bundle these candidates (0-based) alone."""
    rows = [one.candidates[i] for i in some]
    low, high = one.fences or (0.0, np.inf)
    fences = Fences(th_low=low, th_up_mm=high, measures=0)
    choice = choose([Pseudo(*one.pseudo[i]) for i in some], fences)
    chosen = [rows[i] for i in choice.candidates]
    taken = {metric: float(np.mean([row[metric] for row in chosen])) for metric in METRICS}
    return Answer(taken, max(rows, key=lambda row: row["rv_dice"]))


def _subsets(count: int, ours: tuple[int, ...] | None) -> Iterable[tuple[int, ...]]:
    """All trios of more candidates than three, and what is shipped if that is no trio."""
    if count <= TRIO:
        return ()
    every = list(combinations(range(count), TRIO))
    return every if ours is None or ours in every else [*every, ours]


def _places(results: Results, shipped: Results, view: str) -> tuple[int, ...] | None:
    """Where a pool has what is shipped; None if it lacks any of it."""
    own, wanted = results.files.get(view, ()), shipped.files.get(view, ())
    found = tuple(sorted(own.index(file) for file in wanted if file in own))
    return found if wanted and len(found) == len(wanted) else None


def _clean(one: Measured) -> bool:
    return one.heart.cohort in CLEAN


def _scores(answers: Sequence[Answer]) -> list[str]:
    taken = [_mean([a.taken[key] for a in answers], digits) for key, (_, digits) in METRICS.items()]
    return [*taken, _mean([a.best["rv_dice"] for a in answers], 3)]


def _difference(
    measured: Sequence[Measured], some: tuple[int, ...], ours: tuple[int, ...] | None
) -> str:
    """RV Dice less that of what is shipped, paired by patient."""
    if ours is None or some == ours:
        return "-"
    gains: dict[str, list[float]] = {}
    for one in measured:
        gain = answer(one, some).taken["rv_dice"] - answer(one, ours).taken["rv_dice"]
        gains.setdefault(one.heart.patient, []).append(gain)
    return in_words(paired([float(np.mean(own)) for own in gains.values()]))


def _mean(values: Sequence[float], digits: int) -> str:
    return f"{np.mean(values):.{digits}f}" if len(values) else "-"
