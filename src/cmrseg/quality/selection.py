"""Which case is out of distribution, and which candidate is the answer (galati2021 section 2.3).

Thresholds of pDC and pHD come from their own distributions (Eq. 3-4). The authors took them from
the very cohort under judgement. A container that is given one patient has no cohort, so thresholds
are fitted once, on predictions of patients that neither segmenter nor autoencoder ever saw, and
frozen; where a cohort is at hand they can be taken from it as in the paper.

Choosing (steps 1-5) needs no refinement: with none it is the paper's {M}+QC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.imaging.volume import Array
from cmrseg.models.manifest import FencesEntry
from cmrseg.quality.pseudo_metrics import DECISIVE, Pseudo
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a case is out of distribution (OoD), and the reason in words."""

    ood: bool
    reason: str


def judge_measures(candidates: Sequence[Pseudo], fences: Fences) -> Verdict:
    """Out of distribution if pDC < th_low or pHD > th_up for every candidate.

    Args:
        candidates: the decisive structure's measures, one a candidate, at least one.
        fences: of the case's view and phase.
    """
    failings = [_failing(candidate, fences) for candidate in candidates]
    failed = sum(bool(failing) for failing in failings)
    if failed == len(candidates):
        told = "; ".join(f"candidate {i}: {why}" for i, why in enumerate(failings, start=1))
        return Verdict(True, f"{DECISIVE} out of range in all candidates ({told})")
    passed = len(candidates) - failed
    return Verdict(False, f"{DECISIVE} in range in {passed} of {len(candidates)} candidates")


def _failing(candidate: Pseudo, fences: Fences) -> str:
    """Why a candidate is out of range; empty if it is in range."""
    why = []
    if not candidate.pdc >= fences.th_low:
        why.append(f"pDC {candidate.pdc:.3f} < {fences.th_low:.3f}")
    if not candidate.phd_mm <= fences.th_up_mm:
        why.append(f"pHD {candidate.phd_mm:.1f} > {fences.th_up_mm:.1f} mm")
    return " and ".join(why)


TIE = 0.005
"""Candidates whose pDC lies within this of the best are averaged: which of them is first is
rounding, and the mean was no worse than the chosen one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidates (0-based) whose class probabilities are averaged, mostly one; and why."""

    candidates: tuple[int, ...]
    reason: str


def choose(candidates: Sequence[Pseudo], fences: Fences, tie: float = TIE) -> Choice:
    """Steps 1-5: the best pDC whose pHD is in range, else the best by pDC and by pHD together.

    pHD equal to th_up counts as in range, as it does for the verdict. Of equals the first is taken.

    Args:
        candidates: the decisive structure's measures, one a candidate, at least one.
        fences: of the case's view and phase.
        tie: candidates in range whose pDC lies within this of the best of them are averaged; 0 for
            the paper's rule, which takes one.
    """
    ranked = sorted(range(len(candidates)), key=lambda i: -candidates[i].pdc)
    for rank, i in enumerate(ranked, start=1):
        if candidates[i].phd_mm <= fences.th_up_mm:
            equal = [
                j
                for j, other in enumerate(candidates)
                if other.phd_mm <= fences.th_up_mm and other.pdc >= candidates[i].pdc - tie
            ]
            if tie and len(equal) > 1:
                return Choice(tuple(equal), f"mean of those within {tie:g} of the best pDC")
            return Choice((i,), f"number {rank} by pDC, the first with pHD in range")
    nearest = min(range(len(candidates)), key=lambda i: candidates[i].phd_mm)
    if nearest == ranked[0]:
        return Choice((nearest,), "best by pDC and by pHD, though no pHD is in range")
    return Choice(
        (ranked[0], nearest), "mean of the best by pDC and the best by pHD: no pHD is in range"
    )


def combine(probabilities: Sequence[Array], choice: Choice) -> Array:
    """The chosen candidate's class probabilities, or the mean of the two.

    Args:
        probabilities: (C, z, y, x) softmax maps, one a candidate.
        choice: what :func:`choose` said.
    """
    combined: Array = np.mean([probabilities[i] for i in choice.candidates], axis=0)
    return combined
