"""Is a case out of distribution, and why (galati2021 section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
