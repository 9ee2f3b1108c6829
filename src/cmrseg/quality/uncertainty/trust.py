"""What a bundle's own errors on held-out patients say of a new one: intervals and a verdict.

Both are fitted once, on patients that the networks never learned from, and frozen in the manifest:
how far volumes lay from the expert's, and how well samples agreed. A case whose samples agree less
than Tukey's lower fence of those is out of distribution (the verdict of galati2021 section 2.3,
Eq. 3, on agreement in place of a reconstruction).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from cmrseg.models.manifest import Manifest, TrustEntry
from cmrseg.quality.uncertainty.conformal import ErrorBand
from cmrseg.runtime.errors import WeightsError

FEWEST = 8
"""Quartiles of fewer patients are chance."""


class SampleVerdict(TypedDict):
    """What is recorded of a case: whether its samples agree as those of held-out patients did."""

    out_of_distribution: bool
    reason: str
    samples_agree: dict[str, float]
    fences: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What was seen on held-out patients.

    Attributes:
        bands: measure -> how far it may be from the expert's.
        fences: structure -> the least agreement in range.
        population: structure -> agreement of the held-out patients, sorted.
        fitted_on: which patients, in words.
    """

    bands: Mapping[str, ErrorBand] = field(default_factory=dict)
    fences: Mapping[str, float] = field(default_factory=dict)
    population: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    fitted_on: str

    def judge(self, agreement: Mapping[str, float]) -> SampleVerdict | None:
        """The verdict on a case; None where nothing can be compared.

        Args:
            agreement: structure -> how far samples of a network agree
                (:func:`cmrseg.quality.uncertainty.measures.agreement`).
        """
        known = {name: agreement[name] for name in self.fences if name in agreement}
        if not known:
            return None
        low = [
            f"samples of one network agree on {name.replace('_', '-')} to {value:.3f} "
            f"< {self.fences[name]:.3f}"
            for name, value in known.items()
            if value < self.fences[name]
        ]
        return {
            "out_of_distribution": bool(low),
            "reason": "; ".join(low) or "samples of one network agree as on held-out patients",
            "samples_agree": {name: round(value, 4) for name, value in known.items()},
            "fences": {name: round(self.fences[name], 4) for name in known},
        }

    def as_dict(self) -> TrustEntry:
        """JSON-ready, the inverse of :meth:`from_manifest`."""
        return {
            "fitted_on": self.fitted_on,
            "bands": {name: band.as_dict() for name, band in self.bands.items()},
            "fences": {name: round(value, 4) for name, value in self.fences.items()},
            "population": {
                name: [round(v, 4) for v in values] for name, values in self.population.items()
            },
        }

    @classmethod
    def from_manifest(cls, manifest: Manifest) -> Trust | None:
        """A bundle's; None where nothing was fitted.

        Raises:
            WeightsError: what the manifest says cannot be read.
        """
        if not (told := manifest.get("trust")):
            return None
        try:
            return cls(
                bands={name: ErrorBand.from_dict(v) for name, v in told["bands"].items()},
                fences={name: float(v) for name, v in told["fences"].items()},
                population={name: tuple(v) for name, v in told["population"].items()},
                fitted_on=str(told["fitted_on"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise WeightsError(
                "the manifest's intervals and fences cannot be read", "calibrate the bundle anew"
            ) from error


def lower_fence(values: Sequence[float]) -> float | None:
    """Tukey's: Q1 - 1.5 (Q3 - Q1).

    Returns:
        None for fewer than :data:`FEWEST` values, and for a fence at zero or below, which flags
        nothing.
    """
    if len(values) < FEWEST:
        return None
    first, third = np.quantile(values, (0.25, 0.75))
    fence = float(first - 1.5 * (third - first))
    return fence if fence > 0 else None
