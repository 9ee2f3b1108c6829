"""The heart and great vessels at the points of a plane: signal, and the share of each label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg.synthetic.anatomy import Heart, Phase
from cmrseg.synthetic.canvas import Canvas
from cmrseg.synthetic.contrast import Contrast
from cmrseg.synthetic.infarct import Infarct
from cmrseg.synthetic.profiles import (
    Outline,
    fall,
    rv_axial,
    rv_crescent,
    rv_height,
    rv_reach,
    rv_roof,
)
from cmrseg.synthetic.shapes import blend_union, capsule, ellipsoid, share
from cmrseg.synthetic.texture import Floats, Texture

EDGE_MM = 1.4
"""About a pixel: what is thinner than this fills none."""


@dataclass(frozen=True, slots=True, eq=False)
class Surfaces:
    """Signed distances in mm at points (negative inside), all of one shape.

    Attributes:
        endo: LV cavity, without its lid.
        epi: outside of the LV, without its lid.
        base: the mitral plane; negative on the side of the ventricle.
        rv: RV cavity.
        rv_outside: RV cavity and wall together.
        atrium_left: left atrium.
        atrium_right: right atrium.
        aorta: ascending aorta and its root.
        pulmonary: pulmonary trunk.
        depth: 0 at the endocardium to 1 at the epicardium, beyond outside.
        cosine: of the angle around the long axis, 1 at mid septum.
        sine: of that angle, 1 anterior.
    """

    endo: Floats
    epi: Floats
    base: Floats
    rv: Floats
    rv_outside: Floats
    atrium_left: Floats
    atrium_right: Floats
    aorta: Floats
    pulmonary: Floats
    depth: Floats
    cosine: Floats
    sine: Floats


def _bowl(outline: Outline, form: Floats, r: Floats, w: Floats) -> Floats:
    """Signed distance to an LV outline."""
    t = outline.depth(w)
    inverse = 1 / (np.float32(outline.radius_mm) * form)
    rr = r * inverse
    q = np.sqrt(rr * rr + fall(t) + np.float32(1e-6))
    across = rr * inverse
    along = t * (np.float32(0.4) + np.float32(0.9) * t) * np.float32(1 / outline.length_mm)
    return np.asarray((q - 1) * q / (np.sqrt(across * across + along * along) + np.float32(1e-3)))


def surfaces(heart: Heart, phase: Phase, u: Floats, v: Floats, w: Floats) -> Surfaces:
    """All surfaces of the heart at points given in the heart frame."""
    r = np.sqrt(u * u + v * v) + np.float32(1e-3)
    cosine, sine = u / r, v / r
    endo_form, epi_form = phase.endo.around(cosine, sine), phase.epi.around(cosine, sine)
    endo = _bowl(phase.endo, endo_form, r, w)
    epi = _bowl(phase.epi, epi_form, r, w)
    rv, rv_outside = _right_ventricle(phase, epi, epi_form, (r, w), (cosine, sine))
    left, right, aorta, pulmonary = _neighbours(heart, phase, u, v, w)
    base = w - np.float32(phase.epi.base_w)
    return Surfaces(
        endo=endo, epi=epi, base=base, rv=rv, rv_outside=rv_outside,
        atrium_left=left, atrium_right=right, aorta=aorta, pulmonary=pulmonary,
        depth=endo / np.maximum(endo - epi, 0.5), cosine=cosine, sine=sine,
    )  # fmt: skip


def _right_ventricle(
    phase: Phase,
    epi: Floats,
    epi_form: Floats,
    rw: tuple[Floats, Floats],
    cs: tuple[Floats, Floats],
) -> tuple[Floats, Floats]:
    r, w = rw
    cosine, sine = cs
    height = rv_height(phase, w)
    x = sine / ((1 + cosine + np.float32(1e-4)) * rv_reach(phase, height))
    width = np.float32(phase.rv_width_mm) * rv_axial(height) * rv_crescent(phase, x)
    free_wall = (r - phase.epi.radius(epi_form, w) - width) * np.float32(0.88)
    body = np.maximum(free_wall, (w - rv_roof(phase, x)) * np.float32(0.9))
    # where both walls run through one voxel, the share between them is what is left of it
    cavity = np.maximum(np.maximum(body, -epi), body - epi + np.float32(0.5 * EDGE_MM))
    beside = np.maximum(np.abs(x) - np.float32(1.06), 0) * np.float32(30.0)
    outside = body - np.float32(phase.rv_wall_mm) + beside
    outside = np.maximum(outside, np.float32(phase.rv_apex_w - 2.0) - w)
    return cavity, outside


def _neighbours(
    heart: Heart, phase: Phase, u: Floats, v: Floats, w: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    radius, scale = phase.endo.radius_mm, phase.atrial_scale
    resting = heart.ed.epi.radius_mm
    base, tricuspid = phase.epi.base_w, phase.tricuspid_w
    # the atrial septum goes on where the ventricular septum ends, leaning to the right
    septum = u - np.float32(0.72 * resting) - np.float32(0.25) * (w - np.float32(base))
    tall = 0.5 * (24 + 0.35 * resting) * scale
    left = ellipsoid(u, v, w, (0, -5, base + 0.85 * tall), (resting * scale, 23 * scale, tall))
    wide = (0.32 * resting + 0.4 * heart.ed.rv_width_mm) * scale * heart.ra_scale
    tall = 0.5 * (28 + 0.35 * resting) * scale * heart.ra_scale
    centre = (phase.epi.radius_mm + 0.5 * phase.rv_width_mm, -12, tricuspid + 0.8 * tall)
    right = ellipsoid(u, v, w, centre, (wide, 26 * scale * heart.ra_scale, tall))
    left = np.maximum(np.maximum(left, np.float32(base) - w), septum)
    right = np.maximum(np.maximum(right, np.float32(tricuspid) - w), np.float32(2.5) - septum)
    root = (0.42 * radius, 0.5 * radius, base - 4.0)
    aorta = capsule(u, v, w, root, (16.0, 42.0, base + 50.0), 12.5)
    trunk = (0.35 * radius, 1.25 * radius + 12, tricuspid + 18.0)
    pulmonary = capsule(u, v, w, trunk, (-22.0, 42.0, base + 44.0), 11.5)
    return left, right, np.maximum(aorta, np.float32(base - 4.0) - w), pulmonary


def heart_distance(s: Surfaces) -> Floats:
    """Signed distance to the whole heart."""
    lower = np.maximum(s.epi, s.base - 4)
    both = blend_union(lower, s.rv_outside, 10.0)
    atria = np.minimum(s.atrium_left, s.atrium_right) - 2
    vessels = np.minimum(s.aorta, s.pulmonary) - 2
    return blend_union(both, np.minimum(atria, vessels), 8.0)


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Share of each voxel's points that lie in a structure.

    Attributes:
        cavity: LV cavity.
        wall: LV myocardium, infarct and no-reflow included.
        rv: RV cavity.
        infarct: infarct, no-reflow included; None without an infarct.
        no_reflow: no-reflow.
    """

    cavity: Floats
    wall: Floats
    rv: Floats
    infarct: Floats | None = None
    no_reflow: Floats | None = None


