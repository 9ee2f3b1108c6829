"""Which pieces of a mask are kept: what each rule does to held-out patients, against no rule.

The answer of quality control, before refinement, is cleaned by every rule on the image's own
voxels; nothing is computed anew for it. Rules choose nothing by these figures: which one is shipped
was settled before (:func:`cmrseg.challenges.steps.cleaned`), and the page says whether it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cmrseg.challenges.steps import RIVAL, in_large_pieces, in_one_piece
from cmrseg.evaluation.paired import FEWEST, Paired, differences, in_words, paired
from cmrseg.evaluation.table import Grid
from cmrseg.imaging.volume import Array

if TYPE_CHECKING:
    from cmrseg.reproduce.mnms2.measure import Measured, Row
    from cmrseg.reproduce.mnms2.tables import Results

NONE, LARGEST, LARGE = "none", "largest piece", f"pieces of {100 * RIVAL:.0f} % of the largest"
RULES: dict[str, Callable[[Array], Array]] = {
    NONE: np.asarray,
    LARGEST: in_one_piece,
    LARGE: in_large_pieces,
}
"""Rule -> what it makes of (z, y, x) labels."""
SHIPPED = {"SA": LARGE, "LA": LARGEST}
"""The rule that `cmrseg predict` follows; a long axis is a single slice."""
STRUCTURES = ("rv", "lv", "myo")
METRICS = {"dice": ("DC", 3, 1), "hd_mm": ("HD (mm)", 2, -1)}
"""What it is called, digits, and the sign of what is better."""


def table(results: Results, hearts: Sequence[str]) -> Grid:
    """DC and HD by view, cohort, structure and rule, each with its paired difference from none.

    Args:
        results: of one bundle.
        hearts: cohorts, as :meth:`Results.of` takes them.
    """
    header = ["view", "hearts", "patients", "structure", "rule", *(m[0] for m in METRICS.values())]
    header += [f"{name}, difference from none" for name, *_ in METRICS.values()]
    lines = []
    for view, shipped in SHIPPED.items():
        for cohort in hearts:
            rows = {rule: by_patient(results.of(cohort, view), rule) for rule in RULES}
            for structure in STRUCTURES if rows[NONE] else ():
                for rule in RULES:
                    told = f"{rule} (shipped)" if rule == shipped else rule
                    cells = [view, cohort, str(len(rows[rule])), structure.upper(), told]
                    lines.append(cells + _scores(rows, structure, rule))
    return Grid(header=header, lines=lines)


def _scores(rows: dict[str, dict[str, Row]], structure: str, rule: str) -> list[str]:
    means, gains = [], []
    for metric, (_, digits, _) in METRICS.items():
        name = f"{structure}_{metric}"
        values = [row[name] for row in rows[rule].values()]
        means.append(f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}")
        found = _difference(rows[rule], rows[NONE], name)
        gains.append("-" if rule == NONE else in_words(found, digits=digits))
    return means + gains


def by_patient(measured: Sequence[Measured], rule: str) -> dict[str, Row]:
    """Patient -> mean over phases and shifts of all structures' metrics under a rule."""
    found: dict[str, list[Row]] = {}
    for one in measured:
        found.setdefault(one.heart.patient, []).append(one.rules[rule])
    return {
        patient: {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        for patient, rows in found.items()
    }


def verdicts(results: Results, as_they_are: str, shifted: str) -> list[str]:
    """In words, by view: which rule is shipped, and whether held-out patients say so.

    A rule is better or worse than another in a measure (DC or HD of a structure) where the 95 %
    interval of the paired difference lies on one side of zero. Judged by hearts as they are.

    Args:
        results: of one bundle.
        as_they_are: cohort of held-out patients whom nothing was done to.
        shifted: the hearts that are told beside them.
    """
    told = []
    for view, shipped in SHIPPED.items():
        others = [NONE, *(rule for rule in RULES if rule not in (NONE, shipped))]
        words = [f"**{view}** ships *{shipped}*."]
        judged = {}
        for cohort in (as_they_are, shifted):
            own = results.of(cohort, view)
            if len({one.heart.patient for one in own}) < FEWEST:
                continue
            judged[cohort] = {other: compared(own, shipped, other) for other in others}
            words_of = [f"{_in_words(*f)} than *{other}*" for other, f in judged[cohort].items()]
            words.append(f"{cohort.capitalize()} hearts: {'; '.join(words_of)}.")
        if as_they_are in judged:
            told.append(" ".join([*words, _said(judged[as_they_are])]))
    return told


Compared = tuple[list[str], list[str]]
"""Measures in which a rule is better than another, and in which it is worse."""


def compared(measured: Sequence[Measured], rule: str, other: str) -> Compared:
    """In which measures a rule is better than another, and in which it is worse."""
    rows = by_patient(measured, rule), by_patient(measured, other)
    better, worse = [], []
    for structure in STRUCTURES:
        for metric, (name, _, sign) in METRICS.items():
            found = _difference(*rows, f"{structure}_{metric}")
            low, high = sorted((sign * found.low, sign * found.high))
            if low > 0:
                better.append(f"{structure.upper()} {name.split()[0]}")
            elif high < 0:
                worse.append(f"{structure.upper()} {name.split()[0]}")
    return better, worse


def _said(against: dict[str, Compared]) -> str:
    """What held-out patients say of the shipped rule, compared with none and with the others."""
    if any(worse and not better for better, worse in against.values()):
        return "Out-of-fold predictions speak against it."
    better, worse = against[NONE]
    if worse or not better:
        return "Out-of-fold predictions do not decide whether there should be a rule."
    others = [rule for rule, (wins, losses) in against.items() if rule != NONE and
              (losses or not wins)]  # fmt: skip
    told = f", and do not decide between it and *{others[0]}*" if others else ", and for this one"
    return f"Out-of-fold predictions speak for a rule{told}."


def _in_words(better: Sequence[str], worse: Sequence[str]) -> str:
    told = [f"{word} in {', '.join(names)}"
            for word, names in (("better", better), ("worse", worse)) if names]  # fmt: skip
    return " and ".join(told) or "neither better nor worse"


def _difference(first: dict[str, Row], other: dict[str, Row], metric: str) -> Paired:
    return paired(list(differences(first, other, metric).values()))
