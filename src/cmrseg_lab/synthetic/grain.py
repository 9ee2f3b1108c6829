"""What is the same over the cycle at the points of a slice in a heart, worked out once.

Above all the noise that the heart is made of.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from cmrseg_lab.synthetic.anatomy import Heart
from cmrseg_lab.synthetic.points import Window
from cmrseg_lab.synthetic.surfaces import FAT_MOST, HeartPoints, Polar
from cmrseg_lab.synthetic.texture import Floats, Texture, noise_here, slow_noise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grain:
    """Noise and what follows from it, all of one shape.

    Attributes:
        fine: noise with grains of 1 mm (deviation of the smoothing), standardised like the others.
        middle: grains of 2.6 mm.
        coarse: grains of 6.5 mm.
        broad: grains of 16 mm.
        drift: the same, elsewhere.
        muscle: how uneven muscle is, around 1.
        blood: how uneven blood is where it flows slowly, around 1.
        fat: how uneven fat is, around 1.
        streak: 1 in the middle of a jet, 0 outside.
    """

    fine: Floats
    middle: Floats
    coarse: Floats
    broad: Floats
    drift: Floats
    muscle: Floats
    blood: Floats
    fat: Floats
    streak: Floats

    @classmethod
    def of(cls, heart: Heart, point: HeartPoints, *, sparse: bool = False) -> Grain:
        """The grain of a heart at points in its frame.

        Args:
            heart: whose.
            point: (u, v, w), mm.
            sparse: whether these are but every fourth row and column of a slice's points.
        """
        slow_at = noise_here if sparse else slow_noise
        u, v, w = point
        # structures run along the heart: noise changes slowly from base to apex
        slow = w * np.float32(0.35)
        texture = Texture.at(u, v, slow, 0.65, heart.texture)
        fine, middle = texture.fine(), texture.middle()
        coarse = slow_at(u, v, slow, 0.65, heart.texture)
        along = w * np.float32(0.6)
        broad = slow_at(u, v, along, 1.6, heart.texture + 4096)
        drift = slow_at(v, along, u, 1.6, heart.texture + 9192)
        blood = 1 + np.float32(0.13) * drift + np.float32(0.07) * coarse
        blood += np.float32(0.05) * middle + np.float32(0.03) * fine
        return cls(
            fine=fine,
            middle=middle,
            coarse=coarse,
            broad=broad,
            drift=drift,
            muscle=1 + np.float32(0.05) * (coarse + middle) + np.float32(0.07) * fine,
            blood=blood,
            fat=1 + np.float32(0.1) * coarse + np.float32(0.06) * middle,
            streak=np.maximum(1 - np.abs(broad + np.float32(0.3) * coarse) * np.float32(3), 0),
        )

    def within(self, window: Window) -> Grain:
        """The grain in a part of the slice."""
        return Grain(**{each.name: getattr(self, each.name)[window] for each in fields(self)})

    def bent(self, point: HeartPoints, by_mm: float) -> HeartPoints:
        """The points moved across the axis, so that what is drawn at them is uneven."""
        u, v, w = point
        much, little = np.float32(by_mm), np.float32(0.25 * by_mm)
        return (
            u + much * self.broad + little * self.coarse,
            v + much * self.drift - little * self.coarse,
            w,
        )


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
