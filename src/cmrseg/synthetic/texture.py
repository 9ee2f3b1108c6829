"""Texture of tissue: one noise tile, looked up at points, so that neighbouring slices agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[Any]  # float32 all the way; numpy's types lose that at each product

SIZE = 64  # cells along each side of the tile, a power of two so that wrapping is a mask


@lru_cache(maxsize=4)
def _tile(sigma_cells: float) -> Floats:
    """A periodic (64**3,) tile of smooth noise with zero mean and unit deviation."""
    noise = np.random.default_rng(int(1000 * sigma_cells)).normal(size=(SIZE, SIZE, SIZE))
    smooth = ndimage.gaussian_filter(noise, sigma_cells, mode="wrap")
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
            cell_mm: size of a cell; the tile repeats after 64 of them.
            offset: moves the whole texture, so that patients differ.
        """
        scale, mask = np.float32(1.0 / cell_mm), SIZE - 1
        shift = np.float32(8192.0)  # keeps the truncation below away from negative numbers
        i = ((a * scale + (shift + offset % SIZE)).astype(np.int32)) & mask
        j = ((b * scale + (shift + offset // SIZE % SIZE)).astype(np.int32)) & mask
        k = ((c * scale + (shift + offset // SIZE**2 % SIZE)).astype(np.int32)) & mask
        return cls(np.asarray((i * SIZE + j) * SIZE + k, np.int32))

    def fine(self) -> Floats:
        """Noise with grains of about two cells."""
        return _tile(0.8)[self.index]

    def middle(self) -> Floats:
        """Noise with grains of about five cells."""
        return _tile(2.0)[self.index]

    def coarse(self) -> Floats:
        """Noise with grains of about a dozen cells."""
        return _tile(5.0)[self.index]
