"""The heart painted at the points of a slice, and the share of each structure there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg.synthetic.anatomy import Heart, Phase
from cmrseg.synthetic.canvas import Canvas
from cmrseg.synthetic.contrast import Contrast
from cmrseg.synthetic.infarct import Infarct
from cmrseg.synthetic.shapes import share
from cmrseg.synthetic.surfaces import HeartPoints, Surfaces, papillaries, surfaces
from cmrseg.synthetic.texture import Floats, Texture, slow_noise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shares:
    """Share of each voxel's points that lie in a structure.

    Attributes:
        cavity: LV cavity, papillary muscles and trabeculae included, as experts draw it.
        wall: LV myocardium, infarct and no-reflow included.
        rv: RV cavity, trabeculae included.
        infarct: infarct, no-reflow included; None without an infarct.
        no_reflow: no-reflow; None without an infarct.
    """

    cavity: Floats
    wall: Floats
    rv: Floats
    infarct: Floats | None = None
    no_reflow: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Palette:
    """What the painting steps share: tissues, the noise of this heart, and mixed colours.

    Attributes:
        contrast: tissue table.
        fine: noise with grains of 1 mm (deviation of the smoothing), standardised like the others.
        middle: grains of 2.6 mm.
        coarse: grains of 6.5 mm.
        broad: grains of 16 mm.
        drift: the same, elsewhere.
        muscle: myocardium.
        flow: blood's unevenness, around 1.
    """

    contrast: Contrast
    fine: Floats
    middle: Floats
    coarse: Floats
    broad: Floats
    drift: Floats
    muscle: Floats
    flow: Floats

    @classmethod
    def of(cls, heart: Heart, phase: Phase, contrast: Contrast, point: HeartPoints) -> _Palette:
        u, v, w = point
        # structures run along the heart: noise changes slowly from base to apex
        grain = Texture.at(u, v, w * np.float32(0.35), 0.65, heart.texture)
        fine, middle = grain.fine(), grain.middle()
        coarse = slow_noise(u, v, w * np.float32(0.35), 0.65, heart.texture)
        along = w * np.float32(0.6)
        broad = slow_noise(u, v, along, 1.6, heart.texture + 4096)
        drift = slow_noise(v, along, u, 1.6, heart.texture + 9192)
        uneven = 1 + np.float32(0.06) * (coarse + middle) + np.float32(0.07) * fine
        # blood swirls: slow where it is dark; jets leave streaks below the valves
        flow = 1 + np.float32(0.08) * drift + np.float32(0.05) * coarse
        flow += np.float32(0.05) * middle + np.float32(0.06) * fine
        below = np.clip((w - np.float32(phase.epi.base_w - 30)) * np.float32(1 / 30), 0, 1)
        streak = np.maximum(1 - np.abs(broad + np.float32(0.3) * coarse) * np.float32(3), 0)
        flow -= np.float32(0.25 + 0.2 * phase.systole) * below * streak
        return cls(
            contrast=contrast,
            fine=fine,
            middle=middle,
            coarse=coarse,
            broad=broad,
            drift=drift,
            muscle=np.float32(contrast.myocardium) * uneven,
            flow=flow,
        )

    def bent(self, point: HeartPoints, by_mm: float) -> HeartPoints:
        """The points moved across the axis, so that what is drawn at them is uneven."""
        u, v, w = point
        much, little = np.float32(by_mm), np.float32(0.25 * by_mm)
        return (
            u + much * self.broad + little * self.coarse,
            v + much * self.drift - little * self.coarse,
            w,
        )


def paint_heart(
    canvas: Canvas,
    heart: Heart,
    phase: Phase,
    contrast: Contrast,
    point: HeartPoints,
    infarct: Infarct | None = None,
) -> Shares:
    """Paint the heart over its surroundings.

    Args:
        canvas: signal at the points, painted in place.
        heart: what is the same over the cycle.
        phase: the moment.
        contrast: tissue table.
        point: (u, v, w) of the points in the heart frame, mm.
        infarct: dead myocardium, if any.

    Returns:
        The shares of the structures.
    """
    palette = _Palette.of(heart, phase, contrast, point)
    point = palette.bent(point, heart.uneven_mm)
    s = surfaces(heart, phase, point)
    _paint_fat(canvas, palette, heart, s)
    _paint_above(canvas, palette, s)
    canvas.paint(s.rv_outside, palette.muscle)
    wall = canvas.paint(np.maximum(s.epi, s.base), palette.muscle)
    height = phase.endo.depth(point[2])
    dead = _paint_infarct(canvas, palette, s, infarct, height) if infarct else None
    cavity, rv = _paint_ventricles(canvas, palette, heart, s, height)
    _paint_papillaries(canvas, palette, heart, phase, point)
    wall = wall - cavity
    if dead is None:
        return Shares(cavity=cavity, wall=wall, rv=rv)
    return Shares(cavity=cavity, wall=wall, rv=rv, infarct=dead[0] * wall, no_reflow=dead[1] * wall)


def _paint_fat(canvas: Canvas, palette: _Palette, heart: Heart, s: Surfaces) -> None:
    """Fat in the grooves and in patches on the RV, pericardium, and pads of fat outside it."""
    around = s.heart()
    front = s.cosine * np.float32(np.cos(heart.pad_angle))
    front += s.sine * np.float32(np.sin(heart.pad_angle))
    cover = np.float32(0.4) * s.cosine - np.float32(0.05) + np.float32(0.6) * palette.drift
    inner = around - np.maximum(cover, 0.0) * np.float32(heart.fat_mm)
    pad = np.maximum(front, 0.0) ** 2 * (np.float32(0.15) + palette.broad)
    outer = inner - np.float32(0.9) - np.float32(heart.pad_mm) * np.maximum(pad, 0.0)
    uneven = 1 + np.float32(0.1) * palette.coarse + np.float32(0.06) * palette.middle
    fat: Floats = np.float32(0.9 * palette.contrast.fat) * uneven
    canvas.paint(outer, fat)
    canvas.paint(inner - np.float32(0.7), 0.8 * palette.contrast.muscle)
    canvas.paint(inner, fat)


def _paint_above(canvas: Canvas, palette: _Palette, s: Surfaces) -> None:
    """Atria and great vessels, walls first."""
    if s.above is None:
        return
    canvas.paint(s.above.atria() - np.float32(1.8), palette.muscle)
    canvas.paint(s.above.vessels() - np.float32(1.6), palette.muscle)
    right, left = palette.contrast.blood_right, palette.contrast.blood
    canvas.paint(s.above.right, np.float32(right) * palette.flow)
    canvas.paint(s.above.left, np.float32(left) * palette.flow)
    canvas.paint(s.above.pulmonary, np.float32(right) * palette.flow)
    canvas.paint(s.above.aorta, np.float32(left) * palette.flow)


def _paint_ventricles(
    canvas: Canvas, palette: _Palette, heart: Heart, s: Surfaces, height: Floats
) -> tuple[Floats, Floats]:
    """Blood in both ventricles between trabeculae; returns the shares of the cavities."""
    right, left = palette.contrast.blood_right, palette.contrast.blood
    # hardly any at the base, a sponge at the apex, and a smooth septum in the LV
    apical = np.float32(0.25) + np.float32(1.1) * np.minimum(height, 1)
    free = np.float32(1.0) - np.float32(0.5) * np.maximum(s.cosine, 0)
    lv_mm, rv_mm = (np.float32(mm) * apical for mm in heart.trabeculae_mm)
    lv, rv = np.maximum(s.endo, s.base), s.rv
    rough = np.clip(np.float32(0.7) * palette.middle + np.float32(0.4) * palette.coarse, 0, 1.3)
    blood = share(rv + np.float32(0.8) * rv_mm * rough, 1.3 * canvas.pixel_mm)
    canvas.blend(blood, np.float32(right) * palette.flow)
    strands = _strands(heart, palette, s, height)
    blood = share(np.maximum(s.endo + lv_mm * free * strands, s.base), 1.3 * canvas.pixel_mm)
    canvas.blend(blood, np.float32(left) * palette.flow)
    return share(lv, canvas.pixel_mm), share(rv, canvas.pixel_mm)


def _strands(heart: Heart, palette: _Palette, s: Surfaces, height: Floats) -> Floats:
    """How far trabeculae reach into the LV, 0 to 1 and more: ridges that point at its middle.

    Args:
        heart: for its part of the noise.
        palette: for its noise.
        s: surfaces.
        height: 0 at the base to 1 at the apex.
    """
    around = np.float32(24)  # mm from the axis: about where their roots stand
    along = height * np.float32(16) + np.float32(0.1) * s.endo
    ridges = Texture.at(s.cosine * around, s.sine * around, along, 0.45, heart.texture).middle()
    return np.clip(np.float32(0.5) * ridges + np.float32(0.35) * palette.coarse, 0.0, 1.3)


def _paint_papillaries(
    canvas: Canvas, palette: _Palette, heart: Heart, phase: Phase, point: HeartPoints
) -> None:
    """Papillary muscles: lobes that grow out of the wall, blood seeping in between."""
    rods = papillaries(heart, phase, point)
    if rods is not None:
        rough = np.float32(1.5) * palette.middle + np.float32(1.1) * palette.coarse
        solid = share(rods + rough, 1.6 * canvas.pixel_mm)
        canvas.blend(np.float32(0.92) * solid, palette.muscle)


def _paint_infarct(
    canvas: Canvas, palette: _Palette, s: Surfaces, infarct: Infarct, height: Floats
) -> tuple[Floats, Floats]:
    """Paint infarct and no-reflow into the wall; returns which share of it they take."""
    fine, coarse = palette.fine, palette.coarse
    wall = np.maximum(np.maximum(s.epi, s.base), -s.endo)
    window = infarct.window(s.cosine, s.sine, height)
    reach = infarct.reach(window, coarse)
    thickness = np.maximum(s.endo - s.epi, 2.0)
    front = (s.depth - reach) * thickness
    dead = share(front, canvas.pixel_mm)
    uneven = 1 + np.float32(0.1) * coarse + np.float32(0.04) * fine
    inside = share(wall, canvas.pixel_mm)
    canvas.blend(dead * inside, np.float32(palette.contrast.infarct) * uneven)
    if infarct.core <= 0:
        return dead, np.zeros_like(dead)
    # 22 mm: about how far it is from the middle of a territory to its rim
    rim = (np.float32(1 - infarct.core) - window - np.float32(0.12) * coarse) * np.float32(22.0)
    inner = np.maximum(rim, (s.depth - np.float32(0.72) * reach) * thickness)
    core = share(inner, canvas.pixel_mm)
    canvas.blend(core * inside, palette.contrast.no_reflow)
    return dead, core
