"""A figure measured several times."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Repeated measurements of one thing, in the order they were taken.

    Attributes:
        values: at least one.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a spread needs a measurement")

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """From any sequence of numbers."""
        return cls(tuple(float(value) for value in values))

    @property
    def low(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def median(self) -> float:
        """The middle one: a disturbed round or two do not move it."""
        return statistics.median(self.values)

    @property
    def high(self) -> float:
        """The largest."""
        return max(self.values)

    def per(self, other: Spread) -> Spread:
        """Ratios round by round: what slows both sides of a round cancels.

        Raises:
            ValueError: the two were not measured in the same rounds.
        """
        pairs = zip(self.values, other.values, strict=True)
        return Spread(tuple(mine / theirs for mine, theirs in pairs))

    def times(self, factor: float) -> Spread:
        """Every measurement multiplied, as for another unit."""
        return Spread(tuple(value * factor for value in self.values))
