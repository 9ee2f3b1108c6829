"""Slices of an image as pixels: grey values, contours, maps laid over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageColor

from cmrseg.imaging.volume import Array

FINE = 2
"""Contours are drawn so many times finer than shown, and averaged."""

DASHES = {"infarction": 7, "no-reflow": 3}
"""Length of a dash in pixels, of structures not drawn in a whole line: those that lie within the
wall differ by more than colour."""

LEAST_MM = 60.0
"""However small a mask is, so much of the image is shown around it."""

# Dark violet over red to pale yellow: brightness rises evenly, so that it prints in grey.
HEAT = ((0, 0, 8), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """How a label's border is drawn.

    Attributes:
        label: its value in masks.
        colour: ``#rrggbb``.
        dash: length of a dash in pixels, 0 for a whole line.
    """

    label: int
    colour: str
    dash: int = 0


def window_around(mask: Array, count: int) -> list[int]:
    """Up to ``count`` slices from one below the heart to one above it, missed ones among them."""
    inside = np.flatnonzero(mask.any(axis=(1, 2)))
    low, high = (inside[0], inside[-1]) if len(inside) else (0, len(mask) - 1)
    low, high = max(low - 1, 0), min(high + 1, len(mask) - 1)
    return [round(z) for z in np.linspace(low, high, min(count, high - low + 1))]


def square(mask: Array, spacing_mm: Sequence[float], margin: float = 0.25) -> tuple[slice, slice]:
    """Rows and columns of a window, square in mm, around the labels of a (z, y, x) mask.

    Args:
        mask: labels; without any, the window is the whole image.
        spacing_mm: (z, y, x).
        margin: how much wider on each side than the labels, as a share of their extent.
    """
    y_mm, x_mm = spacing_mm[1:]
    inside = np.argwhere(mask.any(axis=0))
    if not len(inside):
        return slice(0, mask.shape[1]), slice(0, mask.shape[2])
    low, high = inside.min(axis=0), inside.max(axis=0) + 1
    half_mm = max((0.5 + margin) * max((high - low) * (y_mm, x_mm)), LEAST_MM / 2)
    windows = []
    middles = (low + high) / 2
    for middle, step_mm, size in zip(middles, (y_mm, x_mm), mask.shape[1:], strict=True):
        half = half_mm / step_mm
        windows.append(
            slice(max(0, int(middle - half)), min(size, int(np.ceil(middle + half)))),
        )
    return windows[0], windows[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Slices (n, y, x) of one window laid out in lines of ``columns``, each ``tile`` pixels big.

    Attributes:
        tile: rows and columns of a slice on the picture.
        columns: slices in a line.
    """

    tile: tuple[int, int]
    columns: int

    def size(self, count: int) -> tuple[int, int]:
        """Rows and columns, in pixels, of ``count`` slices laid out."""
        lines = -(-count // self.columns)
        return lines * self.tile[0], min(count, self.columns) * self.tile[1]

    def grey(self, slices: Array, low: float, high: float) -> Array:
        """(rows, columns, 3) uint8 of grey values, black at ``low`` and white at ``high``."""
        share = np.clip((slices.astype(np.float32) - low) / max(high - low, 1e-9), 0, 1)
        tiles = [_resized(one, self.tile, smooth=True) for one in share * 255]
        laid = self._laid(tiles, blank=255)
        return np.repeat(laid.astype(np.uint8)[..., None], 3, axis=-1)

    def values(self, slices: Array) -> Array:
        """(rows, columns) float32 of a map."""
        return self._laid([_resized(one, self.tile, smooth=True) for one in slices])

    def contours(self, onto: Array, slices: Array, pens: Sequence[Pen]) -> Array:
        """``onto`` (as ``grey`` gives it) with the border of each label, the first pen lowest."""
        fine = self.tile[0] * FINE, self.tile[1] * FINE
        drawn = onto.copy()
        for pen in pens:
            paint = np.array(ImageColor.getrgb(pen.colour), np.float32)
            for place in np.flatnonzero((slices == pen.label).any(axis=(1, 2))):
                inside = _resized(slices[place] == pen.label, fine, smooth=True) > 0.5
                alpha = _edge(inside, pen.dash)[..., None]
                tile = drawn[self._at(int(place))]
                tile[:] = tile + alpha * (paint - tile)
        return drawn

    def shaded(self, onto: Array, slices: Array, colour: str) -> Array:
        """``onto`` with stripes where ``slices`` (n, y, x) is true."""
        there = self._laid([_resized(one, self.tile, smooth=False) for one in slices]) > 0.5
        return striped(onto, there, colour)

    def _laid(self, tiles: Sequence[Array], blank: float = 0) -> Array:
        whole = np.full(self.size(len(tiles)), blank, np.float32)
        for place, tile in enumerate(tiles):
            whole[self._at(place)] = tile
        return whole

    def _at(self, place: int) -> tuple[slice, slice]:
        """Rows and columns of one tile on the picture."""
        tall, wide = self.tile
        line, column = divmod(place, self.columns)
        rows = slice(line * tall, (line + 1) * tall)
        return rows, slice(column * wide, (column + 1) * wide)


def striped(onto: Array, there: Array, colour: str) -> Array:
    """``onto`` (rows, columns, 3) with stripes where ``there`` (rows, columns) is true."""
    y, x = np.indices(there.shape)
    alpha = (there * np.where((x + y) % 5 < 2, 0.9, 0.25))[..., None]
    blended: Array = onto + alpha * (np.array(ImageColor.getrgb(colour)) - onto)
    return blended.astype(np.uint8)


def heated(onto: Array, share: Array) -> Array:
    """``onto`` (rows, columns, 3) under colours of heat, the fuller the higher the share (0-1)."""
    level = np.clip(share, 0, 1)
    colours = _heat()[(level * 255).astype(np.uint8)]
    alpha = (np.sqrt(level) * 0.85)[..., None]
    blended: Array = onto + alpha * (colours - onto)
    return blended.astype(np.uint8)


def heat_bar(wide: int, high: int) -> Array:
    """The colours of heat from nothing to full, (high, wide, 3)."""
    black = np.zeros((high, wide, 3), np.float32)
    return heated(black, np.broadcast_to(np.linspace(0, 1, wide), (high, wide)))


@lru_cache(maxsize=1)
def _heat() -> Array:
    """(256, 3) float32."""
    at = np.linspace(0, len(HEAT) - 1, 256)
    stops = np.array(HEAT, np.float32)
    channels = [np.interp(at, np.arange(len(HEAT)), stops[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _resized(one: Array, tile: tuple[int, int], *, smooth: bool) -> Array:
    """A slice at the size of a tile, float32."""
    way = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    image = Image.fromarray(np.ascontiguousarray(one, np.float32))
    return np.asarray(image.resize((tile[1], tile[0]), way))


def _edge(inside: Array, dash: int) -> Array:
    """How much of each pixel (0-1) the border of a shape ``FINE`` times finer covers."""
    # One pixel wide as shown: two of the finer ones.
    edge = inside & ~_eroded(_eroded(inside))
    if dash:
        y, x = np.indices(edge.shape, np.int16) // (dash * FINE)
        edge &= (x + y) % 2 == 0
    covered = np.zeros((edge.shape[0] // FINE, edge.shape[1] // FINE), np.float32)
    for row in range(FINE):
        for column in range(FINE):
            covered += edge[row::FINE, column::FINE]
    # A thin line of full colour reads better than a broad pale one.
    return np.minimum(covered * np.float32(1.4 / FINE**2), 1)


def _eroded(inside: Array) -> Array:
    """A shape without the pixels that have a neighbour outside; beyond the tile is inside."""
    core = inside.copy()
    core[1:] &= inside[:-1]
    core[:-1] &= inside[1:]
    core[:, 1:] &= inside[:, :-1]
    core[:, :-1] &= inside[:, 1:]
    return core
