"""From a measure of every dropout sample to its mean and a 95 % interval.

The interval says how far the networks doubt the measure, not how far experts would disagree on it.

With many samples it runs from their 2.5th to their 97.5th percentile. Below :data:`ENOUGH` samples
a tail of 2.5 % holds less than one of them, so that percentiles would be the two extremes at best:
there it is mean +- 1.96 standard deviations, cut off at what the measure can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

LEVEL = 0.95
NORMAL = 1.96
"""Standard deviations that hold 95 % of a normal distribution on either side of its mean."""
ENOUGH = 40
"""From here on a tail of 2.5 % holds a sample."""
WHOSE = "the networks' own doubt, not the error to expect"

Method = Literal["normal", "percentile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measure over samples, in the measure's own unit.

    Attributes:
        mean: of the samples.
        low: lower end of the 95 % interval.
        high: its upper end.
    """

    mean: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies inside, ends included."""
        return self.low <= value <= self.high

    def rounded(self, decimals: int) -> dict[str, float]:
        """JSON-ready."""
        return {name: round(value, decimals) for name, value in asdict(self).items()}


def method(samples: int) -> Method:
    """How the interval of so many samples is made."""
    return "percentile" if samples >= ENOUGH else "normal"


def interval(values: Sequence[float], *, lowest: float = 0.0, highest: float = np.inf) -> Interval:
    """Mean and 95 % interval of a measure of each sample.

    Args:
        values: one a sample, two or more.
        lowest: what the measure cannot be below.
        highest: what it cannot be above.

    Raises:
        ValueError: fewer than two samples have no spread.
    """
    found = np.asarray(values, float)
    if len(found) < 2:
        raise ValueError("an interval needs two samples")
    mean = float(found.mean())
    if method(len(found)) == "percentile":
        low, high = np.percentile(found, (50 * (1 - LEVEL), 50 * (1 + LEVEL)))
    else:
        half = NORMAL * float(found.std(ddof=1))
        low, high = mean - half, mean + half
    low, high = np.clip((low, high), lowest, highest)
    return Interval(mean=mean, low=float(low), high=float(high))


def in_words(samples: int) -> str:
    """What the interval of so many samples is, for the record beside it."""
    if method(samples) == "percentile":
        return f"{WHOSE}: 2.5th to 97.5th percentile of {samples} dropout samples of all networks"
    return (
        f"{WHOSE}: mean +- {NORMAL} standard deviations of {samples} dropout samples of all "
        f"networks, cut off at 0 (a 2.5 % tail of fewer than {ENOUGH} samples holds none, so no "
        "percentiles)"
    )
