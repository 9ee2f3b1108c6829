"""Painting tissues over one another, with partial volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg_lab.synthetic.shapes import share
from cmrseg_lab.synthetic.texture import Floats


@dataclass(slots=True, eq=False)
class SliceCanvas:
    """Signal at the points of one plane; later paint covers earlier paint.

    Attributes:
        signal: signed signal, any shape.
        pixel_mm: how wide an edge is.
    """

    signal: Floats
    pixel_mm: float

    def paint(self, distance_mm: Floats, value: Floats | float) -> Floats:
        """Cover the inside of a surface with a tissue; returns the share covered."""
        alpha = share(distance_mm, self.pixel_mm)
        self.blend(alpha, value)
        return alpha

    def part(self, window: tuple[slice, slice, slice]) -> SliceCanvas:
        """A part of this canvas; painting it paints this one."""
        return SliceCanvas(self.signal[window], self.pixel_mm)

    def blend(self, alpha: Floats, value: Floats | float) -> None:
        """Cover a share of each point with a tissue."""
        change = np.asarray(value, np.float32) - self.signal
        change *= alpha
        self.signal += change
