"""One picture a case: what was found, its slices with contours, and beside them what speaks
against it: where the networks were unsure, and what quality control would have expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cmrseg.imaging.orient import canonical
from cmrseg.imaging.volume import Array, Volume
from cmrseg.report.ink import GREY, Canvas, small_jpeg, width, wrapped
from cmrseg.report.overlay import COLOURS, WALL
from cmrseg.report.tiles import DASHES, Pen, Sheet, around, heat_bar, heated, square
from cmrseg.report.verdict import Verdict

COLUMNS = 4
SLICES_ALONE, SLICES_AMONG = 12, 8
"""Slices shown of a case's only image, and of one among others."""
TILE = 140
"""Width of a slice on the picture, in pixels; of the only slice of an image, twice that."""
MARGIN, GAP, TITLE = 14, 16, 22
THUMBNAIL = 96
DIFFERS = "#ff4fd8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How a map is shown; the same for every case, so that pictures can be compared.

    Attributes:
        title: what is shown, in words.
        top: the value at which the colour is full.
        full: what that is, in words.
        root: whether the square root is shown (a standard deviation, of a variance).
    """

    title: str
    top: float
    full: str
    root: bool = False


SCALES = {
    "variance": Scale(title="spread of dropout samples", top=0.1, full="sd 0.1", root=True),
    "entropy": Scale(title="entropy", top=float(np.log(2)), full="two labels equally likely"),
}
"""Maps that are shown, the first that there is; variance comes from samples and tells more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One image of a case.

    Attributes:
        role: ``LGE``, ``SA_ED``, ...
        image: as it was read.
        mask: the recipe's labels on the same voxels.
        maps: float maps by name on the same voxels.
        expected: the labels that quality control makes of the mask, on the same voxels.
    """

    role: str
    image: Volume
    mask: Volume
    maps: Mapping[str, Volume] = field(default_factory=dict)
    expected: Volume | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A finished part of a picture.

    Attributes:
        title: written above it.
        pixels: (rows, columns, 3) uint8.
        labels: words to write on it, each with its place (x, y).
        scale: of the map that it shows.
    """

    title: str
    pixels: Array
    labels: Sequence[tuple[str, int, int]] = ()
    scale: Scale | None = None


def case_sheet(
    case: str,
    views: Sequence[View],
    names: Mapping[int, str],
    *,
    verdict: Verdict | None = None,
    facts: Sequence[str] = (),
    below: Sequence[Panel] = (),
) -> bytes:
    """Draw a case.

    Args:
        case: its id.
        views: its images, at least one.
        names: label -> structure.
        verdict: what it comes to.
        facts: what was measured, in words, a line each.
        below: further parts, side by side under the images.

    Returns:
        A PNG that carries a thumbnail (``ink.carried``).
    """
    count = SLICES_ALONE if len(views) == 1 else SLICES_AMONG
    bands = [_band(view, count, names) for view in views]
    thumbnail = small_jpeg(_thumbnail(views[0], names), THUMBNAIL)
    rows = [*bands, *([list(below)] if below else [])]
    wide = max(sum(p.pixels.shape[1] + GAP for p in row) for row in rows) + 2 * MARGIN - GAP
    wide = max(wide, 640)
    head = _head(case, verdict, facts, wide - 2 * MARGIN)
    high = MARGIN + sum(line.high for line in head) + TITLE + MARGIN
    high += sum(max(p.pixels.shape[0] for p in row) + TITLE + 6 for row in rows)
    canvas = Canvas(wide, high)
    y = MARGIN
    for line in head:
        line.draw(canvas, y)
        y += line.high
    _legend(canvas, y, names)
    y += TITLE
    for row in rows:
        _draw_row(canvas, y, row)
        y += max(p.pixels.shape[0] for p in row) + TITLE + 6
    return canvas.png(thumbnail)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of the picture's head."""

    words: str
    size: int
    colour: str = "#1b1b1f"
    sign: str | None = None

    @property
    def high(self) -> int:
        return self.size + 7

    def draw(self, canvas: Canvas, y: int) -> None:
        x = MARGIN
        if self.sign:
            canvas.sign(self.sign, x, y, self.size, self.colour)
            x += self.size + 7
        canvas.text(x, y, self.words, size=self.size, colour=self.colour)


def _head(case: str, verdict: Verdict | None, facts: Sequence[str], room: int) -> list[_Line]:
    """The case's name, its verdict with reasons, and what was measured."""
    lines = [_Line(words=case, size=20)]
    if verdict is not None:
        kind = verdict.kind
        said = wrapped(kind.words, 16, room - 30)
        lines += [_Line(words=said[0], size=16, colour=kind.colour, sign=kind.sign)]
        for reason in verdict.reasons:
            lines += [_Line(words=part, size=13) for part in wrapped(reason, 13, room)[:3]]
    for fact in facts:
        lines += [_Line(words=part, size=13, colour=GREY) for part in wrapped(fact, 13, room)]
    return lines


