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


SLICER, ITK_SNAP = "labels.ctbl", "labels-itksnap.txt"
"""What the two files are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One value in a mask.

    Attributes:
        value: as it stands in the file.
        name: of the structure.
        colour: ``#rrggbb``.
    """

    value: int
    name: str
    colour: str

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        red, green, blue = bytes.fromhex(self.colour.removeprefix("#"))
        return red, green, blue


def written_labels(names: dict[int, str], written: Sequence[int]) -> list[Label]:
    """The labels that a mask may hold, by value.

    A structure keeps its colour whatever value it is written as.

    Args:
        names: the recipe's label -> structure.
        written: the value written for each of the recipe's labels 0, 1, 2, ...; 0 for none.
    """
    found = [
        Label(value=written[label], name=name, colour=COLOURS[label])
        for label, name in names.items()
        if written[label]
    ]
    return sorted(found, key=lambda label: label.value)


def slicer_table(labels: Sequence[Label]) -> str:
    """A colour table of 3D Slicer: ``value name red green blue alpha`` a line, 0 to 255.

    Values between the labels are listed too, as Slicer takes a table's lines by their number;
    names hold no blanks, which Slicer writes as underscores.
    """
    by_value = {label.value: label for label in labels}
    lines = [f"# Color table file {SLICER}", f"# {max(by_value, default=0) + 1} values"]
    for value in range(max(by_value, default=0) + 1):
        label = by_value.get(value)
        if label:
            told = (label.name.replace(" ", "_"), *label.rgb, 255)
        else:
            told = ("unused" if value else "background", 0, 0, 0, 0)
        lines.append(" ".join(map(str, (value, *told))))
    return "\n".join(lines) + "\n"


def itk_snap_table(labels: Sequence[Label]) -> str:
    """A label description file of ITK-SNAP.

    A line is index, red, green, blue (0 to 255), opacity (0 to 1), whether it is shown in slices
    and as a surface, and the name in quotes.
    """
    rows = [(0, (0, 0, 0), "0  0  0", "Clear Label")]
    rows += [(label.value, label.rgb, "1  1  1", label.name) for label in labels]
    head = (
        "################################################\n"
        "# ITK-SnAP Label Description File\n"
        "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL\n"
        "################################################\n"
    )
    lines = [
        f'{index:5d} {red:5d} {green:4d} {blue:4d} {shown:>14}    "{name}"\n'
        for index, (red, green, blue), shown, name in rows
    ]
    return head + "".join(lines)
