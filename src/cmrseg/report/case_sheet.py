"""One picture a case: what was found, its slices with contours, and beside them what speaks
against it: where the networks were unsure, and what quality control would have expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cmrseg.imaging.orient import canonical
from cmrseg.imaging.volume import Array, Volume
from cmrseg.report.canvas import Canvas, small_jpeg
from cmrseg.report.case_header import Head
from cmrseg.report.legend import DIFFERS, Legend, Scale, pens
from cmrseg.report.overview import Overview
from cmrseg.report.status import CaseStatus
from cmrseg.report.thumbnails import Sheet, heated, square, window_around

COLUMNS = 4
SLICES_ALONE, SLICES_AMONG = 12, 8
"""Slices shown of a case's only image, and of one among others."""
TILE_ALONE, TILE_AMONG, TILE_SINGLE = 160, 106, 204
"""Width of a slice on the picture in pixels: of a case's only image, of one among others, and of
an image of one slice. A page shows pictures of this width as they are."""
WIDE = 1332
"""Images stand beside each other where they fit."""
MARGIN, GAP, TITLE = 14, 16, 22
THUMBNAIL = 96

SCALES = {
    "variance": Scale(
        title="spread of dropout samples (standard deviation)", top=0.3, full="0.3", root=True
    ),
    "entropy": Scale(
        title="entropy (0.69: two labels equally likely)", top=float(np.log(3)), full="1.1"
    ),
}
"""Maps that are shown, the first that there is; variance comes from samples and tells more. It is
averaged over the labels: of five, two of which are never or always drawn by halves, its root is
0.32. Entropy is full where three labels are equally likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetView:
    """One image of a case.

    Attributes:
        role: ``LGE``, ``SA_ED``, ...
        image: as it was read.
        mask: the recipe's labels on the same voxels.
        maps: float maps by name on the same voxels.
        expected: the labels that quality control makes of the mask, on the same voxels.
        trace: of a long axis, the short axis's mask along its plane, on the same voxels.
    """

    role: str
    image: Volume
    mask: Volume
    maps: Mapping[str, Volume] = field(default_factory=dict)
    expected: Volume | None = None
    trace: Volume | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPart:
    """A finished part of a picture.

    Attributes:
        title: written above it.
        pixels: (rows, columns, 3) uint8.
        labels: words to write on it, each with its place (x, y).
    """

    title: str
    pixels: Array
    labels: Sequence[tuple[str, int, int]] = ()


def case_sheet(
    case: str,
    views: Sequence[SheetView],
    names: Mapping[int, str],
    *,
    verdict: CaseStatus | None = None,
    overview: Overview | None = None,
    below: Sequence[SheetPart] = (),
    viewer: str = "",
) -> bytes:
    """Draw a case.

    Args:
        case: its id.
        views: its images, at least one.
        names: label -> structure.
        verdict: what it comes to.
        overview: what was measured.
        below: further parts, side by side under the images.
        viewer: what the page has to know to show the slices one by one (JSON), carried along.

    Returns:
        A PNG that carries a thumbnail (``ink.carried``).
    """
    alone = len(views) == 1
    rows = _rows([_band(view, names, alone=alone) for view in views])
    rows += [list(below)] if below else []
    head = Head(case=case, verdict=verdict, overview=overview or Overview())
    wide = round(max(*(_wide(row) for row in rows), head.wide, 640))
    legend = _legend(views, names)
    tall = head.high(wide) + legend.high(wide)
    canvas = Canvas(wide + 2 * MARGIN, 2 * MARGIN + tall + sum(_high(row) for row in rows))
    y = head.draw(canvas, MARGIN, MARGIN, wide)
    legend.draw(canvas, MARGIN, y, wide)
    y = MARGIN + tall
    for row in rows:
        _draw_row(canvas, y, row)
        y += _high(row)
    return canvas.png(small_jpeg(_thumbnail(views, names), THUMBNAIL), viewer)


def _rows(bands: Sequence[list[SheetPart]]) -> list[list[SheetPart]]:
    """Bands below each other, or beside each other where they fit."""
    rows: list[list[SheetPart]] = []
    for band in bands:
        joined = [*rows[-1], *band] if rows else band
        if rows and _wide(joined) <= WIDE:
            rows[-1] = joined
        else:
            rows.append(band)
    return rows


def _wide(row: Sequence[SheetPart]) -> int:
    return sum(int(panel.pixels.shape[1]) + GAP for panel in row) - GAP


def _high(row: Sequence[SheetPart]) -> int:
    return max(int(panel.pixels.shape[0]) for panel in row) + TITLE + 8


def _legend(views: Sequence[SheetView], names: Mapping[int, str]) -> Legend:
    maps = dict.fromkeys(name for view in views if (name := shown_map(view)))
    rebuilt = any(view.expected is not None for view in views)
    differs = "rebuilt by quality control: where it differs" if rebuilt else ""
    return Legend(names=names, scales=[SCALES[name] for name in maps], differs=differs)


def shown_map(view: SheetView) -> str | None:
    """The map of an image that is shown."""
    return next((name for name in SCALES if name in view.maps), None)


def _band(view: SheetView, names: Mapping[int, str], *, alone: bool) -> list[SheetPart]:
    """An image's slices with contours, with its map, and with what was expected."""
    image, mask = canonical(view.image)[0], canonical(view.mask)[0]
    # What the mask lacks shows only where both are.
    found = mask.array > 0
    if view.expected is not None:
        found = found | (canonical(view.expected)[0].array > 0)
    rows, columns = square(found, mask.spacing_mm)
    chosen = window_around(found, SLICES_ALONE if alone else SLICES_AMONG)

    def cut(volume: Volume) -> Array:
        return canonical(volume)[0].array[chosen][:, rows, columns]

    wide = TILE_SINGLE if len(chosen) == 1 else TILE_ALONE if alone else TILE_AMONG
    sheet = _layout(mask.array[0, rows, columns].shape, mask.spacing_mm[1:], len(chosen), wide)
    near = image.array[chosen][:, rows, columns]
    grey = sheet.grey(near, *np.percentile(near, (1, 99.5)))
    labels = mask.array[chosen][:, rows, columns]
    numbers = slice_numbers(chosen, sheet) if len(mask.array) > 1 else []
    role = view.role.replace("_", " ")
    left_out = len(chosen) < len(mask.array)
    title = f"{role}, {len(chosen)} of {len(mask.array)} slices" if left_out else role
    drawn = sheet.contours(grey, labels, pens(names))
    panels = [SheetPart(title=title, pixels=drawn, labels=numbers)]
    if name := shown_map(view):
        pixels = heated(grey, colour_share(sheet.values(cut(view.maps[name])), SCALES[name]))
        panels.append(SheetPart(title=f"{role}, how unsure", pixels=pixels, labels=numbers))
    if view.expected is not None:
        expected = cut(view.expected)
        drawn = sheet.shaded(grey, expected != labels, DIFFERS)
        drawn = sheet.contours(drawn, expected, pens(names))
        title = f"{role}, rebuilt by quality control"
        panels.append(SheetPart(title=title, pixels=drawn, labels=numbers))
    if view.trace is not None:
        drawn = sheet.contours(grey, cut(view.trace), pens(names))
        panels.append(SheetPart(title=f"{role}, the short axis's mask", pixels=drawn))
    return panels