def _band(view: View, count: int, names: Mapping[int, str]) -> list[Panel]:
    """An image's slices with contours, with its map, and with what was expected."""
    image, mask = canonical(view.image)[0], canonical(view.mask)[0]
    # What the mask lacks shows only where both are.
    found = mask.array > 0
    if view.expected is not None:
        found = found | (canonical(view.expected)[0].array > 0)
    rows, columns = square(found, mask.spacing_mm)
    chosen = around(found, count)

    def cut(volume: Volume) -> Array:
        return canonical(volume)[0].array[chosen][:, rows, columns]

    sheet = _layout(mask.array[0, rows, columns].shape, mask.spacing_mm[1:], len(chosen))
    near = image.array[chosen][:, rows, columns]
    grey = sheet.grey(near, *np.percentile(near, (1, 99.5)))
    labels = mask.array[chosen][:, rows, columns]
    pens = _pens(names)
    numbers = _numbers(chosen, sheet)
    shown = f"{len(chosen)} of {len(mask.array)}" if len(chosen) < len(mask.array) else "all"
    title = f"{view.role}: mask ({shown} slices)" if len(mask.array) > 1 else f"{view.role}: mask"
    panels = [Panel(title=title, pixels=sheet.contours(grey, labels, pens), labels=numbers)]
    name = next((name for name in SCALES if name in view.maps), None)
    if name:
        scale = SCALES[name]
        values = sheet.values(cut(view.maps[name])) / (scale.top**2 if scale.root else scale.top)
        share = np.sqrt(np.maximum(values, 0)) if scale.root else values
        pixels = heated(grey, share)
        panels.append(Panel(title=scale.title, pixels=pixels, labels=numbers, scale=scale))
    if view.expected is not None:
        expected = cut(view.expected)
        drawn = sheet.shaded(grey, expected != labels, DIFFERS)
        drawn = sheet.contours(drawn, expected, pens)
        title = "as quality control rebuilds it; striped where it differs"
        panels.append(Panel(title=title, pixels=drawn, labels=numbers))
    return panels


def _layout(window: tuple[int, int], spacing_mm: tuple[float, float], slices: int) -> Sheet:
    """Tiles as wide as their place allows and as high as their shape in mm asks."""
    wide = TILE if slices > 1 else 2 * TILE
    aspect = window[0] * spacing_mm[0] / (window[1] * spacing_mm[1])
    return Sheet(tile=(round(wide * min(aspect, 3.0)), wide), columns=min(slices, COLUMNS))


def _pens(names: Mapping[int, str]) -> list[Pen]:
    """A pen a label, the wall's first: its borders are its neighbours' too."""
    return [
        Pen(label=label, colour=COLOURS[label], dash=DASHES.get(names[label], 0))
        for label in sorted(names, key=lambda each: each != WALL)
    ]


def _numbers(chosen: Sequence[int], sheet: Sheet) -> list[tuple[str, int, int]]:
    tall, wide = sheet.tile
    return [
        (str(z + 1), place % sheet.columns * wide, place // sheet.columns * tall)
        for place, z in enumerate(chosen)
    ]


def _thumbnail(view: View, names: Mapping[int, str]) -> Array:
    """The slice with most of the heart, with contours."""
    image, mask = canonical(view.image)[0], canonical(view.mask)[0]
    z = int((mask.array > 0).sum(axis=(1, 2)).argmax())
    rows, columns = square(mask.array, mask.spacing_mm)
    one, labels = image.array[z : z + 1, rows, columns], mask.array[z : z + 1, rows, columns]
    aspect = one.shape[1] * mask.spacing_mm[1] / (one.shape[2] * mask.spacing_mm[2])
    sheet = Sheet(tile=(round(THUMBNAIL * min(aspect, 1.5)), THUMBNAIL), columns=1)
    low, high = np.percentile(one, (1, 99.5))
    return sheet.contours(sheet.grey(one, low, high), labels, _pens(names))


def _draw_row(canvas: Canvas, y: int, row: Sequence[Panel]) -> None:
    x = MARGIN
    for panel in row:
        end = canvas.text(x, y + 3, panel.title, size=13)
        if panel.scale:
            canvas.paste(heat_bar(60, 10), round(end) + 8, y + 5)
            canvas.text(end + 74, y + 4, panel.scale.full, size=11, colour=GREY)
        canvas.paste(panel.pixels, x, y + TITLE)
        for words, left, top in panel.labels:
            canvas.label(x + left + 1, y + TITLE + top + 1, words)
        x += panel.pixels.shape[1] + GAP


def _legend(canvas: Canvas, y: int, names: Mapping[int, str]) -> None:
    x = float(MARGIN)
    for label, name in names.items():
        dash = DASHES.get(name, 0)
        step = 2 * dash or 28
        for start in range(0, 28, step):
            piece = [(x + start, y + 9), (x + min(start + (dash or 28), 28), y + 9)]
            canvas.line([*piece], COLOURS[label], 3)
        canvas.text(x + 34, y + 2, name, size=13)
        x += 34 + width(name, 13) + 22
