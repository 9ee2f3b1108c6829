"""arega2021's Tables 1 and 2 and the numbers behind its Figure 2, the paper's beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.evaluation.paired import Paired, differences, holm, paired
from cmrseg.evaluation.table import NOTHING, TextTable
from cmrseg_lab.studies.emidec_paper import verdict
from cmrseg_lab.studies.emidec_paper.method import Method
from cmrseg_lab.studies.emidec_paper.positions import POSITIONS
from cmrseg_lab.studies.emidec_paper.risk import rank_correlation, risk_coverage
from cmrseg_lab.studies.emidec_paper.scores import Row
from cmrseg_lab.studies.emidec_paper.trusted import flagged_by_others

Rows = Mapping[str, Row]
IMAGE_LEVEL, WITHIN = "image-level uncertainty", "1 - Dice within samples"
KEPT = (1.0, 0.9, 0.8, 0.5)
"""Shares of the patients, the most certain ones."""
SHORT = {"myocardium": "Myo", "infarction": "MI", "no_reflow": "NR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperColumn:
    """A metric in a table.

    Attributes:
        metric: its name in a row.
        title: over the column, with the unit.
        scale: from the stored unit to the title's.
        decimals: after the point.
    """

    metric: str
    title: str
    scale: float = 1.0
    decimals: int = 2

    @property
    def place(self) -> str:
        """``apical`` and so on of a metric of such slices, else nothing."""
        place = self.metric.rpartition("_")[2]
        return place if place in POSITIONS else ""

    def cell(self, rows: Rows) -> str:
        """``mean (std)`` over the patients that have the metric."""
        values = [row[self.metric] * self.scale for row in rows.values() if self.metric in row]
        if not values:
            return NOTHING
        return f"{np.mean(values):.{self.decimals}f} ({np.std(values):.{self.decimals}f})"


def _dice(structure: str, where: str = "") -> PaperColumn:
    metric = f"{structure}_dice{where and '_' + where}"
    return PaperColumn(metric=metric, title=f"{SHORT[structure]} DSC (%)", scale=100, decimals=1)


def _vd(structure: str) -> PaperColumn:
    metric = f"{structure}_volume_difference_cm3"
    return PaperColumn(metric=metric, title=f"{SHORT[structure]} VD (cm3)")


def _brier(structure: str, region: str) -> PaperColumn:
    title = f"{SHORT[structure]} BS {region} (1e-2)"
    return PaperColumn(metric=f"{structure}_brier_{region}", title=title, scale=100)


HD = PaperColumn(metric="myocardium_hd_official_mm", title="Myo HD official (mm)", decimals=1)
HD_RIGHT = PaperColumn(metric="myocardium_hd_mm", title="Myo HD (mm)", decimals=1)
PD = {s: PaperColumn(metric=f"{s}_pd_percent", title=f"{SHORT[s]} PD (%)") for s in list(SHORT)[1:]}
TABLE_1 = (
    _dice("myocardium"), HD, HD_RIGHT, _brier("myocardium", "near"), _brier("myocardium", "whole"),
    _dice("infarction"), _vd("infarction"), _brier("infarction", "near"),
    _brier("infarction", "whole"),
)  # fmt: skip
TABLE_2 = (
    _dice("myocardium"), _vd("myocardium"), HD, HD_RIGHT,
    _dice("infarction"), _vd("infarction"), PD["infarction"],
    _dice("no_reflow"), _vd("no_reflow"), PD["no_reflow"],
)  # fmt: skip
COMPARED = (
    _dice("myocardium"), _dice("infarction"), _dice("no_reflow"), HD, HD_RIGHT,
    _vd("myocardium"), _vd("infarction"), PD["infarction"], _vd("no_reflow"),
    *(_brier(s, "near") for s in SHORT), *(_brier(s, "whole") for s in SHORT),
    PaperColumn(metric="overall_brier_near", title="all classes BS near (1e-2)", scale=100,
                decimals=3),
)  # fmt: skip
BY_POSITION = tuple(_dice(s, p) for s in list(SHORT)[:2] for p in POSITIONS)


def table_1(baseline: Method | None, proposed: Method) -> TextTable:
    """Baseline against proposed; ours on the patients both held out, and on all of the proposed."""
    lines = [
        _printed(f"paper, {name} (hidden test set, 50)", told, TABLE_1)
        for name, told in verdict.ABLATION.items()
    ]
    if baseline:
        both = shared(baseline, proposed)
        lines += [
            _line(f"ours, {m.name} ({len(both)} held-out patients)", m.among(both), TABLE_1)
            for m in (baseline, proposed)
        ]
    everybody = f"ours, {proposed.name} (all {len(proposed.rows)} held-out patients)"
    lines.append(_line(everybody, proposed.rows, TABLE_1))
    return TextTable(header=["", *(column.title for column in TABLE_1)], lines=lines)


def table_2(proposed: Method) -> TextTable:
    """Ours beside the challenge's best, as networks give it and after honest rules."""
    lines = [
        _printed(f"{name} (hidden test set)", told, TABLE_2)
        for name, told in verdict.STATE_OF_THE_ART.items()
    ]
    lines.append(_line(f"ours, {proposed.name}, out of fold", proposed.rows, TABLE_2))
    if proposed.rules:
        title = f"ours, {proposed.name}, out of fold, with rules"
        lines.append(_line(title, proposed.rules, TABLE_2))
    return TextTable(header=["", *(column.title for column in TABLE_2)], lines=lines)


