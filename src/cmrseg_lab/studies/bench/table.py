"""The report: figures measured several times, as a text table, Markdown and JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmrseg.evaluation.table import TextTable
from cmrseg.runtime.errors import OutputError, UsageError

HEADER = ("recipe", "figure", "median", "lowest", "highest", "rounds", "aim", "")


@dataclass(frozen=True, slots=True)
class Spread:
    """Repeated measurements of one thing, in the order they were taken.

    Attributes:
        values: at least one.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a spread needs a measurement")

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """From any sequence of numbers."""
        return cls(tuple(float(value) for value in values))

    @property
    def low(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def median(self) -> float:
        """The middle one: a disturbed round or two do not move it."""
        return statistics.median(self.values)

    @property
    def high(self) -> float:
        """The largest."""
        return max(self.values)

    def per(self, other: Spread) -> Spread:
        """Ratios round by round: what slows both sides of a round cancels.

        Raises:
            ValueError: the two were not measured in the same rounds.
        """
        pairs = zip(self.values, other.values, strict=True)
        return Spread(tuple(mine / theirs for mine, theirs in pairs))

    def times(self, factor: float) -> Spread:
        """Every measurement multiplied, as for another unit."""
        return Spread(tuple(value * factor for value in self.values))


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRow:
    """One line of the report.

    Attributes:
        recipe: what was measured on.
        figure: what was measured.
        value: the measurements.
        unit: ``x`` for a ratio, ``%``, ``s``, ``/s``, ``MB``, or empty for a plain number.
        aim: the median should not be above this; None if there is no aim.
    """

    recipe: str
    figure: str
    value: Spread
    unit: str = ""
    aim: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the median keeps the aim; None without one."""
        return None if self.aim is None else self.value.median <= self.aim

    def cells(self) -> tuple[str, ...]:
        """The line's texts, in the order of ``HEADER``."""
        value = self.value
        return (
            self.recipe,
            self.figure,
            *(_number(v, self.unit) for v in (value.median, value.low, value.high)),
            str(len(value.values)),
            "" if self.aim is None else f"<= {_number(self.aim, self.unit)}",
            {None: "", True: "met", False: "MISSED"}[self.met],
        )

    def record(self) -> dict[str, object]:
        """The line as JSON-ready values, every measurement included."""
        return {
            "recipe": self.recipe,
            "figure": self.figure,
            "unit": self.unit,
            "median": self.value.median,
            "lowest": self.value.low,
            "highest": self.value.high,
            "measurements": list(self.value.values),
            "aim": self.aim,
            "met": self.met,
        }


def bench_table(rows: Sequence[BenchRow]) -> TextTable:
    """All rows."""
    return TextTable(header=HEADER, lines=[row.cells() for row in rows])


def markdown(rows: Sequence[BenchRow], machine: Mapping[str, object]) -> str:
    """The report as Markdown."""
    facts = "; ".join(f"{name}: {value}" for name, value in machine.items())
    return f"# Speed and memory\n\n{facts}\n\n{bench_table(rows).markdown()}\n"


def save_report(rows: Sequence[BenchRow], machine: Mapping[str, object], path: Path) -> None:
    """Write the report as ``.md`` or ``.json``.

    Raises:
        UsageError: another ending.
        OutputError: the file cannot be written.
    """
    check_ending(path)
    if path.suffix == ".md":
        content = markdown(rows, machine)
    else:
        report = {"machine": machine, "rows": [row.record() for row in rows]}
        content = json.dumps(report, indent=1, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"the report cannot be written ({error.strerror})", "give --out another place"
        ) from error


def check_ending(path: Path) -> None:
    """Refuse a report of an unknown kind, before minutes of measuring.

    Raises:
        UsageError: neither ``.md`` nor ``.json``.
    """
    if path.suffix not in (".md", ".json"):
        raise UsageError(f"a report cannot end in '{path.suffix}'", "use .md or .json")


def _number(value: float, unit: str) -> str:
    """Three digits or so, with the unit."""
    if unit == "":
        return f"{value:g}"
    shown = f"{value:.0f}" if value >= 100 or unit == "MB" else f"{value:.3g}"
    return f"{shown} {unit}"