def paint_heart(
    canvas: Canvas,
    heart: Heart,
    phase: Phase,
    contrast: Contrast,
    point: tuple[Floats, Floats, Floats],
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
    u, v, w = point
    s = surfaces(heart, phase, u, v, w)
    grain = Texture.at(u, v, w * np.float32(0.35), 1.3, heart.texture)
    fine, middle, coarse = grain.fine(), grain.middle(), grain.coarse()
    _paint_surroundings(canvas, heart, contrast, s, coarse)
    muscle = contrast.myocardium * (1 + np.float32(0.08) * middle + np.float32(0.06) * coarse)
    canvas.paint(s.rv_outside, muscle)
    canvas.paint(np.minimum(s.atrium_left, s.atrium_right) - np.float32(1.8), muscle)
    canvas.paint(np.minimum(s.aorta, s.pulmonary) - np.float32(1.6), muscle)
    wall = canvas.paint(np.maximum(s.epi, s.base), muscle)
    dead, core = None, None
    if infarct:
        dead, core = _paint_infarct(canvas, phase, contrast, s, infarct, w, (fine, coarse))
        dead, core = dead * wall, core * wall
    flow = 1 + np.float32(0.08) * coarse + np.float32(0.08) * middle + np.float32(0.05) * fine
    _paint_blood(canvas, heart, contrast, s, flow)
    cavity, rv = _paint_ventricles(canvas, heart, phase, contrast, s, flow, middle, muscle, point)
    if dead is not None:
        dead, core = dead * (1 - cavity), core * (1 - cavity)
    return Shares(cavity=cavity, wall=wall - cavity, rv=rv, infarct=dead, no_reflow=core)


def _paint_infarct(
    canvas: Canvas,
    phase: Phase,
    contrast: Contrast,
    s: Surfaces,
    infarct: Infarct,
    w: Floats,
    noise: tuple[Floats, Floats],
) -> tuple[Floats, Floats]:
    """Paint infarct and no-reflow into the wall; returns their shares."""
    fine, coarse = noise
    wall = np.maximum(np.maximum(s.epi, s.base), -s.endo)
    window = infarct.window(s.cosine, s.sine, phase.endo.depth(w))
    reach = infarct.reach(window, coarse)
    thickness = np.maximum(s.endo - s.epi, 2.0)
    front = (s.depth - reach) * thickness
    dead = share(np.maximum(front, wall), canvas.pixel_mm)
    canvas.blend(dead, contrast.infarct * (1 + np.float32(0.1) * coarse + np.float32(0.04) * fine))
    if infarct.core <= 0:
        return dead, np.zeros_like(dead)
    rim = (np.float32(1 - infarct.core) - window - np.float32(0.12) * coarse) * np.float32(22.0)
    inner = np.maximum(rim, (s.depth - np.float32(0.72) * reach) * thickness)
    core = share(np.maximum(inner, wall), canvas.pixel_mm)
    canvas.blend(core, contrast.no_reflow)
    return dead, core


def _paint_surroundings(
    canvas: Canvas, heart: Heart, contrast: Contrast, s: Surfaces, coarse: Floats
) -> None:
    around = heart_distance(s)
    # fat lies over the RV and in the grooves, hardly over the LV's free wall
    cover = np.float32(0.4) + np.float32(0.4) * s.cosine + np.float32(0.5) * coarse
    thick = np.maximum(cover, 0.0) * np.float32(heart.fat_mm)
    front = s.cosine * np.float32(np.cos(heart.pad_angle))
    front += s.sine * np.float32(np.sin(heart.pad_angle))
    thick += np.float32(heart.pad_mm) * np.maximum(front, 0.0) ** 3
    canvas.paint(around - thick - np.float32(0.9), contrast.muscle * 0.5)
    canvas.paint(around - thick + np.float32(0.3), contrast.fat * (1 + np.float32(0.08) * coarse))


def _paint_blood(
    canvas: Canvas, heart: Heart, contrast: Contrast, s: Surfaces, flow: Floats
) -> None:
    canvas.paint(s.atrium_right, contrast.blood_right * flow)
    canvas.paint(s.atrium_left, contrast.blood * flow)
    canvas.paint(s.pulmonary, contrast.blood_right * flow)
    canvas.paint(s.aorta, contrast.blood * flow)


def _paint_ventricles(
    canvas: Canvas,
    heart: Heart,
    phase: Phase,
    contrast: Contrast,
    s: Surfaces,
    flow: Floats,
    middle: Floats,
    muscle: Floats,
    point: tuple[Floats, Floats, Floats],
) -> tuple[Floats, Floats]:
    rough = np.clip(middle - np.float32(0.2), 0.0, 1.4)
    lv_crypts, rv_crypts = (np.float32(m) for m in heart.trabeculae_mm)
    rv = share(s.rv, canvas.pixel_mm)
    canvas.paint(s.rv + rv_crypts * rough, contrast.blood_right * flow)
    cavity = share(np.maximum(s.endo, s.base), canvas.pixel_mm)
    canvas.paint(np.maximum(s.endo + lv_crypts * rough, s.base), contrast.blood * flow)
    canvas.paint(_papillaries(heart, phase, point) + np.float32(0.9) * middle, muscle)
    return cavity, rv


def _papillaries(heart: Heart, phase: Phase, point: tuple[Floats, Floats, Floats]) -> Floats:
    radius = heart.papillary_mm * (1 + 0.15 * phase.systole)
    length, base = phase.endo.length_mm, phase.endo.base_w
    rods = []
    for angle in heart.papillary_angles:
        c, s = np.cos(angle), np.sin(angle)
        reach = phase.endo.radius_mm
        low = (0.68 * reach * c, 0.68 * reach * s, base - 0.78 * length)
        high = (0.6 * reach * c, 0.6 * reach * s, base - 0.36 * length)
        rods.append(capsule(*point, low, high, radius))
    return np.minimum(*rods)
