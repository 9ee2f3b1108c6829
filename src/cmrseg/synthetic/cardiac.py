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
from cmrseg.synthetic.texture import Floats, Texture


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
    """What the painting steps share: tissues, the noise of this heart, and mixed colours."""

    contrast: Contrast
    fine: Floats
    middle: Floats
    coarse: Floats
    muscle: Floats
    flow: Floats

    @classmethod
    def of(cls, heart: Heart, contrast: Contrast, point: HeartPoints) -> _Palette:
        u, v, w = point
        # structures run along the heart: noise changes slowly from base to apex
        grain = Texture.at(u, v, w * np.float32(0.35), 1.3, heart.texture)
        fine, middle, coarse = grain.fine(), grain.middle(), grain.coarse()
        uneven = 1 + np.float32(0.08) * middle + np.float32(0.06) * coarse
        flow = 1 + np.float32(0.08) * (coarse + middle) + np.float32(0.05) * fine
        return cls(
            contrast=contrast,
            fine=fine,
            middle=middle,
            coarse=coarse,
            muscle=np.float32(contrast.myocardium) * uneven,
            flow=flow,
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
    s = surfaces(heart, phase, point)
    palette = _Palette.of(heart, contrast, point)
    _paint_fat(canvas, palette, heart, s)
    _paint_above(canvas, palette, s)
    canvas.paint(s.rv_outside, palette.muscle)
    wall = canvas.paint(np.maximum(s.epi, s.base), palette.muscle)
    height = phase.endo.depth(point[2])
    dead = _paint_infarct(canvas, palette, s, infarct, height) if infarct else None
    cavity, rv = _paint_ventricles(canvas, palette, heart, s)
    rods = papillaries(heart, phase, point)
    if rods is not None:
        canvas.paint(rods + np.float32(0.9) * palette.middle, palette.muscle)
    wall = wall - cavity
    if dead is None:
        return Shares(cavity=cavity, wall=wall, rv=rv)
    return Shares(cavity=cavity, wall=wall, rv=rv, infarct=dead[0] * wall, no_reflow=dead[1] * wall)


def _paint_fat(canvas: Canvas, palette: _Palette, heart: Heart, s: Surfaces) -> None:
    """Fat over the RV and in the grooves, hardly over the LV's free wall; pericardium around."""
    around = s.heart()
    cover = np.float32(0.4) + np.float32(0.4) * s.cosine + np.float32(0.5) * palette.coarse
    thick = np.maximum(cover, 0.0) * np.float32(heart.fat_mm)
    front = s.cosine * np.float32(np.cos(heart.pad_angle))
    front += s.sine * np.float32(np.sin(heart.pad_angle))
    thick += np.float32(heart.pad_mm) * np.maximum(front, 0.0) ** 3
    fat = np.float32(palette.contrast.fat) * (1 + np.float32(0.08) * palette.coarse)
    canvas.paint(around - thick - np.float32(0.9), 0.5 * palette.contrast.muscle)
    canvas.paint(around - thick + np.float32(0.3), fat)


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
    canvas: Canvas, palette: _Palette, heart: Heart, s: Surfaces
) -> tuple[Floats, Floats]:
    """Blood in both ventricles between trabeculae; returns the shares of the cavities."""
    rough = np.clip(palette.middle - np.float32(0.2), 0.0, 1.4)
    lv_crypts, rv_crypts = (np.float32(m) * rough for m in heart.trabeculae_mm)
    right, left = palette.contrast.blood_right, palette.contrast.blood
    canvas.paint(s.rv + rv_crypts, np.float32(right) * palette.flow)
    lv = np.maximum(s.endo, s.base)
    canvas.paint(np.maximum(s.endo + lv_crypts, s.base), np.float32(left) * palette.flow)
    return share(lv, canvas.pixel_mm), share(s.rv, canvas.pixel_mm)


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
