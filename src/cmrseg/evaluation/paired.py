"""Two ways of doing the same cases, compared case by case.

Scores of one case are anything but independent between two methods: what counts is each case's own
difference. Told are its mean, a bootstrap interval of that mean (percentiles; Efron and Tibshirani
1993, chapter 13), and Wilcoxon's signed-rank test of "no difference" (scipy: exact for few cases).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS = 10_000
"""Bootstrap samples."""
LEVEL = 0.95
"""Share of bootstrap means inside an interval."""
FEWEST = 3
"""A bootstrap of fewer differences draws the same few again and says nothing of other patients."""

Rows = Mapping[str, Mapping[str, float]]
"""Case -> metric -> value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """What the differences of a cohort say; values in the metric's own unit.

    Attributes:
        n: cases that both have.
        mean: mean difference.
        low: lower end of the bootstrap interval of the mean.
        high: its upper end.
        p: two-sided p-value of Wilcoxon's signed-rank test; 1 where all differences are zero.
        larger: cases where the first is larger.
        smaller: cases where it is smaller; what is left of ``n`` are ties.
    """

    n: int
    mean: float
    low: float
    high: float
    p: float
    larger: int
    smaller: int


def differences(first: Rows, other: Rows, metric: str) -> dict[str, float]:
    """First less other of one metric, by case: those that both have it of, in the first's order."""
    return {
        case: row[metric] - other[case][metric]
        for case, row in first.items()
        if metric in row and metric in other.get(case, {})
    }


def paired(gains: Sequence[float] | npt.NDArray[np.float64], *, seed: int = 0) -> Paired:
    """What differences of pairs say.

    Args:
        gains: one difference a case (see :func:`differences`), finite.
        seed: of the bootstrap; the same differences give the same interval.

    Raises:
        ValueError: no difference, or one that is not finite.
    """
    found = np.asarray(gains, dtype=float)
    low, high = bootstrap_interval(found, seed=seed)
    return Paired(
        n=len(found),
        mean=float(found.mean()),
        low=low,
        high=high,
        p=wilcoxon_p(found),
        larger=int((found > 0).sum()),
        smaller=int((found < 0).sum()),
    )


def bootstrap_interval(
    values: Sequence[float] | npt.NDArray[np.float64],
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap percentile interval of a mean, of differences or of one method's own scores.

    Raises:
        ValueError: no value, or one that is not finite.
    """
    found = np.asarray(values, dtype=float)
    if not found.size or not np.isfinite(found).all():
        raise ValueError("an interval needs finite values, one at least")
    means = np.random.default_rng(seed).choice(found, (draws, len(found))).mean(axis=1)
    tail = 50 * (1 - level)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def wilcoxon_p(gains: Sequence[float] | npt.NDArray[np.float64]) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test; ties are left out, all ties are 1."""
    from scipy.stats import wilcoxon

    found = np.asarray(gains, dtype=float)
    return float(wilcoxon(found).pvalue) if found.any() else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests at once, made larger so that they may be read together.

    Holm's step-down rule (Scandinavian Journal of Statistics 6, 1979): the k-th smallest of m is
    multiplied by m - k + 1, never smaller than the one before, never above 1. In the given order.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def difference_in_words(
    found: Paired, *, digits: int = 3, scale: float = 1.0, unit: str = ""
) -> str:
    """``+0.012 (-0.003 to +0.020) mm, p 0.03``: mean, interval, unit, Wilcoxon's p.

    Args:
        found: what the differences say; fewer than :data:`FEWEST` are told without an interval.
        digits: after the point.
        scale: by what the stored unit is multiplied (100 for a Dice in per cent).
        unit: of the numbers, if it is not plain.
    """
    mean, low, high = (f"{scale * v:+.{digits}f}" for v in (found.mean, found.low, found.high))
    within = f" ({low} to {high})" if found.n >= FEWEST else ""
    return f"{mean}{within}{unit and ' '}{unit}, p {found.p:.2g}"
