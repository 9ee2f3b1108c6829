"""Texture of tissue: one noise tile, looked up at points, so that neighbouring slices agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

Floats = npt.NDArray[Any]  # float32 all the way; numpy's types lose that at each product

SIZE = 128
"""Cells along each side of the tile, a power of two so that wrapping is a mask."""


@lru_cache(maxsize=4)
def _tile(sigma_cells: float) -> Floats:
    """A periodic (SIZE**3,) tile of smooth noise with zero mean and unit deviation."""
    rng = np.random.default_rng(int(1000 * sigma_cells))
    noise = fft.rfftn(rng.standard_normal((SIZE, SIZE, SIZE), dtype=np.float32))
    frequency = np.arange(SIZE // 2 + 1)
    keep = np.exp(-2 * (np.pi * sigma_cells / SIZE * frequency) ** 2).astype(np.float32)
    both = np.concatenate([keep, keep[-2:0:-1]])
    smooth = fft.irfftn(noise * both[:, None, None] * both[:, None] * keep, s=[SIZE] * 3)
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32).ravel()


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """Where the points of a plane lie in the noise tile.

    Attributes:
        index: flat tile index of every point, any shape.
    """

    index: npt.NDArray[np.int32]

    @classmethod
    def at(cls, a: Floats, b: Floats, c: Floats, cell_mm: float, offset: int) -> Texture:
        """The lookup for points with coordinates ``a, b, c`` (mm, broadcast together).

        Args:
            a: first coordinate; likewise b and c.
            b: second coordinate.
            c: third coordinate.
            cell_mm: size of a cell, under a pixel lest cells be seen; the tile repeats after
                ``SIZE`` of them.
            offset: moves the whole texture, so that patients differ.
        """
        scale, mask = np.float32(1.0 / cell_mm), SIZE - 1
        shift = np.float32(8192.0)  # keeps the truncation below away from negative numbers
        i = ((a * scale + (shift + offset % SIZE)).astype(np.int32)) & mask
        j = ((b * scale + (shift + offset // SIZE % SIZE)).astype(np.int32)) & mask
        k = ((c * scale + (shift + offset // SIZE**2 % SIZE)).astype(np.int32)) & mask
        return cls(np.asarray((i * SIZE + j) * SIZE + k, np.int32))

    def fine(self) -> Floats:
        """Noise with grains of about four cells."""
        return self._look(1.6)

    def middle(self) -> Floats:
        """Noise with grains of about ten cells."""
        return self._look(4.0)

    def coarse(self) -> Floats:
        """Noise with grains of about two dozen cells."""
        return self._look(10.0)

    def _look(self, sigma_cells: float) -> Floats:
        # no index is out of range: wrapping only spares numpy the check
        return _tile(sigma_cells).take(self.index, mode="wrap")


STEP = 4
"""Slow noise is looked up at every fourth row and column."""


def slow_noise(a: Floats, b: Floats, c: Floats, cell_mm: float, offset: int) -> Floats:
    """:meth:`Texture.coarse` at the points of planes, interpolated between every fourth of them.

    Args:
        a: (planes, rows, columns) first coordinate of points in rows and columns; likewise b, c.
        b: second coordinate.
        c: third coordinate.
        cell_mm: as for :meth:`Texture.at`.
        offset: as for :meth:`Texture.at`.
    """
    x, y, z = (each[:, ::STEP, ::STEP] for each in np.broadcast_arrays(a, b, c))
    return spread(noise_here(x, y, z, cell_mm, offset), a.shape[1:])


def noise_here(a: Floats, b: Floats, c: Floats, cell_mm: float, offset: int) -> Floats:
    """What :func:`slow_noise` interpolates between, at all points; arguments as there."""
    return Texture.at(a, b, c, cell_mm, offset).coarse()


def spread(nodes: Floats, shape: tuple[int, ...]) -> Floats:
    """Values at every fourth row and column, linear in between and on beyond the last.

    Args:
        nodes: (planes, nodes down, nodes across).
        shape: rows and columns.
    """
    # no matrix product: its threads would fight with other processes for nothing
    left, right, share = _between(shape[1])
    first = nodes[:, :, left]
    across = first + share * (nodes[:, :, right] - first)
    above, below, share = _between(shape[0])
    values = across[:, below]
    first = across[:, above]
    values -= first
    values *= share[:, None]
    values += first
    return np.asarray(values)


@lru_cache(maxsize=512)
def _between(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """Which two nodes each of ``count`` places lies between, and how far on its way."""
    place, last = np.arange(count), (count - 1) // STEP
    left = np.minimum(place // STEP, max(last - 1, 0))
    share = place / np.float32(STEP) - left
    return left, np.minimum(left + 1, last), np.asarray(share, np.float32)
