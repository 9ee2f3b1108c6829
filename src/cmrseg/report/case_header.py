"""The head of a case's picture: whose heart it is, what it comes to, and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cmrseg.report.canvas import BLACK, GREY, Canvas, width, wrapped_lines
from cmrseg.report.overview import Figure, Overview, OverviewColumn
from cmrseg.report.status import FLAGGED, CaseStatus

NAME, SAID, NUMBER, WORDS, SMALL = 20, 17, 16, 13, 12
"""Sizes of letters in pixels."""
LINE = 22
"""Height of a table's line."""
BETWEEN, APART, BESIDE = 16, 34, 6
"""Pixels between columns, between groups of them, and between a number and its interval."""
MARK = 13
REASON_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands above a case's slices.

    Attributes:
        case: its id.
        verdict: what it comes to.
        overview: its numbers.
    """

    case: str
    verdict: CaseStatus | None
    overview: Overview

    @property
    def wide(self) -> float:
        """How many pixels wide its numbers are."""
        table = max((x + wide for _, x, wide in self._columns()), default=0.0)
        single = (
            width(name, SMALL) + BESIDE + 2 + _number_wide(figure) + APART
            for name, figure in self.overview.single
        )
        return max(table, sum(single) - APART, 0.0)

    def draw(self, canvas: Canvas, left: float, top: float, room: float) -> float:
        """Draw it with its top left corner at (left, top); returns where it ends."""
        y = top
        canvas.text(left, y, self.case, size=NAME)
        y += NAME + 8
        if self.verdict:
            y = self._said(canvas, left, y, room, self.verdict)
        y += 6
        x = left
        for name, figure in self.overview.single:
            x = canvas.text(x, y + 3, name, size=SMALL, colour=GREY) + BESIDE + 2
            x = _number(canvas, x, y, figure) + APART
        y += LINE + 4 if self.overview.single else 0
        y = self._table(canvas, left, y)
        for doubt in self.overview.doubts:
            for part in wrapped_lines(doubt, WORDS, room - MARK - BESIDE):
                canvas.sign(FLAGGED.sign, left, y + 2, MARK, FLAGGED.colour)
                canvas.text(left + MARK + BESIDE, y, part, size=WORDS, colour=FLAGGED.colour)
                y += WORDS + 7
        return y + 4

    def high(self, room: float) -> int:
        """How many pixels high it is."""
        return round(self.draw(Canvas(1, 1), 0, 0, room))

    def _said(self, canvas: Canvas, x: float, y: float, room: float, verdict: CaseStatus) -> float:
        kind = verdict.kind
        canvas.sign(kind.sign, x, y + 1, SAID, kind.colour)
        canvas.text(x + SAID + 8, y, kind.words, size=SAID, colour=kind.colour)
        y += SAID + 8
        for reason in verdict.reasons:
            for part in wrapped_lines(reason, WORDS, room)[:REASON_LINES]:
                canvas.text(x, y, part, size=WORDS)
                y += WORDS + 6
        return y

    def _table(self, canvas: Canvas, left: float, top: float) -> float:
        """Structures below each other, measures beside each other."""
        if not self.overview.columns:
            return top
        titled = any(column.title for column in self.overview.columns)
        first = top + 18 + (18 if titled else 0)
        for line, name in enumerate(self.overview.structures):
            canvas.text(left, first + line * LINE + 3, name, size=WORDS)
        before = ""
        for column, x, _ in self._columns():
            if column.group != before:
                canvas.text(left + x, top, column.group, size=SMALL, colour=GREY)
            before = column.group
            canvas.text(left + x, top + 18, column.title, size=SMALL, colour=GREY)
            for line, name in enumerate(self.overview.structures):
                if figure := column.figures.get(name):
                    _number(canvas, left + x, first + line * LINE, figure)
        return first + len(self.overview.structures) * LINE + 4

    def _columns(self) -> list[tuple[OverviewColumn, float, float]]:
        """Every column, where it begins and how wide it is."""
        x = max((width(name, WORDS) for name in self.overview.structures), default=0.0) + BETWEEN
        placed: list[tuple[OverviewColumn, float, float]] = []
        for group, count in self.overview.groups:
            own = [column for column in self.overview.columns if column.group == group]
            wides = [_wide(column) for column in own]
            begin = x
            for column, wide in zip(own, wides, strict=True):
                placed.append((column, x, wide))
                x += wide + BETWEEN
            # A group is as wide as its name at least.
            lacking = begin + width(group, SMALL) - (x - BETWEEN)
            if lacking > 0:
                last, at, wide = placed[-1]
                placed[-1] = (last, at, wide + lacking)
                x += lacking
            x += APART - BETWEEN if count else 0
        return placed


def _wide(column: OverviewColumn) -> float:
    figures: Sequence[Figure] = list(column.figures.values())
    return max(width(column.title, SMALL), *(_number_wide(figure) for figure in figures))


def _number_wide(figure: Figure) -> float:
    beside = BESIDE + width(figure.interval, SMALL) if figure.interval else 0.0
    return width(figure.text, NUMBER) + beside + (MARK + BESIDE if figure.doubt else 0)


def _number(canvas: Canvas, x: float, y: float, figure: Figure) -> float:
    """A number, its interval smaller beside it, a sign before it if it is not to be trusted."""
    colour = FLAGGED.colour if figure.doubt else BLACK
    if figure.doubt:
        canvas.sign(FLAGGED.sign, x, y + 3, MARK, colour)
        x += MARK + BESIDE
    end = canvas.text(x, y, figure.text, size=NUMBER, colour=colour)
    if figure.interval:
        end = canvas.text(end + BESIDE, y + 4, figure.interval, size=SMALL, colour=GREY)
    return end
