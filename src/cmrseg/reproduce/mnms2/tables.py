"""The tables, from what was measured: Table 1, the ablation of Figure 3, quality control.

Three ways of answering, as in the paper (section 3.2): M, the best single candidate; {M}+QC, the
candidate or mean that quality control chooses; full, after refinement. Which candidate is the best
is not asked of the patient at hand: for each patient it is the best on all others of the same view
as they are, by RV Dice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cmrseg.evaluation.mnms2 import VIEW_WEIGHTS
from cmrseg.evaluation.paired import differences, in_words, paired
from cmrseg.evaluation.table import Grid
from cmrseg.reproduce.mnms2 import paper
from cmrseg.reproduce.mnms2.hearts import CLEAN
from cmrseg.reproduce.mnms2.measure import Measured, Row

WAYS = ("M", "{M}+QC", "full")
METRICS = {"rv_dice": ("RV DC", 3), "rv_hd_mm": ("RV HD (mm)", 2)}
STEPS = (("{M}+QC", "M"), ("full", "{M}+QC"))
"""What each step of the framework brings: a way less the one before."""
ALL_SHIFTED = "all shifted"


@dataclass(slots=True)
class Results:
    """Everything measured with one bundle.

    Attributes:
        name: how tables call it.
        about: digest and networks, in a line.
        measured: one a heart.
        files: view -> SHA-256 of each candidate's weights.
    """

    name: str
    about: str
    measured: list[Measured]
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _best: dict[tuple[str, bool, str], int] = field(default_factory=dict)

    @property
    def cohorts(self) -> list[str]:
        """In the order of scoring."""
        return list(dict.fromkeys(one.heart.cohort for one in self.measured))

    def of(self, cohort: str, view: str) -> list[Measured]:
        """The hearts of a cohort and view; :data:`ALL_SHIFTED` stands for all but the clean."""
        return [
            one
            for one in self.measured
            if one.heart.role.startswith(view)
            and (
                one.heart.cohort not in CLEAN
                if cohort == ALL_SHIFTED
                else one.heart.cohort == cohort
            )
        ]

    def best(self, view: str, real: bool, patient: str) -> int:
        """M for a patient: the candidate with the best mean RV Dice on the others, unshifted."""
        key = (view, real, patient)
        if key not in self._best:
            others = [
                [row["rv_dice"] for row in one.candidates]
                for one in self.measured
                if one.heart.cohort in CLEAN
                and one.heart.role.startswith(view)
                and one.heart.real == real
                and one.heart.patient != patient
            ]
            self._best[key] = int(np.argmax(np.mean(others, axis=0))) if others else 0
        return self._best[key]

    def m(self, one: Measured) -> int:
        """The candidate that is M for a heart."""
        return self.best(one.heart.role[:2], one.heart.real, one.heart.patient)

    def row(self, one: Measured, way: str) -> Row | None:
        """Metrics of a heart answered one way; None where there is no quality control."""
        if way == "M":
            return one.candidates[self.m(one)]
        if not one.pseudo:
            return None
        return one.qc if way == "{M}+QC" else one.full

    def by_patient(self, measured: Sequence[Measured], way: str) -> dict[str, Row]:
        """Patient -> mean over phases, and over shifts where there are several: what is paired.

        A patient under two shifts is one patient, not two.
        """
        found: dict[str, list[Row]] = {}
        for one in measured:
            row = self.row(one, way)
            if row is not None:
                found.setdefault(one.heart.patient, []).append(row)
        return {
            name: {metric: float(np.mean([row[metric] for row in rows])) for metric in METRICS}
            for name, rows in found.items()
        }


def table_1(results: Results, way: str) -> Grid:
    """DC and HD by pathology in the shape of the paper's Table 1, the paper's beside ours."""
    header = ["pathology", "patients"]
    for metric, _ in METRICS.values():
        header += [f"SA {metric}", f"LA {metric}", f"average {metric}"]
    header += ["paper: SA DC", "paper: SA HD", "paper: LA DC", "paper: LA HD"]
    lines = []
    for cohort in CLEAN:
        own = [one for one in results.measured if one.heart.cohort == cohort]
        groups = list(dict.fromkeys(sorted(one.heart.group for one in own)))
        for group in [*groups, None] if own else []:
            chosen = [one for one in own if group is None or one.heart.group == group]
            lines.append(_pathology(results, way, cohort, group, chosen))
    return Grid(header=header, lines=lines)


def _pathology(
    results: Results, way: str, cohort: str, group: str | None, measured: Sequence[Measured]
) -> list[str]:
    kind = "held-out patients" if cohort == "clean" else "drawn hearts"
    name = f"**all {kind}**" if group is None else f"{paper.NAMES.get(group, group)} ({kind})"
    patients = len({one.heart.patient for one in measured})
    cells = [name, str(patients)]
    rows = {
        view: [
            row
            for one in measured
            if one.heart.role.startswith(view) and (row := results.row(one, way))
        ]
        for view in VIEW_WEIGHTS
    }
    for metric, (_, digits) in METRICS.items():
        for view in VIEW_WEIGHTS:
            cells.append(_mean_std([row[metric] for row in rows[view]], digits))
        cells.append(_average(rows, metric, digits))
    if group is None:
        return [*cells, "-", "-", "-", "-"]
    printed = paper.TABLE_1.get(paper.SAME_AS.get(group, group), ("-",) * 4)
    return [*cells, *printed]


def _average(rows: Mapping[str, Sequence[Row]], metric: str, digits: int) -> str:
    """0.75 of the mean SA image + 0.25 of the mean LA image, as the challenge has it."""
    if not all(rows.values()):
        return "-"
    total = sum(
        weight * float(np.mean([row[metric] for row in rows[view]]))
        for view, weight in VIEW_WEIGHTS.items()
    )
    return f"{total:.{digits}f}"


def ablation(all_results: Sequence[Results]) -> Grid:
    """Figure 3's bars as numbers: mean and deviation of the RV over images, by way."""
    header = ["bundle", "view", "hearts", "images", "flagged", "refined", "kept"]
    header += [f"{name}, {way}" for name, _ in METRICS.values() for way in WAYS]
    lines = []
    for results in all_results:
        for view in VIEW_WEIGHTS:
            for cohort in (*results.cohorts, ALL_SHIFTED):
                own = results.of(cohort, view)
                if not own:
                    continue
                cells = [results.name, view, cohort, str(len(own)), *_counts(own)]
                for metric, (_, digits) in METRICS.items():
                    for way in WAYS:
                        rows = [row for one in own if (row := results.row(one, way))]
                        cells.append(_mean_std([row[metric] for row in rows], digits))
                lines.append(cells)
    return Grid(header=header, lines=lines)


