"""Did the paper's claims come out again? Said from the figures, whichever way they fall.

arega2021 claims, of the uncertainty in the loss (section 3.1): better infarction DSC and a little
better myocardium DSC, most of it on apical slices, lower HD and volume errors of both, and lower
Brier scores. The challenge has no HD of the infarction, so neither have we. A claim counts as
reproduced where the mean difference has the claimed sign and its 95 % bootstrap interval excludes
zero, as contradicted where the interval excludes it on the other side, else as undecided: so few
patients cannot tell.

What it prints (hal-03349833), mean and, where it gives one, standard deviation, is of the
challenge's hidden test set of 50 cases; ours are out of fold on other patients, so the two can
stand side by side and not be subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cmrseg.evaluation.paired import Paired, difference_in_words
from cmrseg_lab.studies.emidec_paper.scores import Row

CITED = "Arega, Bricq, Meriaudeau, UNSURE 2021 (hal-03349833)"

ABLATION: dict[str, dict[str, str]] = {
    "baseline": {
        "myocardium_dice": "88.0 (2.63)",
        "myocardium_hd_official_mm": "12.1 (7.79)",
        "myocardium_brier_near": "4.03 (2.45)",
        "infarction_dice": "65.0 (29.7)",
        "infarction_volume_difference_cm3": "3.04 (5.0)",
        "infarction_brier_near": "1.19 (1.81)",
    },
    "proposed": {
        "myocardium_dice": "88.2 (2.55)",
        "myocardium_hd_official_mm": "11.8 (7.26)",
        "myocardium_brier_near": "3.86 (2.8)",
        "infarction_dice": "67.6 (28.8)",
        "infarction_volume_difference_cm3": "2.99 (4.55)",
        "infarction_brier_near": "1.18 (1.83)",
    },
}
"""Table 1. Over which voxels its Brier score is taken it does not say (see ``scores``)."""

_COLUMNS = (
    "myocardium_dice",
    "myocardium_volume_difference_cm3",
    "myocardium_hd_official_mm",
    "infarction_dice",
    "infarction_volume_difference_cm3",
    "infarction_pd_percent",
    "no_reflow_dice",
    "no_reflow_volume_difference_cm3",
    "no_reflow_pd_percent",
)


def _row(figures: str) -> dict[str, str]:
    return dict(zip(_COLUMNS, figures.split(), strict=True))


STATE_OF_THE_ART: dict[str, dict[str, str]] = {
    "Zhang": _row("87.86 9.26 13.01 71.24 3.12 2.38 78.51 0.635 0.38"),
    "Ma": _row("86.28 10.2 14.31 62.24 4.87 3.50 77.76 0.830 0.49"),
    "Feng et al.": _row("83.56 15.2 33.77 54.68 3.97 2.89 72.22 0.883 0.53"),
    "Arega et al., proposed": _row("88.22 9.23 11.78 67.64 2.99 2.29 81.00 0.601 0.37"),
}
"""Table 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the paper says of a metric.

    Attributes:
        metric: in a row.
        words: the claim.
        sign: +1 where proposed less baseline should be above zero, -1 below.
        scale: from the stored unit to the one told.
        unit: told behind the number.
    """

    metric: str
    words: str
    sign: int
    scale: float = 100.0
    unit: str = "points"


CLAIMS = (
    Claim(metric="infarction_dice", words="Infarction DSC rises", sign=1),
    Claim(metric="myocardium_dice", words="Myocardium DSC rises", sign=1),
    Claim(metric="infarction_brier_near", words="Infarction Brier score falls", sign=-1,
          unit="1e-2"),
    Claim(metric="myocardium_brier_near", words="Myocardium Brier score falls", sign=-1,
          unit="1e-2"),
    Claim(metric="infarction_dice_apical", words="Infarction DSC rises at the apex", sign=1),
    Claim(metric="myocardium_dice_apical", words="Myocardium DSC rises at the apex", sign=1),
    Claim(metric="myocardium_hd_official_mm", words="Myocardium HD falls", sign=-1, scale=1.0,
          unit="mm"),
    Claim(metric="infarction_volume_difference_cm3", words="Infarction volume error falls",
          sign=-1, scale=1.0, unit="cm3"),
    Claim(metric="myocardium_volume_difference_cm3", words="Myocardium volume error falls",
          sign=-1, scale=1.0, unit="cm3"),
)  # fmt: skip
AIMS = {"myocardium": 0.82, "infarction": 0.68, "no_reflow": 0.75}
"""Mean DSC out of fold that this project set itself on data whose labels are blurred."""


def sentences(found: Mapping[str, Paired]) -> list[str]:
    """One a claim, and one that sums up.

    Args:
        found: metric -> proposed less baseline.
    """
    verdicts = {c.metric: verdict(c, found[c.metric]) for c in CLAIMS if c.metric in found}
    lines = [
        f"{c.words}: **{verdicts[c.metric]}**; difference "
        f"{difference_in_words(found[c.metric], digits=2, scale=c.scale, unit=c.unit)} over "
        f"{found[c.metric].n} patients."
        for c in CLAIMS
        if c.metric in verdicts
    ]
    counts = [f"{list(verdicts.values()).count(v)} {v}" for v in dict.fromkeys(verdicts.values())]
    return [*lines, f"In all, of {len(verdicts)} claims: {', '.join(counts)}."]


def verdict(claim: Claim, found: Paired) -> str:
    """``reproduced``, ``contradicted`` or ``undecided``."""
    ends = sorted((claim.sign * found.low, claim.sign * found.high))
    if ends[0] > 0:
        return "reproduced"
    return "contradicted" if ends[1] < 0 else "undecided"


def aims(rows: Mapping[str, Row]) -> str:
    """Whether a cohort meets the aims, in words."""
    told = []
    for structure, aim in AIMS.items():
        mean = np.mean([row[f"{structure}_dice"] for row in rows.values()])
        met = "met" if mean >= aim else "missed"
        told.append(f"{structure.replace('_', '-')} {mean:.3f} (aim {aim:.2f}, {met})")
    return ", ".join(told)
