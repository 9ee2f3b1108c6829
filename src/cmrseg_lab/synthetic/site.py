"""The points of a slice in a heart: all that is the same over the cycle, worked out once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg_lab.synthetic.anatomy import Heart
from cmrseg_lab.synthetic.grain import Grain
from cmrseg_lab.synthetic.surfaces import FAT_MOST, HeartPoints, Polar
from cmrseg_lab.synthetic.texture import Floats

PAD_MOST_MM = 36.0
"""How thick the fat outside the pericardium is at the most."""


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
    def of(cls, heart: Heart, point: HeartPoints, *, sparse: bool = False) -> Site:
        """Points (u, v, w) of a heart's frame, mm; arguments as for :meth:`Grain.of`."""
        grain = Grain.of(heart, point, sparse=sparse)
        polar = Polar.of(heart, grain.bent(point, heart.uneven_mm))
        cover = np.float32(0.4) * polar.cosine + np.float32(0.05) + np.float32(0.6) * grain.drift
        front = polar.cosine * np.float32(np.cos(heart.pad_angle))
        front += polar.sine * np.float32(np.sin(heart.pad_angle))
        pad = np.maximum(front, 0.0) ** 2 * (np.float32(0.3) + grain.broad)
        return cls(
            heart=heart,
            grain=grain,
            polar=polar,
            fat_mm=np.clip(cover, 0.0, FAT_MOST) * np.float32(heart.fat_mm),
            pad_mm=np.clip(np.float32(heart.pad_mm) * pad, 0.0, PAD_MOST_MM),
        )
