"""How far a measure may be from the expert's, learned from errors on patients never trained on.

Split conformal prediction (Papadopoulos 2002; Lei 2018, section 2.2 and 5.2): the width that held
95 % of the errors before holds as large a share of those to come, whatever their distribution, as
long as patients are alike. Dropout samples alone are far too sure: they know what the networks
doubt, not where networks and experts differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

LEVEL = 0.95
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
    """

    share: float
    typical: float
    level: float
    patients: int

    def around(
        self, value: float, *, lowest: float = 0.0, highest: float = np.inf
    ) -> tuple[float, float]:
        """Ends of the interval around a measure, in its unit, cut off at what it can be."""
        half = self.share * (value + self.typical)
        return max(value - half, lowest), min(value + half, highest)

    @classmethod
    def fit(cls, measured: Sequence[float], true: Sequence[float]) -> ErrorBand:
        """From measures out of fold and the experts' on the same patients.

        Args:
            measured: one a patient, not negative.
            true: one a patient.

        Raises:
            ValueError: fewer than :data:`FEWEST` patients, or not as many of both.
        """
        found, expert = np.asarray(measured, float), np.asarray(true, float)
        if found.shape != expert.shape or len(found) < FEWEST:
            raise ValueError(f"a band of errors needs {FEWEST} patients, with both measures")
        typical = float(found.mean())
        relative = np.sort(np.abs(expert - found) / np.maximum(found + typical, 1e-9))
        # One more patient's error is as likely to lie in any gap between these.
        rank = min(ceil(LEVEL * (len(relative) + 1)), len(relative))
        return cls(
            share=float(relative[rank - 1]),
            typical=typical,
            level=min(LEVEL, rank / (len(relative) + 1)),
            patients=len(relative),
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, the inverse of :meth:`from_dict`."""
        return {
            "share": round(self.share, 4),
            "typical": round(self.typical, 3),
            "level": round(self.level, 3),
            "patients": self.patients,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ErrorBand:
        """From a manifest's JSON."""
        return cls(**values)


def in_words(bands: Mapping[str, ErrorBand]) -> str:
    """What the intervals are, for the record beside them."""
    least = min(bands.values(), key=lambda band: (band.level, band.patients))
    return (
        f"{100 * least.level:.0f} % of the expert's values lay as near to the measured ones in "
        f"{least.patients} patients whom no network had learned from"
    )
