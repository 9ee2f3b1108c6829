"""Which case is out of distribution, and which candidate is the answer (galati2021 section 2.3).

Choosing (steps 1-5) needs no refinement: with none it is the paper's {M}+QC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.imaging.volume import Array
from cmrseg.quality.pseudo_metrics import DECISIVE, Pseudo
from cmrseg.quality.thresholds import Fences


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