def by_position(methods: Sequence[Method], patients: set[str]) -> TextTable:
    """Figure 2 in numbers: DSC and certainty (Dice within samples) at each position."""
    lines = []
    for method in methods:
        rows = method.among(patients)
        for position in POSITIONS:
            cells = [
                PaperColumn(metric=f"{s}_{what}_{position}", title="", scale=100, decimals=1).cell(
                    rows
                )
                for what in ("dice", "certainty")
                for s in SHORT
            ]
            lines.append([f"{method.name}, {position}", *cells])
    titles = [f"{SHORT[s]} {w} (%)" for w in ("DSC", "certainty") for s in SHORT]
    return TextTable(header=["", *titles], lines=lines)


def paired_by_metric(
    baseline: Method, proposed: Method, columns: Sequence[PaperColumn]
) -> dict[str, Paired]:
    """Metric -> what proposed less baseline says, on the patients both held out."""
    found = {}
    for column in columns:
        each = differences(proposed.rows, baseline.rows, column.metric)
        if each:
            found[column.metric] = paired(list(each.values()))
    return found


def comparison(baseline: Method, proposed: Method, columns: Sequence[PaperColumn]) -> TextTable:
    """Proposed less baseline: mean, bootstrap interval, Wilcoxon's p, and Holm's over the table."""
    found = paired_by_metric(baseline, proposed, columns)
    both = shared(baseline, proposed)
    adjusted = dict(zip(found, holm([one.p for one in found.values()]), strict=True))
    lines = []
    for column in columns:
        if (one := found.get(column.metric)) is None:
            continue
        mean, low, high = (
            f"{v * column.scale:+.{column.decimals}f}" for v in (one.mean, one.low, one.high)
        )
        cells = [column.cell(method.among(both)) for method in (baseline, proposed)]
        difference = [f"{mean} ({low} to {high})", f"{one.p:.2g}", f"{adjusted[column.metric]:.2g}"]
        counts = f"{one.larger} / {one.smaller} / {one.n}"
        lines.append(
            [column.title + (column.place and f", {column.place}"), *cells, *difference, counts]
        )
    header = ["", baseline.name, proposed.name, "difference (95 % interval)", "p", "p, Holm",
              "larger / smaller / patients"]  # fmt: skip
    return TextTable(header=header, lines=lines)


