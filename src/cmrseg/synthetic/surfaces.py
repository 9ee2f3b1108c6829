"""The surfaces of the heart and great vessels, as signed distances at points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg.synthetic.anatomy import Heart, Phase
from cmrseg.synthetic.profiles import (
    Outline,
    fall,
    rv_axial,
    rv_crescent,
    rv_height,
    rv_reach,
    rv_roof,
)
from cmrseg.synthetic.shapes import blend_union, capsule, ellipsoid
from cmrseg.synthetic.texture import Floats

EDGE_MM = 1.4
"""About a pixel: what is thinner than this fills none."""

SEPTUM_MM = 2.5
"""Thickness of the wall between the atria."""

HeartPoints = tuple[Floats, Floats, Floats]
"""(u, v, w) in mm, see :mod:`cmrseg.synthetic.anatomy`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Above:
    """Signed distances to what lies above the valves, blood without walls.

    Attributes:
        left: left atrium.
        right: right atrium.
        aorta: ascending aorta and its root.
        pulmonary: pulmonary trunk.
    """

    left: Floats
    right: Floats
    aorta: Floats
    pulmonary: Floats

    def atria(self) -> Floats:
        """Signed distance to both atria."""
        return np.minimum(self.left, self.right)

    def vessels(self) -> Floats:
        """Signed distance to both great vessels."""
        return np.minimum(self.aorta, self.pulmonary)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surfaces:
    """Signed distances in mm at points (negative inside), all of one shape.

    Attributes:
        endo: LV cavity, without its lid.
        epi: outside of the LV, without its lid.
        base: the mitral plane; negative on the side of the ventricle.
        rv: RV cavity.
        rv_outside: RV cavity and wall together.
        above: atria and vessels, None where all points lie below them.
        depth: 0 at the endocardium to 1 at the epicardium, beyond outside.
        cosine: of the angle around the long axis, 1 at mid septum.
        sine: of that angle, 1 anterior.
    """

    endo: Floats
    epi: Floats
    base: Floats
    rv: Floats
    rv_outside: Floats
    above: Above | None
    depth: Floats
    cosine: Floats
    sine: Floats

    def heart(self) -> Floats:
        """Signed distance to the whole heart, creases filled."""
        both = blend_union(np.maximum(self.epi, self.base - 4), self.rv_outside, 10.0)
        if self.above is None:
            return both
        upper = np.minimum(self.above.atria(), self.above.vessels()) - np.float32(2.0)
        return blend_union(both, upper, 8.0)


def surfaces(heart: Heart, phase: Phase, point: HeartPoints) -> Surfaces:
    """All surfaces of the heart at points given in the heart frame."""
    u, v, w = point
    r = np.sqrt(u * u + v * v) + np.float32(1e-3)
    cosine, sine = u / r, v / r
    epi_form = phase.epi.around(cosine, sine)
    endo = _bowl(phase.endo, phase.endo.around(cosine, sine), r, w)
    epi = _bowl(phase.epi, epi_form, r, w)
    wall_radius = phase.epi.radius(epi_form, w)
    rv, rv_outside = _right_ventricle(phase, epi, r - wall_radius, w, (cosine, sine))
    return Surfaces(
        endo=endo,
        epi=epi,
        base=w - np.float32(phase.epi.base_w),
        rv=rv,
        rv_outside=rv_outside,
        above=_above(heart, phase, point),
        depth=endo / np.maximum(endo - epi, 0.5),
        cosine=cosine,
        sine=sine,
    )


def papillaries(heart: Heart, phase: Phase, point: HeartPoints) -> Floats | None:
    """Signed distance to the papillary muscles; None where all points are far from them.

    Each has a belly that leans on the wall and a slimmer head beside it, further into the cavity.
    """
    thick = heart.papillary_mm * (1 + 0.15 * phase.systole)
    base, length, reach = phase.endo.base_w, phase.endo.length_mm, phase.endo.radius_mm
    low, high = base - 0.82 * length, base - 0.36 * length
    w = point[2]
    if float(w.max()) < low - 2 * thick or float(w.min()) > high + 2 * thick:
        return None
    lobes = []
    for angle, split in zip(heart.papillary_angles, heart.papillary_splits, strict=True):
        for turn, out, tip, girth in ((-split, 0.82, 0.68, 1.0), (split, 0.78, 0.58, 0.72)):
            c, s = reach * float(np.cos(angle + turn)), reach * float(np.sin(angle + turn))
            # the cavity narrows towards the apex, and the muscles with it
            foot = (0.72 * out * c, 0.72 * out * s, low)
            lobes.append(capsule(*point, foot, (tip * c, tip * s, high), girth * thick))
    return np.minimum(np.minimum(lobes[0], lobes[1]), np.minimum(lobes[2], lobes[3]))


