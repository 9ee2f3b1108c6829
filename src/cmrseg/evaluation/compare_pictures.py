"""The same slices of one case side by side: each side's contours, and the truth's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.imaging.orient import canonical
from cmrseg.imaging.volume import Array, Volume
from cmrseg.report.canvas import Canvas, width
from cmrseg.report.case_sheet import SheetPart, slice_numbers
from cmrseg.report.legend import DIFFERS, Legend, pens
from cmrseg.report.thumbnails import Pen, Sheet, square, window_around

COLUMNS, SLICES = 3, 9
TILE, GAP, MARGIN, LINE = 140, 24, 14, 24
TITLE, SIDE = 17, 15
"""Sizes of letters in pixels: of the title, and of the sides' names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedImage:
    """One image of a case as each side sees it.

    Attributes:
        role: ``LGE``, ``SA_ED``, ...
        masks: title -> labels, all on the same voxels; the first is what others are striped
            against where they differ from it.
        image: the grey image on these voxels; None draws contours on black.
    """

    role: str
    masks: Mapping[str, Volume]
    image: Volume | None = None


def picture(title: str, scenes: Sequence[ComparedImage], names: Mapping[int, str]) -> bytes:
    """A case's images below one another, the sides beside one another.

    Args:
        title: written above all.
        scenes: at least one.
        names: label -> structure.

    Returns:
        A PNG.
    """
    rows = [_panels(scene, pens(names)) for scene in scenes]
    first = next(iter(scenes[0].masks))
    several = any(len(scene.masks) > 1 for scene in scenes)
    legend = Legend(names=names, differs=f"where it is not as {first}" if several else "")
    wide = max(sum(p.pixels.shape[1] + GAP for p in row) - GAP for row in rows)
    wide = round(max(wide, width(title, TITLE)))
    top = MARGIN + TITLE + 10
    high = top + legend.high(wide) + MARGIN
    canvas = Canvas(wide + 2 * MARGIN, high + sum(_high(row) for row in rows))
    canvas.text(MARGIN, MARGIN, title, size=TITLE)
    legend.draw(canvas, MARGIN, top, wide)
    y = top + legend.high(wide)
    for row in rows:
        left = MARGIN
        for panel in row:
            canvas.text(left, y + 4, panel.title, size=SIDE)
            canvas.paste(panel.pixels, left, y + LINE)
            for words, x, down in panel.labels:
                canvas.label(left + x + 1, y + LINE + down + 1, words)
            left += panel.pixels.shape[1] + GAP
        y += _high(row)
    return canvas.png()


def _high(row: Sequence[SheetPart]) -> int:
    return max(int(panel.pixels.shape[0]) for panel in row) + LINE + 8


def _panels(scene: ComparedImage, lines: Sequence[Pen]) -> list[SheetPart]:
    """A panel a side; slices and window are those that hold what any side found."""
    masks = {title: canonical(mask)[0] for title, mask in scene.masks.items()}
    first = next(iter(masks.values()))
    found = np.any([mask.array > 0 for mask in masks.values()], axis=0)
    rows, columns = square(found, first.spacing_mm)
    chosen = window_around(found, SLICES)
    window = first.array[0, rows, columns].shape
    aspect = window[0] * first.spacing_mm[1] / (window[1] * first.spacing_mm[2])
    wide = TILE if len(chosen) > 1 else 2 * TILE
    tile = (round(wide * min(aspect, 3.0)), wide)
    sheet = Sheet(tile=tile, columns=min(len(chosen), COLUMNS))

    def cut(volume: Volume) -> Array:
        return volume.array[chosen][:, rows, columns]

    grey = _grey(scene.image, sheet, chosen, (rows, columns), len(chosen), window)
    numbers = slice_numbers(chosen, sheet) if len(first.array) > 1 else []
    role = scene.role.replace("_", " ")
    drawn = []
    for title, mask in masks.items():
        labels = cut(mask)
        ground = grey
        if mask is not first:
            ground = sheet.shaded(grey, labels != cut(first), DIFFERS)
        pixels = sheet.contours(ground, labels, lines)
        drawn.append(SheetPart(title=f"{role}, {title}", pixels=pixels, labels=numbers))
    return drawn


def _grey(
    image: Volume | None,
    sheet: Sheet,
    chosen: Sequence[int],
    window: tuple[slice, slice],
    count: int,
    shape: tuple[int, ...],
) -> Array:
    if image is None:
        return sheet.grey(np.zeros((count, *shape), np.float32), 0, 1)
    near = canonical(image)[0].array[list(chosen)][:, window[0], window[1]]
    return sheet.grey(near, *np.percentile(near, (1, 99.5)))
