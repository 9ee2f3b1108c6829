"""Thresholds of pDC and pHD from their own distributions (galati2021 section 2.3, Eq. 3-4).

The authors took them from the very cohort under judgement. A container that is given one patient
has no cohort, so thresholds are fitted once, on predictions of patients that neither segmenter nor
autoencoder ever saw, and frozen; where a cohort is at hand they can be taken from it as in the
paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.models.manifest import FencesEntry
from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.runtime.errors import InputError, WeightsError

FEWEST = 8
"""Quartiles of fewer measures than this are chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fences:
    """What is still in range, for one view and phase.

    Attributes:
        th_low: lowest pDC in range (Eq. 3).
        th_up_mm: highest pHD in range (Eq. 4).
        measures: how many pseudo-measures they were taken from.
    """

    th_low: float
    th_up_mm: float
    measures: int

    def hold(self, pseudo: Pseudo) -> bool:
        """Whether a candidate is in range: neither pDC < th_low nor pHD > th_up."""
        return pseudo.pdc >= self.th_low and pseudo.phd_mm <= self.th_up_mm


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Fences by role (``SA_ED``, ``LA_ES``, ...)."""

    by_role: dict[str, Fences]

    def of(self, role: str) -> Fences:
        """The fences of a view and phase.

        Raises:
            WeightsError: there are none.
        """
        if role not in self.by_role:
            raise WeightsError(
                f"there are no quality thresholds for {role}", "pack a bundle that has them"
            )
        return self.by_role[role]

    def as_dict(self) -> dict[str, FencesEntry]:
        """JSON-ready, the inverse of :meth:`from_dict`."""
        return {
            role: FencesEntry(th_low=own.th_low, th_up_mm=own.th_up_mm, measures=own.measures)
            for role, own in sorted(self.by_role.items())
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, FencesEntry]) -> Thresholds:
        """From a manifest's JSON."""
        return cls({role: Fences(**fences) for role, fences in values.items()})


def fences(measures: Sequence[Pseudo]) -> Fences:
    """Tukey's fences: th_low = Q1 - 1.5 (Q3 - Q1) of pDC, th_up = Q3 + 1.5 (Q3 - Q1) of pHD.

    Values that are not finite are left out: one infinity beside a quartile would make the fence
    infinite or no number, and nothing would ever be flagged.

    Raises:
        InputError: fewer than :data:`FEWEST` finite measures.
    """
    finite = [p for p in measures if np.isfinite((p.pdc, p.phd_mm)).all()]
    if len(finite) < FEWEST:
        raise InputError(
            f"{len(finite)} pseudo-measures are too few for quartiles", f"give {FEWEST} or more"
        )
    dc_first, dc_third = np.quantile([p.pdc for p in finite], (0.25, 0.75))
    hd_first, hd_third = np.quantile([p.phd_mm for p in finite], (0.25, 0.75))
    return Fences(
        th_low=float(dc_first - 1.5 * (dc_third - dc_first)),
        th_up_mm=float(hd_third + 1.5 * (hd_third - hd_first)),
        measures=len(finite),
    )


def fit_thresholds(measures: Mapping[str, Sequence[Pseudo]]) -> Thresholds:
    """Thresholds to freeze, from out-of-fold predictions.

    Args:
        measures: role -> pDC and pHD of the decisive structure, of all candidates of all cases.

    Raises:
        InputError: too few measures of a role; the message names it.
    """
    found = {}
    for role, own in measures.items():
        try:
            found[role] = fences(own)
        except InputError as error:
            raise error.within(role) from error
    return Thresholds(found)


def of_cohort(
    measures: Mapping[str, Sequence[Sequence[Pseudo]]], frozen: Thresholds
) -> tuple[Thresholds, tuple[str, ...]]:
    """Thresholds taken from the cases at hand, as in the paper, and warnings.

    A role with too few images for quartiles keeps its frozen fences, and a warning says so.

    Args:
        measures: role -> pDC and pHD of the decisive structure, one list an image under
            judgement, in it one a candidate: these are no more independent than one.
        frozen: the bundle's.
    """
    found, warnings = dict(frozen.by_role), []
    for role, images in sorted(measures.items()):
        if len(images) < FEWEST:
            warnings.append(
                f"{role}: {len(images)} images are too few for quartiles, fewer than {FEWEST}: "
                "the frozen thresholds are kept"
            )
            continue
        try:
            found[role] = fences([pseudo for candidates in images for pseudo in candidates])
        except InputError as error:
            warnings.append(f"{role}: {error.problem}: the frozen thresholds are kept")
    return Thresholds(found), tuple(warnings)
