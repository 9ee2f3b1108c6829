"""The noise a heart is made of at the points of a slice: the same over the cycle."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from cmrseg_lab.synthetic.anatomy import Heart
from cmrseg_lab.synthetic.points import Window
from cmrseg_lab.synthetic.surfaces import HeartPoints
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
