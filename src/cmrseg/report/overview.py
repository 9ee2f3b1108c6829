"""What a cardiologist reads first: the structures' numbers, side by side, with their intervals."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cmrseg.report.formatting import (
    ELSEWHERE,
    INTERVAL,
    NOTE,
    goes_with_another,
    is_interval,
    is_number,
    named,
    number_text,
    unit,
)
from cmrseg.report.status import Record, distrust, quality

OUTSIDE = "outside its own interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number.

    Attributes:
        text: the number in words.
        interval: where the truth is to be expected, in words; empty if nothing says so.
        doubt: why it is not to be trusted; empty if nothing says so.
    """

    text: str
    interval: str = ""
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewColumn:
    """One measure of the structures.

    Attributes:
        group: what is measured, with its unit and the level of its intervals.
        title: in which image; empty for the case.
        figures: by structure.
    """

    group: str
    title: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A case's numbers at a glance.

    Attributes:
        columns: those that belong together stand together.
        single: what is not a structure's: its name, unit and level; the number.
    """

    columns: tuple[OverviewColumn, ...] = ()
    single: tuple[tuple[str, Figure], ...] = ()

    @property
    def structures(self) -> tuple[str, ...]:
        """The lines' names, in the order of the measure that most of them have."""
        fullest = sorted(self.columns, key=lambda column: -len(column.figures))
        return tuple(dict.fromkeys(name for column in fullest for name in column.figures))

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Each group with the number of its columns."""
        counted: dict[str, int] = {}
        for column in self.columns:
            counted[column.group] = counted.get(column.group, 0) + 1
        return list(counted.items())

    @property
    def doubts(self) -> list[str]:
        """Why numbers are not to be trusted, each reason once."""
        figures = [f for column in self.columns for f in column.figures.values()]
        figures += [figure for _, figure in self.single]
        return list(dict.fromkeys(figure.doubt for figure in figures if figure.doubt))


def overview(record: Record) -> Overview:
    """The numbers of a case.

    Args:
        record: as ``summary.json`` has it.
    """
    measures = record["measures"]
    flagged = {role for role, found in quality(record) if found["out_of_distribution"]}
    found = list(_columns(measures, "", flagged))
    # Of the heart before of the networks, of the case before of its images.
    found.sort(key=lambda column: ("[" not in column.group, bool(column.title)))
    groups = dict.fromkeys(column.group for column in found)
    return Overview(
        columns=tuple(c for group in groups for c in found if c.group == group),
        single=tuple(_single(measures, "" in flagged)),
    )


def _single(measures: Mapping[str, Any], flagged: bool) -> Iterator[tuple[str, Figure]]:
    for key, value in _own(measures):
        if is_number(value) or is_interval(value):
            interval = measures.get(key + INTERVAL)
            doubt = distrust("") if flagged and unit(key) else ""
            yield (
                _heading(key, value, interval),
                _figure(value, interval, str(measures.get(key + NOTE, "")), doubt),
            )
        elif _holds_tables(value):
            yield from _single(value, flagged)


def _own(measures: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Measures but for those that are told with another or in a way of their own."""
    for key, value in measures.items():
        if key not in ELSEWHERE and not goes_with_another(key, measures):
            yield key, value


def _columns(
    measures: Mapping[str, Any], role: str, flagged: Collection[str]
) -> Iterator[OverviewColumn]:
    for key, value in _own(measures):
        if _holds_tables(value):
            yield from _columns(value, key, flagged)
            continue
        if not isinstance(value, Mapping) or is_interval(value):
            continue
        intervals, notes = measures.get(key + INTERVAL, {}), measures.get(key + NOTE, {})
        figures = {
            named(name): _figure(
                one,
                intervals.get(name),
                str(notes.get(name, "")),
                _doubt(role, flagged) if unit(key) else "",
            )
            for name, one in value.items()
            if is_number(one) or is_interval(one)
        }
        if figures:
            group = _heading(key, *value.values(), *intervals.values())
            yield OverviewColumn(group=group, title=named(role), figures=figures)


def _doubt(role: str, flagged: Collection[str]) -> str:
    """Whether quality control speaks against the numbers of an image: of every structure.

    It judges the RV alone, but where that is wrong the others are seldom right.
    """
    if "" in flagged:
        return distrust("")
    return distrust(role) if role in flagged else ""


def _holds_tables(value: Any) -> bool:
    """Whether a measure is an image's or a method's measures."""
    return isinstance(value, Mapping) and any(
        isinstance(inner, Mapping) and not is_interval(inner) for inner in value.values()
    )


def _heading(key: str, *intervals: Any) -> str:
    """A measure's name with its unit, and of how many in a hundred the intervals hold."""
    levels = {f"{round(100 * one.get('level', 0.95))} %" for one in intervals if is_interval(one)}
    mark = f" [{unit(key)}]" if unit(key) else ""
    return named(key) + mark + (f", {' or '.join(sorted(levels))} interval" if levels else "")


def _figure(value: Any, interval: Any, *notes: str) -> Figure:
    """A number, beside an interval or one itself."""
    own = value if is_interval(value) else interval
    measured = value["mean"] if is_interval(value) else value
    if not is_interval(own):
        return Figure(text=number_text(measured), doubt="; ".join(filter(None, notes)))
    inside = own["low"] <= measured <= own["high"]
    return Figure(
        text=number_text(measured),
        interval=f"{number_text(own['low'])} to {number_text(own['high'])}",
        doubt="; ".join(filter(None, (*notes, "" if inside else OUTSIDE))),
    )
