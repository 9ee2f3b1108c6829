"""Which candidate becomes the answer (galati2021 section 2.3, steps 1-5).

It needs no refinement: with none it is the paper's {M}+QC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.imaging.volume import Array
from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.thresholds import Fences

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