def interval_table(method: Method) -> TextTable:
    """How often a 95 % interval of a volume holds the expert's, by samples and by past errors."""
    lines = []
    for structure, short in SHORT.items():
        by = [
            (f"{short}, spread of samples", f"{structure}_interval", method.rows, "_ml"),
            (f"{short}, errors of other parts", f"{structure}_band", method.trusted, ""),
        ]
        for title, key, patients, unit in by:
            rows = [row for row in patients.values() if f"{key}_holds" in row]
            if rows:
                holds = np.mean([row[f"{key}_holds"] for row in rows])
                wide = np.median([row[f"{key}{unit}"] for row in rows])
                lines.append([title, f"{100 * holds:.0f}", f"{wide:.2f}", str(len(rows))])
    return TextTable(
        header=["", "holds the truth (%)", "median width (mL)", "patients"], lines=lines
    )


def verdicts(method: Method, shifted: Mapping[str, Method]) -> TextTable:
    """DSC of patients flagged by fences that other parts set, and of the others.

    Args:
        method: patients as they are, whose agreement set the fences.
        shifted: style -> the same patients in it.
    """
    columns = [_dice(structure) for structure in SHORT]
    lines = []
    for shown, own in {"as they are": method, **shifted}.items():
        for title, wanted in (("in range", False), ("flagged", True)):
            rows = {
                p: row
                for p, row in own.rows.items()
                if p in method.trusted and flagged_by_others(row, method.trusted[p]) == wanted
            }
            cells = [column.cell(rows) for column in columns]
            lines.append([f"{shown}, {title}", str(len(rows)), *cells])
    return TextTable(header=["", "patients", *(column.title for column in columns)], lines=lines)


def calibration(methods: Sequence[Method], patients: set[str]) -> TextTable:
    """Expected and largest calibration error near the heart, over all voxels of all patients."""
    lines = []
    for method in methods:
        for name, found in method.reliability(patients).items():
            errors = [f"{100 * found.expected_error:.2f}", f"{100 * found.largest_error:.1f}"]
            lines.append([f"{method.name}, {SHORT[name]}", *errors])
    return TextTable(header=["", "expected error (%)", "largest error of a bin (%)"], lines=lines)


def uncertainty(method: Method) -> TextTable:
    """Rank correlation of uncertainty and DSC, and means of DSC when the uncertain are left out.

    Uncertainty is the image-level one (Eq. 4), or one less the structure's Dice within samples
    (Eq. 6).
    """
    lines = []
    for short, kind, doubt, score in _pairs(method):
        curve = risk_coverage(doubt, score)
        rho, p = rank_correlation(doubt, score)
        cells = [f"{100 * curve.at(share):.1f}" for share in KEPT]
        told = [f"{rho:+.2f}", f"{p:.2g}", f"{curve.share_of_best:.2f}"]
        lines.append([f"{short} DSC by {kind}", *cells, *told])
    titles = [f"{share:.0%} kept (%)" for share in KEPT]
    header = ["", *titles, "Spearman with DSC", "p", "share of the best order"]
    return TextTable(header=header, lines=lines)


def shared(baseline: Method, proposed: Method) -> set[str]:
    """Patients whom both held out."""
    return set(baseline.rows) & set(proposed.rows)


def _line(title: str, rows: Rows, columns: Sequence[PaperColumn]) -> list[str]:
    return [title, *(column.cell(rows) for column in columns)]


def _printed(title: str, told: Mapping[str, str], columns: Sequence[PaperColumn]) -> list[str]:
    return [title, *(told.get(column.metric, NOTHING) for column in columns)]


def _pairs(method: Method) -> Iterator[tuple[str, str, Sequence[float], Sequence[float]]]:
    """Structure, kind of doubt, doubt and DSC of each patient of whom samples were drawn."""
    for structure, short in SHORT.items():
        rows = [row for row in method.rows.values() if f"{structure}_certainty" in row]
        score = [row[f"{structure}_dice"] for row in rows]
        if rows:
            yield short, IMAGE_LEVEL, [row["image_level"] for row in rows], score
            yield short, WITHIN, [1 - row[f"{structure}_certainty"] for row in rows], score
