"""How far a measure may be from the expert's, learned from errors on patients never trained on.

Split conformal prediction (Papadopoulos 2002; Lei 2018, section 2.2 and 5.2): the width that held
90 % of the errors before holds as large a share of those to come, whatever their distribution, as
long as patients are alike. Dropout samples alone are far too sure: they know what the networks
doubt, not where networks and experts differ. Where it is known how hard each image was, widths
grow with that, and easy ones get narrow intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from cmrseg.models.manifest import BandEntry

LEVEL = 0.9
HARDEST = 4.0
"""An image counts as at most so many times as hard as the usual one, and the easiest as a quarter:
further than that nobody has looked."""
FEWEST = 10
"""Errors of fewer patients than this say little about those to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBand:
    """The errors to expect of one measure, growing with it.

    Attributes:
        share: half the interval's width, as a share of the measure plus ``typical``.
        typical: mean of the measure over the patients it was fitted on, in its unit; without it
            the interval of a measure of zero would be empty.
        level: share of errors to come that it holds at least; below :data:`LEVEL` where patients
            were too few for that.
        patients: it was fitted on.
        difficulty: that of the usual image; 0 where widths do not go by it.
    """

    share: float
    typical: float
    level: float
    patients: int
    difficulty: float = 0.0

    def around(
        self,
        value: float,
        *,
        lowest: float = 0.0,
        highest: float = np.inf,
        difficulty: float | None = None,
    ) -> tuple[float, float]:
        """Ends of the interval around a measure, in its unit, cut off at what it can be.

        Args:
            value: the measure.
            lowest: what it cannot be below.
            highest: what it cannot be above.
            difficulty: how hard the image was, as in :meth:`fit`; as the hardest where unknown.
        """
        half = self.share * (value + self.typical)
        if self.difficulty:
            half *= HARDEST if difficulty is None else float(_hard(difficulty, self.difficulty))
        return max(value - half, lowest), min(value + half, highest)

    @classmethod
    def fit(
        cls,
        measured: Sequence[float],
        true: Sequence[float],
        difficulty: Sequence[float] | None = None,
    ) -> ErrorBand:
        """From measures out of fold and the experts' on the same patients.

        Args:
            measured: one a patient, not negative.
            true: one a patient.
            difficulty: positive, one a patient, of which widths are to be a multiple.

        Raises:
            ValueError: fewer than :data:`FEWEST` patients, or not as many of both.
        """
        found, expert = np.asarray(measured, float), np.asarray(true, float)
        if found.shape != expert.shape or len(found) < FEWEST:
            raise ValueError(f"a band of errors needs {FEWEST} patients, with both measures")
        typical = float(found.mean())
        relative = np.abs(expert - found) / np.maximum(found + typical, 1e-9)
        usual = 0.0
        if difficulty is not None:
            usual = float(np.median(difficulty))
            relative = relative / _hard(np.asarray(difficulty, float), usual)
        relative = np.sort(relative)
        # One more patient's error is as likely to lie in any gap between these.
        rank = min(ceil(LEVEL * (len(relative) + 1)), len(relative))
        return cls(
            share=float(relative[rank - 1]),
            typical=typical,
            level=min(LEVEL, rank / (len(relative) + 1)),
            patients=len(relative),
            difficulty=usual,
        )

    def as_dict(self) -> BandEntry:
        """JSON-ready, the inverse of :meth:`from_dict`."""
        told = BandEntry(
            share=round(self.share, 4),
            typical=round(self.typical, 3),
            level=round(self.level, 3),
            patients=self.patients,
        )
        if self.difficulty:
            told["difficulty"] = round(self.difficulty, 5)
        return told

    @classmethod
    def from_dict(cls, values: BandEntry) -> ErrorBand:
        """From a manifest's JSON."""
        return cls(**values)


def _hard(difficulty: Any, usual: float) -> Any:
    """How many times as hard as the usual image."""
    return np.clip(difficulty / max(usual, 1e-9), 1 / HARDEST, HARDEST)


def bands_in_words(bands: Mapping[str, ErrorBand]) -> str:
    """What the intervals are, for the record beside them."""
    least = min(bands.values(), key=lambda band: (band.level, band.patients))
    return (
        f"{100 * least.level:.0f} % of the expert's values lay as near to the measured ones in "
        f"{least.patients} patients whom no network had learned from"
    )
