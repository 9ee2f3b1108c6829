"""Does doubt point at what is wrong? Told of each structure's DSC, in a table and in words.

Doubt is the image-level uncertainty (Eq. 4), or one less the structure's Dice within samples
(Eq. 6).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cmrseg.evaluation.risk import rank_correlation, risk_coverage
from cmrseg.evaluation.table import Grid
from cmrseg_lab.studies.emidec_paper.method import Method
from cmrseg_lab.studies.emidec_paper.tables import SHORT

IMAGE_LEVEL, WITHIN = KINDS = ("image-level uncertainty", "1 - Dice within samples")
KEPT = (1.0, 0.9, 0.8, 0.5)
"""Shares of the patients, the most certain ones."""


def trust(method: Method) -> Grid:
    """Rank correlation of doubt and DSC, and means of DSC when the doubtful are left out."""
    lines = []
    for short, kind, doubt, score in _pairs(method):
        curve = risk_coverage(doubt, score)
        rho, p = rank_correlation(doubt, score)
        cells = [f"{100 * curve.at(share):.1f}" for share in KEPT]
        told = [f"{rho:+.2f}", f"{p:.2g}", f"{curve.share_of_best:.2f}"]
        lines.append([f"{short} DSC by {kind}", *cells, *told])
    titles = [f"{share:.0%} kept (%)" for share in KEPT]
    header = ["", *titles, "Spearman with DSC", "p", "share of the best order"]
    return Grid(header=header, lines=lines)


def sentences(method: Method) -> list[str]:
    """Whether dropping the most uncertain raises the rest: one for each kind of doubt."""
    told = []
    for wanted in KINDS:
        changes: dict[str, list[str]] = {"raises": [], "lowers": [], "leaves alone": []}
        for short, kind, doubt, score in _pairs(method):
            if kind == wanted:
                curve = risk_coverage(doubt, score)
                all_of_them, rest = curve.at(1.0), curve.at(KEPT[-1])
                way = "raises" if rest > all_of_them else "lowers"
                way = "leaves alone" if rest == all_of_them else way
                changes[way].append(f"{short} ({100 * all_of_them:.1f} to {100 * rest:.1f} %)")
        ways = [f"{way} that of {', '.join(names)}" for way, names in changes.items() if names]
        if ways:
            told.append(
                f"By {wanted}, to keep the more certain {KEPT[-1]:.0%} of the patients changes the "
                f"mean DSC so: it {' and '.join(ways)}."
            )
    return told


def _pairs(method: Method) -> Iterator[tuple[str, str, Sequence[float], Sequence[float]]]:
    """Structure, kind of doubt, doubt and DSC of each patient of whom samples were drawn."""
    for structure, short in SHORT.items():
        rows = [row for row in method.rows.values() if f"{structure}_certainty" in row]
        score = [row[f"{structure}_dice"] for row in rows]
        if rows:
            yield short, IMAGE_LEVEL, [row["image_level"] for row in rows], score
            yield short, WITHIN, [1 - row[f"{structure}_certainty"] for row in rows], score
