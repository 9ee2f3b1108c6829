"""What a picture's lines, stripes and colours of heat mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.report.canvas import Canvas, width
from cmrseg.report.overlay import COLOURS, WALL
from cmrseg.report.thumbnails import DASHES, Pen, heat_bar, striped

DIFFERS = "#ff4fd8"
SAMPLE, BAR, ZERO, BESIDE, APART, SIZE = 34, 70, 13, 7, 24, 13
"""Pixels: of a line or stripes, of colours, of the nought before these, between a sample and its
words, between two entries, and of the words."""
HIGH = 22
"""Of a line of entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How a map is shown; the same for every case, so that pictures can be compared.

    Attributes:
        title: what is shown, in words.
        top: the value at which the colour is full.
        full: that value in words.
        root: whether the square root is shown (a standard deviation, of a variance).
    """

    title: str
    top: float
    full: str
    root: bool = False


def pens(names: Mapping[int, str]) -> list[Pen]:
    """A pen a label, the wall's first: its borders are its neighbours' too."""
    return [
        Pen(label=label, colour=COLOURS[label], dash=DASHES.get(names[label], 0))
        for label in sorted(names, key=lambda each: each != WALL)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """A picture's entries.

    Attributes:
        names: label -> structure, each with its line.
        scales: maps that are shown, each with its colours and their ends.
        differs: what stripes mean; empty without any.
    """

    names: Mapping[int, str]
    scales: Sequence[Scale] = ()
    differs: str = ""

    def high(self, room: float) -> int:
        """How many pixels high it is, where so many are to be had from left to right."""
        return HIGH * (1 + max(line for *_, line, _ in self._places(room)))

    def draw(self, canvas: Canvas, left: float, top: float, room: float) -> None:
        """Draw it with its top left corner at (left, top)."""
        by_name = {name: label for label, name in self.names.items()}
        lines = {pen.label: pen for pen in pens(self.names)}
        for words, x, line, sample in self._places(room):
            at, y = left + x, top + line * HIGH
            if words in by_name:
                _line(canvas, at, y + 9, lines[by_name[words]])
            elif words == self.differs:
                stripes = striped(np.zeros((12, SAMPLE, 3)), np.ones((12, SAMPLE)), DIFFERS)
                canvas.paste(stripes, round(at), round(y) + 3)
            else:
                canvas.text(at, y + 2, "0", size=SIZE)
                canvas.paste(heat_bar(BAR, 12), round(at) + ZERO, round(y) + 3)
            canvas.text(at + sample + BESIDE, y + 2, words, size=SIZE)

    def _places(self, room: float) -> list[tuple[str, float, int, int]]:
        """Every entry's words, where it begins, in which line, and how wide its sample is."""
        told = [(name, SAMPLE) for name in self.names.values()]
        told += [(f"{one.full}  {one.title}", ZERO + BAR) for one in self.scales]
        told += [(self.differs, SAMPLE)] if self.differs else []
        places, x, line = [], 0.0, 0
        for words, sample in told:
            wide = sample + BESIDE + width(words, SIZE)
            if x and x + wide > room:
                x, line = 0.0, line + 1
            places.append((words, x, line, sample))
            x += wide + APART
        return places


def _line(canvas: Canvas, x: float, y: float, pen: Pen) -> None:
    """A line as a structure's border is drawn."""
    step = pen.dash or SAMPLE
    for start in range(0, SAMPLE, 2 * step):
        canvas.line([(x + start, y), (x + min(start + step, SAMPLE), y)], pen.colour, 3)