def colour_share(values: Array, scale: Scale) -> Array:
    """Values of a map between nothing and a full colour, 0 to 1 and beyond."""
    shown = np.sqrt(np.maximum(values, 0)) if scale.root else values
    return shown / scale.top


def _layout(
    window: tuple[int, int], spacing_mm: tuple[float, float], slices: int, wide: int
) -> Sheet:
    """Tiles as wide as asked for and as high as their shape in mm asks."""
    aspect = window[0] * spacing_mm[0] / (window[1] * spacing_mm[1])
    return Sheet(tile=(round(wide * min(aspect, 3.0)), wide), columns=min(slices, COLUMNS))


def slice_numbers(chosen: Sequence[int], sheet: Sheet) -> list[tuple[str, int, int]]:
    """The number of each slice shown, from 1, with the place of its tile (x, y)."""
    tall, wide = sheet.tile
    return [
        (str(z + 1), place % sheet.columns * wide, place // sheet.columns * tall)
        for place, z in enumerate(chosen)
    ]


def badness(view: SheetView) -> Array:
    """How much speaks against each slice of an image, (z,) float.

    It is the area where quality control's reconstruction differs, in mm2; else the sum of the map
    that is shown; else of the heart, so that the fullest slice stands for all.
    """
    mask = canonical(view.mask)[0]
    if view.expected is not None:
        wrong = canonical(view.expected)[0].array != mask.array
    elif name := shown_map(view):
        wrong = canonical(view.maps[name])[0].array
    else:
        wrong = mask.array > 0
    pixel_mm2 = mask.spacing_mm[1] * mask.spacing_mm[2]
    return np.asarray(wrong.sum(axis=(1, 2), dtype=np.float64) * pixel_mm2)


def _thumbnail(views: Sequence[SheetView], names: Mapping[int, str]) -> Array:
    """The worst slice of the worst image, with contours."""
    view = max(views, key=lambda one: badness(one).max())
    image, mask = canonical(view.image)[0], canonical(view.mask)[0]
    z = int(badness(view).argmax())
    rows, columns = square(mask.array, mask.spacing_mm)
    one, labels = image.array[z : z + 1, rows, columns], mask.array[z : z + 1, rows, columns]
    aspect = one.shape[1] * mask.spacing_mm[1] / (one.shape[2] * mask.spacing_mm[2])
    sheet = Sheet(tile=(round(THUMBNAIL * min(aspect, 1.5)), THUMBNAIL), columns=1)
    low, high = np.percentile(one, (1, 99.5))
    return sheet.contours(sheet.grey(one, low, high), labels, pens(names))


def _draw_row(canvas: Canvas, y: int, row: Sequence[SheetPart]) -> None:
    x = MARGIN
    for panel in row:
        canvas.text(x, y + 3, panel.title, size=13)
        canvas.paste(panel.pixels, x, y + TITLE)
        for words, left, top in panel.labels:
            canvas.label(x + left + 1, y + TITLE + top + 1, words)
        x += panel.pixels.shape[1] + GAP
