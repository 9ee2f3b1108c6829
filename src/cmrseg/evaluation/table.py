"""From one row a case to a table: mean (std) as text and Markdown, the cases as CSV and JSON.

A row is a mapping from a metric's name, which carries its unit (``myocardium_hd_mm``), to a
number; a metric that a case does not have is left out of its row. What stands in a table is a
choice made elsewhere: a :class:`Layout` says which metrics, in which unit and under which title.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cmrseg.cases.summary import cell

Row = Mapping[str, float]
"""Metric -> value of one case."""

NOTHING = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One metric over a cohort.

    Attributes:
        mean: arithmetic mean.
        std: standard deviation with divisor n (0 for a single case, never NaN).
        median: median.
        min: smallest value.
        max: largest value.
        n: how many cases have the metric.
    """

    mean: float
    std: float
    median: float
    min: float
    max: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        title: what stands over it, with the unit ("DSC (%)").
        metric: end of the metric's name (``dice``); the line's prefix comes before it.
        scale: by what the stored value is multiplied to be in the title's unit.
        decimals: digits after the point.
    """

    title: str
    metric: str
    scale: float = 1.0
    decimals: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A table's lines and columns.

    Attributes:
        lines: (title, prefix) of each line; the cell under ``column`` is the metric
            ``<prefix>_<column.metric>``.
        columns: the columns.
    """

    lines: Sequence[tuple[str, str]]
    columns: Sequence[Column]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A finished table: words only.

    Attributes:
        header: titles of the columns, the first of them over the lines' titles.
        lines: one sequence of cells a line, as long as the header.
    """

    header: Sequence[str]
    lines: Sequence[Sequence[str]]

    def text(self) -> str:
        """For a terminal: columns aligned by blanks, the first to the left, others to the right."""
        table = [list(self.header), *map(list, self.lines)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        table.insert(1, ["-" * width for width in widths])
        return "\n".join(
            "  ".join(
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        )

    def markdown(self, words: int = 1) -> str:
        """For a document: a pipe table, numbers to the right of the columns of words."""
        rule = [*["---"] * words, *["---:"] * (len(self.header) - words)]
        return "\n".join(f"| {' | '.join(line)} |" for line in [self.header, rule, *self.lines])


def aggregate(rows: Iterable[Row]) -> dict[str, Aggregate]:
    """Every metric that any case has, over the cases that have it.

    Raises:
        ValueError: a value is NaN or infinite: no metric of ours ever is.
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        for metric, value in row.items():
            if not np.isfinite(value):
                raise ValueError(f"{metric} is {value}")
            values.setdefault(metric, []).append(value)
    return {metric: _aggregate(np.asarray(found, float)) for metric, found in values.items()}


def cohort_table(aggregates: Mapping[str, Aggregate], layout: Layout) -> TextTable:
    """``mean (std)`` of a cohort, as the papers print it; lines with no metric are left out."""
    lines = []
    for title, prefix in layout.lines:
        found = [aggregates.get(f"{prefix}_{column.metric}") for column in layout.columns]
        if any(found):
            cells = map(_cell, found, layout.columns)
            lines.append([title, *cells])
    return TextTable(header=["", *(column.title for column in layout.columns)], lines=lines)


def cases_csv(rows: Mapping[str, Row]) -> str:
    """One line a case, one column a metric; empty where a case does not have the metric.

    Args:
        rows: case -> its metrics.
    """
    metrics = _metrics(rows.values())
    text = io.StringIO()
    writer = csv.DictWriter(text, ["case", *metrics], restval="", lineterminator="\n")
    writer.writeheader()
    for case, row in rows.items():
        writer.writerow({"case": cell(case), **{m: repr(float(v)) for m, v in row.items()}})
    return text.getvalue()


def cases_json(rows: Mapping[str, Row], **more: Any) -> str:
    """Cases under ``results``, their statistics under ``aggregates``, then ``more``.

    Raises:
        ValueError: a value is NaN or infinite, which JSON does not know either.
    """
    document = {
        **more,
        "results": [{"case": case, **row} for case, row in rows.items()],
        "aggregates": {name: asdict(found) for name, found in aggregate(rows.values()).items()},
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _metrics(rows: Iterable[Row]) -> list[str]:
    """Names of all metrics, in the order of their first appearance."""
    return list(dict.fromkeys(metric for row in rows for metric in row))


def _aggregate(values: np.ndarray[Any, Any]) -> Aggregate:
    return Aggregate(
        mean=float(values.mean()),
        std=float(values.std()),
        median=float(np.median(values)),
        min=float(values.min()),
        max=float(values.max()),
        n=len(values),
    )


def _cell(found: Aggregate | None, column: Column) -> str:
    if found is None:
        return NOTHING
    mean, std = found.mean * column.scale, found.std * column.scale
    return f"{mean:.{column.decimals}f} ({std:.{column.decimals}f})"
