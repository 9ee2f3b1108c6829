"""The same slices of one case side by side: each side's contours, and the truth's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.imaging.orient import canonical
from cmrseg.imaging.volume import Array, Volume
from cmrseg.report.ink import GREY, Canvas, width
from cmrseg.report.overlay import COLOURS, WALL
from cmrseg.report.sheet import DIFFERS
from cmrseg.report.tiles import DASHES, Pen, Sheet, around, square

COLUMNS, SLICES = 3, 9
TILE, GAP, MARGIN, LINE = 120, 16, 14, 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
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


def picture(title: str, scenes: Sequence[Scene], names: Mapping[int, str]) -> bytes:
    """A case's images below one another, the sides beside one another.

    Args:
        title: written above all.
        scenes: at least one.
        names: label -> structure.

    Returns:
        A PNG.
    """
    rows = [_panels(scene, _pens(names)) for scene in scenes]
    legend = sum(34 + width(name, 13) + 22 for name in names.values())
    wide = max(sum(p.shape[1] + GAP for p in row.values()) - GAP for row in rows)
    wide = round(max(wide, legend, width(title, 16))) + 2 * MARGIN
    high = 2 * MARGIN + 2 * LINE
    high += sum(max(p.shape[0] for p in row.values()) + LINE + 6 for row in rows)
    canvas = Canvas(wide, high)
    canvas.text(MARGIN, MARGIN, title, size=16)
    x = float(MARGIN)
    for label, name in names.items():
        canvas.line([(x, MARGIN + LINE + 9), (x + 28, MARGIN + LINE + 9)], COLOURS[label], 3)
        canvas.text(x + 34, MARGIN + LINE + 2, name, size=13)
        x += 34 + width(name, 13) + 22
    y = MARGIN + 2 * LINE
    for row in rows:
        left = MARGIN
        for words, pixels in row.items():
            canvas.text(left, y + 4, words, size=12, colour=GREY)
            canvas.paste(pixels, left, y + LINE)
            left += pixels.shape[1] + GAP
        y += max(p.shape[0] for p in row.values()) + LINE + 6
    return canvas.png()


def _panels(scene: Scene, pens: Sequence[Pen]) -> dict[str, Array]:
    """Title -> pixels; slices and window are those that hold what any side found."""
    masks = {title: canonical(mask)[0] for title, mask in scene.masks.items()}
    first = next(iter(masks.values()))
    found = np.any([mask.array > 0 for mask in masks.values()], axis=0)
    rows, columns = square(found, first.spacing_mm)
    chosen = around(found, SLICES)
    window = first.array[0, rows, columns].shape
    aspect = window[0] * first.spacing_mm[1] / (window[1] * first.spacing_mm[2])
    wide = TILE if len(chosen) > 1 else 2 * TILE
    tile = (round(wide * min(aspect, 3.0)), wide)
    sheet = Sheet(tile=tile, columns=min(len(chosen), COLUMNS))

    def cut(volume: Volume) -> Array:
        return volume.array[chosen][:, rows, columns]

    grey = _grey(scene.image, sheet, chosen, (rows, columns), len(chosen), window)
    drawn = {}
    for title, mask in masks.items():
        labels = cut(mask)
        ground = grey
        if mask is not first:
            ground = sheet.shaded(grey, labels != cut(first), DIFFERS)
        shown = f"{scene.role}, {title}" if mask is first else title
        drawn[shown] = sheet.contours(ground, labels, pens)
    return drawn


def _pens(names: Mapping[int, str]) -> list[Pen]:
    """A pen a label, the wall's first: its borders are its neighbours' too."""
    order = sorted(names, key=lambda label: label != WALL)
    return [Pen(label=n, colour=COLOURS[n], dash=DASHES.get(names[n], 0)) for n in order]


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
