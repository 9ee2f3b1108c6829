"""What was aimed at and what the paper claims, against what was measured here, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cmrseg.evaluation.paired import Paired, differences, in_words, paired
from cmrseg.evaluation.table import Grid
from cmrseg.reproduce.mnms2.tables import ALL_SHIFTED, METRICS, Results

AIMS = {"rv": 0.91, "lv": 0.95, "myo": 0.89}
"""Short-axis Dice of held-out real patients that we aim at."""
AS_THEY_ARE = "clean"
"""The cohort of real patients that nothing was done to."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One of galati2021's claims about the right ventricle (section 3.2, Fig. 3).

    Attributes:
        words: the claim.
        view: ``SA`` or ``LA``.
        cohort: hearts it is about.
        later, earlier: ways of answering.
        metric: key of :data:`METRICS`.
    """

    words: str
    view: str
    cohort: str
    later: str
    earlier: str
    metric: str

    def verdict(self, found: Paired) -> str:
        """Shown or contradicted where the interval lies on one side of zero, else undecided."""
        sign = 1 if self.metric.endswith("dice") else -1
        low, high = sorted((sign * found.low, sign * found.high))
        if low == high == 0:
            return "no difference"
        return "shown" if low > 0 else "contradicted" if high < 0 else "undecided"


def claims() -> Iterator[Claim]:
    """Both steps of the method, by view."""
    for view in ("SA", "LA"):
        yield Claim(
            "choosing by quality control lowers HD on shifted hearts",
            view, ALL_SHIFTED, "{M}+QC", "M", "rv_hd_mm",
        )  # fmt: skip
        yield Claim(
            "refinement lowers HD further on shifted hearts",
            view, ALL_SHIFTED, "full", "{M}+QC", "rv_hd_mm",
        )  # fmt: skip
        yield Claim(
            "refinement gains Dice on hearts as they are",
            view, AS_THEY_ARE, "full", "{M}+QC", "rv_dice",
        )  # fmt: skip


def aims(results: Results) -> Grid:
    """Mean Dice of real short axes as they are, by structure, beside what was aimed at."""
    own = results.of(AS_THEY_ARE, "SA")
    lines = []
    for name, aim in AIMS.items():
        if own:
            mean = float(np.mean([one.full[f"{name}_dice"] for one in own]))
            told = "met" if mean >= aim else "missed"
            lines.append([name.upper(), f"{mean:.3f}", f"{aim:.2f}", told])
    return Grid(header=["structure", "SA DC, full", "aim", "so"], lines=lines)


def verdicts(results: Results) -> Grid:
    """Each claim with the paired difference it is judged by."""
    lines = []
    for claim in claims():
        own = results.of(claim.cohort, claim.view)
        rows = [results.by_patient(own, way) for way in (claim.later, claim.earlier)]
        gains = list(differences(rows[0], rows[1], claim.metric).values())
        if len(gains) > 2:
            found, digits = paired(gains), METRICS[claim.metric][1]
            told = [claim.words, claim.view, in_words(found, digits=digits), claim.verdict(found)]
            lines.append(told)
    return Grid(header=["claim", "view", "difference", "here"], lines=lines)