def steps(all_results: Sequence[Results]) -> Grid:
    """What each step brings: paired by patient, with bootstrap interval and Wilcoxon's p."""
    header = ["bundle", "view", "hearts", "patients", "step"]
    header += [f"{name}, difference" for name, _ in METRICS.values()]
    lines = []
    for results in all_results:
        for view in VIEW_WEIGHTS:
            for cohort in (*results.cohorts, ALL_SHIFTED):
                own = results.of(cohort, view)
                for later, earlier in STEPS:
                    rows = [results.by_patient(own, way) for way in (later, earlier)]
                    if not rows[0]:
                        continue
                    cells = [results.name, view, cohort, str(len(rows[0])), f"{later} - {earlier}"]
                    for metric, (_, digits) in METRICS.items():
                        gains = list(differences(rows[0], rows[1], metric).values())
                        cells.append(in_words(paired(gains), digits=digits))
                    lines.append(cells)
    return Grid(header=header, lines=lines)


def structures(all_results: Sequence[Results], way: str) -> Grid:
    """Dice and HD of all three structures in the short axis, of one way of answering."""
    names = ("rv", "lv", "myo")
    header = ["bundle", "hearts", "images", *(f"{n.upper()} DC" for n in names)]
    header += [f"{n.upper()} HD (mm)" for n in names]
    lines = []
    for results in all_results:
        for cohort in results.cohorts:
            own = results.of(cohort, "SA")
            rows = [one.full if way == "full" else one.qc for one in own]
            cells = [results.name, cohort, str(len(own))]
            for metric, digits in (("dice", 3), ("hd_mm", 1)):
                cells += [_mean_std([r[f"{n}_{metric}"] for r in rows], digits) for n in names]
            lines += [cells] if own else []
    return Grid(header=header, lines=lines)


def images(all_results: Sequence[Results]) -> Grid:
    """Every image: RV scores by way, pseudo-measures of M, verdict; numbers instead of names."""
    header = ["bundle", "hearts", "patient", "role", "group", "M", "flagged", "refinement kept"]
    header += ["pDC of M", "pHD of M (mm)"]
    header += [f"{way} {metric}" for way in WAYS for metric in METRICS]
    lines = []
    for results in all_results:
        for one in results.measured:
            heart, m = one.heart, results.m(one)
            kept = "" if one.refinement is None else str(one.refinement["candidates_kept"])
            cells = [results.name, heart.cohort, heart.patient, heart.role, heart.group]
            cells += [str(m + 1), str(int(one.ood)), kept]
            cells += [f"{v:.4f}" for v in one.pseudo[m]] if one.pseudo else ["", ""]
            for way in WAYS:
                row = results.row(one, way)
                cells += [f"{row[metric]:.4f}" if row else "" for metric in METRICS]
            lines.append(cells)
    return Grid(header=header, lines=lines)


def _counts(measured: Sequence[Measured]) -> list[str]:
    """How many images were flagged, how many of those refined, and of how many it was kept."""
    tried = [one.refinement for one in measured if one.refinement]
    kept = sum(bool(told["candidates_kept"]) for told in tried)
    return [str(sum(one.ood for one in measured)), str(len(tried)), str(kept)]


def _mean_std(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"
