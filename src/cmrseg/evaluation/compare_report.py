"""What a comparison found, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from urllib.parse import quote

from cmrseg import __version__
from cmrseg.cases.challenge import Challenge
from cmrseg.evaluation.compare_tables import ComparedMetric, Side, comparison_table, lines
from cmrseg.evaluation.paired import FEWEST, bootstrap_interval
from cmrseg.evaluation.run import LAYOUTS
from cmrseg.evaluation.table import Column, Layout, TextTable
from cmrseg.runtime.errors import EXIT_INPUT, EXIT_OK, EXIT_PARTIAL

SHOWN = 10
VOLUME = Column(title="volume (mL)", metric="volume_ml", decimals=1)
Scores = Mapping[str, Mapping[str, float]]
"""Case -> metric -> value."""

HOW_TO_READ = (
    "Means over the cases that both have; the difference with its 95 % bootstrap interval; "
    "Wilcoxon's signed-rank p, and the same corrected for the number of lines (Holm)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of it.

    Attributes:
        challenge: ``emidec`` or ``mnms2``.
        sides: the two, the first one first.
        agreement: case -> metrics of the first side's masks taken as the other's truth.
        scores: side's name -> case -> metrics against the truth; empty without one.
        notes: what the reader should know.
        apart: case -> how far the sides lie apart in it, the farthest first.
        pictures: case -> file, of the cases shown.
    """

    challenge: Challenge
    sides: tuple[Side, Side]
    agreement: Scores
    scores: Mapping[str, Scores]
    notes: tuple[str, ...]
    apart: Mapping[str, float]
    pictures: Mapping[str, Path] = field(default_factory=dict)
    complete: bool = True

    @property
    def exit_code(self) -> int:
        """0 all cases were compared, 3 none, 4 some were missing or failed."""
        if not self.agreement:
            return EXIT_INPUT
        return EXIT_OK if self.complete else EXIT_PARTIAL

    def lines(self) -> list[ComparedMetric]:
        """The paired statistics: of scores with a truth, of volumes without."""
        if self.scores:
            first, other = self.scores.values()
            return lines(first, other, LAYOUTS[self.challenge])
        first, other = compared_volumes(self.agreement)
        layout = Layout(lines=LAYOUTS[self.challenge].lines, columns=[VOLUME])
        return lines(first, other, layout)

    def text(self) -> str:
        """What the command prints."""
        parts = [self._statistics().text(), "", self._agreement().text(), "", *self._remarks()]
        return "\n".join(parts)

    def markdown(self) -> str:
        """The same as a page, with the pictures."""
        first, other = self.sides
        what = "Scores against the truth" if self.scores else "Volumes (there is no truth)"
        shown = [
            f"### {case} ({self.how_far(case)})\n\n![{case}]({quote(path.name)})"
            for case, path in self.pictures.items()
        ]
        parts = [
            f"# {self.challenge}: {first.name} and {other.name}",
            f"Written by `cmrseg compare` {__version__}.",
            f"- {first.name}: {first.about}\n- {other.name}: {other.about}",
            f"## {what}",
            HOW_TO_READ,
            self._statistics().markdown(),
            "## How far the two agree",
            self._agreement().markdown(),
            "\n".join(f"- {remark}" for remark in self._remarks()),
            f"## The {len(shown)} cases that differ most",
            "Striped: where a mask is not as the first of its row. On black: no image with the "
            "masks' voxels was given.",
            *shown,
        ]
        return "\n\n".join(parts) + "\n"

    def _statistics(self) -> TextTable:
        names = [one.name for one in self.sides]
        return comparison_table(self.lines(), *names, won=bool(self.scores))

    def _agreement(self) -> TextTable:
        """Mean Dice and distance between the sides, with the interval of the mean."""
        found = []
        layout = LAYOUTS[self.challenge]
        columns = [c for c in layout.columns if c.metric in ("dice", "hd_mm")]
        for title, prefix in layout.lines:
            cells = []
            for column in columns:
                metric = f"{prefix}_{column.metric}"
                values = [row[metric] for row in self.agreement.values() if metric in row]
                cells.append(_with_interval(values, column))
            if any(cells):
                found.append([title, *(cell or "-" for cell in cells)])
        header = ["between the two (95 %)", *(c.title for c in columns)]
        return TextTable(header=header, lines=found)

    def _remarks(self) -> list[str]:
        cases = len(self.agreement)
        farthest = [f"{case} ({self.how_far(case)})" for case in list(self.apart)[:SHOWN]]
        return [
            f"{cases} case{'' if cases == 1 else 's'} compared",
            f"differ most: {', '.join(farthest)}",
            *self.notes,
        ]

    def how_far(self, case: str) -> str:
        """How far the sides lie apart in a case, in words."""
        value = self.apart[case]
        if not self.scores:
            return f"mean Dice between the two {1 - value:.3f}"
        first, other = (rows[case] for rows in self.scores.values())
        means = mean_dice(first, other), mean_dice(other, first)
        told = (f"{name} {mean:.3f}" for name, mean in zip(self.scores, means, strict=True))
        return f"mean Dice {', '.join(told)}"


def mean_dice(row: Mapping[str, float], other: Mapping[str, float] | None = None) -> float:
    """Over structures and images; means of images (``rv_sa_dice``) count like their parts.

    Args:
        row: metric -> value.
        other: the other side's; what only one side has would set them apart, so it does not count.
    """
    shared = row if other is None else row.keys() & other.keys()
    return fmean(row[metric] for metric in sorted(shared) if metric.endswith("_dice"))


def _with_interval(values: Sequence[float], column: Column) -> str:
    if not values:
        return ""
    if len(values) < FEWEST:
        return f"{column.scale * fmean(values):.{column.decimals}f}"
    numbers = (fmean(values), *bootstrap_interval(values))
    mean, low, high = (f"{column.scale * v:.{column.decimals}f}" for v in numbers)
    return f"{mean} ({low} to {high})"


def compared_volumes(agreement: Scores) -> tuple[Scores, Scores]:
    """The sides' own volumes: the first's stand where a truth's would."""
    first: dict[str, dict[str, float]] = {}
    other: dict[str, dict[str, float]] = {}
    for case, row in agreement.items():
        found = [m for m in row if m.endswith("_volume_ml") and "_truth_" not in m]
        other[case] = {m: row[m] for m in found}
        first[case] = {m: row[m.replace("_volume_ml", "_truth_volume_ml")] for m in found}
    return first, other
