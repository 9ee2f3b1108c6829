"""The points of a slice in a heart: all that is the same over the cycle, worked out once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg.synthetic.anatomy import Heart
from cmrseg.synthetic.grain import Grain
from cmrseg.synthetic.points import Window
from cmrseg.synthetic.surfaces import HeartPoints, Polar
from cmrseg.synthetic.texture import STEP, Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """Where in which heart something is painted.

    Attributes:
        heart: whose.
        grain: its noise at the points.
        polar: the points around the long axis, moved by that noise.
        fat_mm: thickness of the fat on the heart.
        pad_mm: thickness of the fat outside the pericardium.
    """

    heart: Heart
    grain: Grain
    polar: Polar
    fat_mm: Floats
    pad_mm: Floats

    @classmethod
    def of(cls, heart: Heart, point: HeartPoints) -> Site:
        """Points (u, v, w) of a heart's frame, mm."""
        grain = Grain.of(heart, point)
        polar = Polar.of(heart, grain.bent(point, heart.uneven_mm))
        cover = np.float32(0.4) * polar.cosine + np.float32(0.05) + np.float32(0.6) * grain.drift
        front = polar.cosine * np.float32(np.cos(heart.pad_angle))
        front += polar.sine * np.float32(np.sin(heart.pad_angle))
        pad = np.maximum(front, 0.0) ** 2 * (np.float32(0.3) + grain.broad)
        return cls(
            heart=heart,
            grain=grain,
            polar=polar,
            fat_mm=np.maximum(cover, 0.0) * np.float32(heart.fat_mm),
            pad_mm=np.float32(heart.pad_mm) * np.maximum(pad, 0.0),
        )

    def within(self, window: Window) -> Site:
        """The site in a part of the slice."""
        return Site(
            heart=self.heart,
            grain=self.grain.within(window),
            polar=self.polar.within(window),
            fat_mm=self.fat_mm[window],
            pad_mm=self.pad_mm[window],
        )

    def sparse(self) -> Site:
        """The site at every fourth row and column: enough to see where the heart is."""
        every = slice(None, None, STEP)
        return self.within((slice(None), every, every))