def _bowl(outline: Outline, form: Floats, r: Floats, w: Floats) -> Floats:
    """Signed distance to an LV outline: its implicit function over the gradient."""
    t = outline.depth(w)
    inverse = 1 / (np.float32(outline.radius_mm) * form)
    rr = r * inverse
    q = np.sqrt(rr * rr + fall(t) + np.float32(1e-6))
    across = rr * inverse
    along = t * (np.float32(0.4) + np.float32(0.9) * t) * np.float32(1 / outline.length_mm)
    return np.asarray((q - 1) * q / (np.sqrt(across * across + along * along) + np.float32(1e-3)))


def _right_ventricle(
    phase: Phase, epi: Floats, beyond_lv: Floats, w: Floats, direction: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Signed distances to the RV cavity, and to cavity and free wall together."""
    cosine, sine = direction
    height = rv_height(phase, w)
    x = sine / ((1 + cosine + np.float32(1e-4)) * rv_reach(phase, height))
    width = np.float32(phase.rv_width_mm) * rv_axial(height) * rv_crescent(phase, x)
    free_wall = (beyond_lv - width) * np.float32(0.88)
    body = np.maximum(free_wall, (w - rv_roof(phase, x)) * np.float32(0.9))
    # where both walls run through one voxel, the share between them is what is left of it
    cavity = np.maximum(np.maximum(body, -epi), body - epi + np.float32(0.5 * EDGE_MM))
    beside = np.maximum(np.abs(x) - np.float32(1.06), 0) * np.float32(30.0)
    outside = body - np.float32(phase.rv_wall_mm) + beside
    return cavity, np.maximum(outside, np.float32(phase.rv_apex_w - 2.0) - w)


def _above(heart: Heart, phase: Phase, point: HeartPoints) -> Above | None:
    w = point[2]
    base, tricuspid = phase.epi.base_w, phase.tricuspid_w
    if float(w.max()) < min(base, tricuspid) - 8:
        return None
    left, right = _atria(heart, phase, point)
    radius = phase.endo.radius_mm
    root = (0.42 * radius, 0.5 * radius, base - 4.0)
    aorta = capsule(*point, root, (16.0, 42.0, base + 50.0), 12.5)
    trunk = (0.35 * radius, 1.25 * radius + 12, tricuspid + 18.0)
    pulmonary = capsule(*point, trunk, (-22.0, 42.0, base + 44.0), 11.5)
    return Above(
        left=left,
        right=right,
        aorta=np.maximum(aorta, np.float32(base - 4.0) - w),
        pulmonary=pulmonary,
    )


def _atria(heart: Heart, phase: Phase, point: HeartPoints) -> tuple[Floats, Floats]:
    u, _, w = point
    base, tricuspid, scale = phase.epi.base_w, phase.tricuspid_w, phase.atrial_scale
    resting = heart.ed.epi.radius_mm
    # the atrial septum goes on where the ventricular septum ends, leaning to the right
    septum = u - np.float32(0.72 * resting) - np.float32(0.25) * (w - np.float32(base))
    tall = 0.5 * (24 + 0.35 * resting) * scale
    left = ellipsoid(*point, (0, -5, base + 0.85 * tall), (resting * scale, 23 * scale, tall))
    left = np.maximum(np.maximum(left, np.float32(base) - w), septum)
    # a defect opens the septum in its middle
    closed = np.abs(w - np.float32(base + 0.85 * tall)) >= np.float32(heart.septal_gap_mm / 2)
    wall = np.float32(SEPTUM_MM) * closed
    scale *= heart.ra_scale
    tall = 0.5 * (28 + 0.35 * resting) * scale
    wide = (0.32 * resting + 0.4 * heart.ed.rv_width_mm) * scale
    centre = (phase.epi.radius_mm + 0.5 * phase.rv_width_mm, -12, tricuspid + 0.8 * tall)
    right = ellipsoid(*point, centre, (wide, 26 * scale, tall))
    right = np.maximum(np.maximum(right, np.float32(tricuspid) - w), wall - septum)
    return left, right
