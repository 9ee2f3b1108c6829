"""What was aimed at and what the paper claims, against what was measured here, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.evaluation.paired import Paired, differences, in_words, paired
from cmrseg.evaluation.table import Grid
from cmrseg.reproduce.mnms2.tables import ALL_SHIFTED, METRICS, Results

AIMS = {"rv": 0.91, "lv": 0.95, "myo": 0.89}
"""Short-axis Dice of held-out real patients that we aim at."""
LEEWAY = {"rv_dice": 0.01, "rv_hd_mm": 1.0}
"""Losses of less than this are none."""
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
        no_loss: whether it claims that nothing is lost, or that something is gained.
    """

    words: str
    view: str
    cohort: str
    later: str
    earlier: str
    metric: str
    no_loss: bool = False

    def verdict(self, found: Paired) -> str:
        """Shown or contradicted where the interval says so, else undecided.

        A gain is shown where all of the interval is on the better side, that nothing is lost where
        all of it is better than a loss of :data:`LEEWAY`; contradicted is either where all of it is
        on the worse side.
        """
        sign = 1 if self.metric.endswith("dice") else -1
        low, high = sorted((sign * found.low, sign * found.high))
        if low == high == 0:
            return "nothing changed"
        shown = low > -LEEWAY[self.metric] if self.no_loss else low > 0
        return "contradicted" if high < 0 else "shown" if shown else "undecided"


def claims() -> Iterator[Claim]:
    """Both steps of the method, by view."""
    qc, refinement = ("{M}+QC", "M"), ("full", "{M}+QC")
    lost = f"loses less than {LEEWAY['rv_dice']:g} Dice on hearts"
    for view in ("SA", "LA"):
        for name, step, further in (
            ("choosing by quality control", qc, ""),
            ("refinement", refinement, " further"),
        ):
            gain = f"{name} lowers HD{further} on shifted hearts"
            yield Claim(gain, view, ALL_SHIFTED, *step, "rv_hd_mm")
            for cohort, which in ((AS_THEY_ARE, "as they are"), (ALL_SHIFTED, "that are shifted")):
                yield Claim(f"{name} {lost} {which}", view, cohort, *step, "rv_dice", no_loss=True)


def aims(all_results: Sequence[Results]) -> Grid:
    """Mean Dice of real short axes as they are, by structure, beside what was aimed at."""
    lines = []
    for results in all_results:
        own = results.of(AS_THEY_ARE, "SA")
        for name, aim in AIMS.items() if own else ():
            mean = float(np.mean([one.full[f"{name}_dice"] for one in own]))
            told = "met" if mean >= aim else "missed"
            lines.append([results.name, name.upper(), f"{mean:.3f}", f"{aim:.2f}", told])
    return Grid(header=["bundle", "structure", "SA DC, full", "aim", "so"], lines=lines)


def verdicts(all_results: Sequence[Results]) -> Grid:
    """Each claim with the paired difference it is judged by, of every bundle."""
    lines = []
    for claim in claims():
        for results in all_results:
            own = results.of(claim.cohort, claim.view)
            rows = [results.by_patient(own, way) for way in (claim.later, claim.earlier)]
            gains = list(differences(rows[0], rows[1], claim.metric).values())
            if len(gains) > 2:
                found, digits = paired(gains), METRICS[claim.metric][1]
                told = [in_words(found, digits=digits), claim.verdict(found)]
                lines.append([claim.words, claim.view, results.name, *told])
    return Grid(header=["claim", "view", "bundle", "difference", "here"], lines=lines)
