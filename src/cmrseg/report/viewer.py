"""Every slice of a case for the page to leaf through: two pictures and what stands where in them.

One picture holds the slices and, beside them, the same under the colours of uncertainty; the other
holds contours alone, on nothing. Images stand side by side, slices below each other, so that a page
shows any slice by moving a picture behind a window: no pixel is read by a script, which browsers
refuse to pages opened from a disk.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cmrseg.imaging.orient import canonical
from cmrseg.imaging.volume import Array, Volume
from cmrseg.report.case_sheet import SCALES, SheetView, badness, colour_share, shown_map
from cmrseg.report.legend import pens
from cmrseg.report.thumbnails import Sheet, heated, square

TILE = 224
"""Width and height of a slice, in pixels."""
HIGHEST = 16_000
"""Pixels; WebP knows no higher picture."""
MARGIN = 0.6
"""How much wider than the heart the window is, on each side: what lies around it tells a lot."""
QUALITY = 60
"""Of grey values, 0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaves:
    """A case's slices.

    Attributes:
        slices: a WebP picture of grey values.
        lines: a WebP picture of contours with transparency.
        about: JSON: ``columns`` and ``lines`` (how many stand side by side in either picture),
            ``rows``, and of each image its ``role``, number of ``slices``, ``worst`` slice from 0
            and the columns of ``grey``, ``heat``, ``mask`` and ``rebuilt``, null for none.
    """

    slices: bytes
    lines: bytes
    about: str


def leaves(views: Sequence[SheetView], names: Mapping[int, str]) -> Leaves:
    """All slices of a case's images, at least one."""
    grey: list[Array] = []
    lines: list[Array] = []
    told = []
    rows = max(len(canonical(view.mask)[0].array) for view in views)
    side = min(TILE, HIGHEST // rows)
    for view in views:
        image, mask = canonical(view.image)[0].array, canonical(view.mask)[0]
        window = _window(view, mask)
        sheet = _strip(mask, window, side)
        near = image[:, *window]
        plain = sheet.grey(near, *np.percentile(near, (1, 99.5)))
        entry = {
            "role": view.role,
            "slices": len(mask.array),
            "worst": int(badness(view).argmax()),
            "grey": len(grey),
            "heat": None,
            "mask": len(lines),
            "rebuilt": None,
        }
        grey.append(_tiles(plain, sheet, side, rows))
        lines.append(_tiles(_outlines(sheet, mask.array[:, *window], names), sheet, side, rows))
        if name := shown_map(view):
            entry["heat"] = len(grey)
            values = sheet.values(canonical(view.maps[name])[0].array[:, *window])
            hot = heated(plain, colour_share(values, SCALES[name]))
            grey.append(_tiles(hot, sheet, side, rows))
        if view.expected is not None:
            entry["rebuilt"] = len(lines)
            rebuilt = canonical(view.expected)[0].array[:, *window]
            lines.append(_tiles(_outlines(sheet, rebuilt, names), sheet, side, rows))
        told.append(entry)
    about = {"columns": len(grey), "lines": len(lines), "rows": rows, "views": told}
    return Leaves(
        slices=_webp(grey, lossless=False),
        lines=_webp(lines, lossless=True),
        about=json.dumps(about),
    )


def _window(view: SheetView, mask: Volume) -> tuple[slice, slice]:
    found = mask.array > 0
    if view.expected is not None:
        found = found | (canonical(view.expected)[0].array > 0)
    return square(found, mask.spacing_mm, MARGIN)


def _strip(mask: Volume, window: tuple[slice, slice], side: int) -> Sheet:
    """Slices below each other, each as large as fits a square of ``side`` pixels."""
    tall, wide = mask.array[0, *window].shape
    high_mm, wide_mm = tall * mask.spacing_mm[1], wide * mask.spacing_mm[2]
    scale = side / max(high_mm, wide_mm)
    tile = (max(1, round(high_mm * scale)), max(1, round(wide_mm * scale)))
    return Sheet(tile=tile, columns=1)


def _outlines(sheet: Sheet, labels: Array, names: Mapping[int, str]) -> Array:
    """Contours on nothing: (rows, columns, 4) uint8."""
    size = (*sheet.size(len(labels)), 3)
    dark, light = (
        sheet.contours(np.full(size, ground, np.uint8), labels, pens(names)).astype(np.float32)
        for ground in (0, 255)
    )
    alpha = 255 - (light - dark).mean(axis=-1, keepdims=True)
    colour = np.clip(dark * 255 / np.maximum(alpha, 1), 0, 255)
    return np.concatenate([colour, alpha], axis=-1).round().astype(np.uint8)


def _tiles(strip: Array, sheet: Sheet, side: int, rows: int) -> Array:
    """A strip as a column of ``rows`` squares, each slice in the middle of its own."""
    tall, wide = sheet.tile
    slices = strip.reshape(-1, tall, wide, strip.shape[-1])
    column = np.zeros((rows, side, side, strip.shape[-1]), np.uint8)
    top, left = (side - tall) // 2, (side - wide) // 2
    column[: len(slices), top : top + tall, left : left + wide] = slices
    return column.reshape(rows * side, side, strip.shape[-1])


def _webp(columns: Sequence[Array], *, lossless: bool) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(np.concatenate(columns, axis=1))
    image.save(file, "WEBP", quality=QUALITY, lossless=lossless, method=2)
    return file.getvalue()
