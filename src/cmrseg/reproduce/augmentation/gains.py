"""What a training brought on each shift, against the first training, patient by patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cmrseg.evaluation.paired import Paired, differences, holm, paired
from cmrseg.reproduce.augmentation.measure import Rows

Scores = Mapping[str, Mapping[str, Rows]]
"""Shift -> training -> patient -> metrics; the first training is the one to compare with."""

Gains = dict[tuple[str, str], Paired]
"""(shift, training) -> what its differences to the first training say."""

SHOWN_BELOW = 0.05
"""A p-value that shows a difference."""


def gains(scores: Scores, metric: str) -> Gains:
    """Differences to the first training in one metric, on every shift.

    Their p-values are those of all the comparisons of this metric together (Holm).
    """
    found: Gains = {}
    for shift, table in scores.items():
        first, *others = table
        for name in others:
            apart = differences(table[name], table[first], metric)
            if apart:
                found[shift, name] = paired(list(apart.values()))
    together = holm([one.p for one in found.values()])
    return {key: replace(one, p=p) for (key, one), p in zip(found.items(), together, strict=True)}


def shown(one: Paired) -> bool:
    """Whether a difference is shown to be more than chance among patients."""
    return one.p < SHOWN_BELOW


def mean(rows: Rows, metric: str) -> float:
    """Of a metric over the patients that have it."""
    values = [row[metric] for row in rows.values() if metric in row]
    return sum(values) / len(values) if values else float("nan")
