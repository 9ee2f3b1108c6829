"""The points of one slice in some frame, and where in it a small thing lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cmrseg.imaging.volume import Array
from cmrseg_lab.synthetic.texture import STEP, Floats

Window = tuple[slice, slice, slice]

NOWHERE: Window = (slice(None), slice(0), slice(0))
"""A part of a slice without points."""


@dataclass(frozen=True, eq=False)
class Points:
    """Points on parallel planes through one slice.

    Attributes:
        corner: (3,) frame coordinates of the first row's first column, in the middle plane, mm.
        down: (3,) step from row to row.
        right: (3,) step from column to column.
        depths: (3, samples) steps from the middle plane.
        shape: rows and columns.
    """

    corner: Array
    down: Array
    right: Array
    depths: Array
    shape: tuple[int, int]

    @cached_property
    def xyz(self) -> tuple[Floats, Floats, Floats]:
        """The three coordinates, each (samples, rows, columns)."""
        rows = np.arange(self.shape[0], dtype=np.float32)[None, :, None]
        columns = np.arange(self.shape[1], dtype=np.float32)[None, None, :]
        starts = self.corner[:, None] + self.depths
        x, y, z = (
            (starts[k].astype(np.float32)[:, None, None] + rows * np.float32(self.down[k]))
            + columns * np.float32(self.right[k])
            for k in range(3)
        )
        return x, y, z

    def ball(self, centre: tuple[float, float, float], radius_mm: float) -> Window | None:
        """The part of the slice that can hold a ball; None if they do not meet."""
        away = np.asarray(centre, float) - self.corner
        steps = np.linalg.norm(self.down), np.linalg.norm(self.right)
        rows, columns = away @ self.down / steps[0], away @ self.right / steps[1]
        across = np.sqrt(max(float(away @ away) - rows**2 - columns**2, 0.0))
        across = max(across - float(np.linalg.norm(self.depths, axis=0).max()), 0.0)
        if across >= radius_mm:
            return None
        reach = float(np.sqrt(radius_mm**2 - across**2)) + 2.0
        spans = []
        for middle, step, count in zip((rows, columns), steps, self.shape, strict=True):
            start = int(np.clip((middle - reach) / step, 0, count))
            stop = int(np.clip((middle + reach) / step + 2, 0, count))
            if start >= stop:
                return None
            spans.append(slice(start, stop))
        return slice(None), spans[0], spans[1]

    def crop(self, window: Window) -> Points:
        """The points in a part of the slice; coordinates that are known are not made again."""
        _, rows, columns = window
        part = Points(
            corner=self.corner + rows.start * self.down + columns.start * self.right,
            down=self.down,
            right=self.right,
            depths=self.depths,
            shape=(rows.stop - rows.start, columns.stop - columns.start),
        )
        if "xyz" in self.__dict__:
            part.__dict__["xyz"] = self.within(window)  # where cached_property keeps it
        return part

    def sparse(self) -> Points:
        """Every fourth row and column of the middle plane, see :func:`around`."""
        middle = self.depths.shape[1] // 2
        rows, columns = self.shape
        return Points(
            corner=self.corner,
            down=STEP * self.down,
            right=STEP * self.right,
            depths=self.depths[:, middle : middle + 1],
            shape=(-(-rows // STEP), -(-columns // STEP)),
        )

    def within(self, window: Window) -> tuple[Floats, Floats, Floats]:
        """The coordinates in a part of the slice."""
        x, y, z = self.xyz
        return x[window], y[window], z[window]


def where(mask: npt.NDArray[np.bool_]) -> Window | None:
    """The part of a slice that holds all marked points; None without any.

    Args:
        mask: (samples, rows, columns).
    """
    flat = np.asarray(mask.any(0))
    rows, columns = (np.flatnonzero(flat.any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def sparse(field: Floats) -> Floats:
    """A field at every fourth row and column: enough to see where something is."""
    return np.asarray(field[:, ::STEP, ::STEP])


def around(mask: npt.NDArray[np.bool_], shape: tuple[int, int]) -> Window | None:
    """The part of a slice that holds all that was marked, and one step more on each side.

    It starts where a step does and ends at one, or with the slice, so that slow noise
    (:func:`cmrseg_lab.synthetic.texture.slow_noise`) is the same in the part as in the whole.

    Args:
        mask: marks at every fourth row and column, of :func:`sparse` fields.
        shape: rows and columns of the slice.

    Returns:
        None without any mark.
    """
    box = where(mask)
    if box is None:
        return None
    rows, columns = (
        slice(STEP * max(span.start - 1, 0), min(STEP * span.stop + 1, count))
        for span, count in zip(box[1:], shape, strict=True)
    )
    return slice(None), rows, columns
