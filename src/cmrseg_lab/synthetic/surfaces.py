"""The surfaces of the heart and great vessels, as signed distances at points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg_lab.synthetic.anatomy import Heart, Phase
from cmrseg_lab.synthetic.points import Window, where
from cmrseg_lab.synthetic.profiles import (
    Outline,
    fall,
    rv_axial,
    rv_crescent,
    rv_height,
    rv_reach,
    rv_roof,
)
from cmrseg_lab.synthetic.shapes import blend_union, capsule, ellipsoid
from cmrseg_lab.synthetic.texture import Floats

EDGE_MM = 1.4
"""About a pixel: what is thinner than this fills none."""

FAT_MOST = 1.6
"""How thick the fat on a heart is at the most, over :attr:`Heart.fat_mm`."""

SEPTUM_MM = 2.5
"""Thickness of the wall between the atria."""

VENTRICLES = ("endo", "epi", "base", "rv", "rv_outside", "height", "cosine", "sine")
"""What of :class:`Surfaces` is there at all heights."""

HeartPoints = tuple[Floats, Floats, Floats]
"""(u, v, w) in mm, see :mod:`cmrseg_lab.synthetic.anatomy`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Polar:
    """Points around the long axis, and what of the outlines is the same over the cycle there.

    Attributes:
        point: (u, v, w).
        r: distance from the axis, mm.
        cosine: of the angle around it, 1 at mid septum.
        sine: of that angle, 1 anterior.
        endo_form: :meth:`Outline.around` of the cavity.
        epi_form: the same of the LV's outside.
    """

    point: HeartPoints
    r: Floats
    cosine: Floats
    sine: Floats
    endo_form: Floats
    epi_form: Floats

    @classmethod
    def of(cls, heart: Heart, point: HeartPoints) -> Polar:
        """The points (u, v, w) of the heart's frame."""
        u, v, _ = point
        r = np.sqrt(u * u + v * v) + np.float32(1e-3)
        cosine, sine = u / r, v / r
        return cls(
            point=point,
            r=r,
            cosine=cosine,
            sine=sine,
            endo_form=heart.ed.endo.around(cosine, sine),
            epi_form=heart.ed.epi.around(cosine, sine),
        )


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
        height: 0 at the mitral plane and above, 1 at the cavity's apex.
        cosine: of the angle around the long axis, 1 at mid septum.
        sine: of that angle, 1 anterior.
    """

    endo: Floats
    epi: Floats
    base: Floats
    rv: Floats
    rv_outside: Floats
    above: Above | None
    height: Floats
    cosine: Floats
    sine: Floats

    def depth(self) -> Floats:
        """0 at the endocardium to 1 at the epicardium, beyond outside."""
        return np.asarray(self.endo / np.maximum(self.endo - self.epi, 0.5))

    def within(self, window: Window) -> Surfaces:
        """The surfaces of the ventricles in a part of the slice."""
        parts = {name: getattr(self, name)[window] for name in VENTRICLES}
        return Surfaces(**parts, above=None)

    def ventricles(self) -> Floats:
        """Signed distance to both ventricles, the crease between them filled."""
        return blend_union(np.maximum(self.epi, self.base - 4), self.rv_outside, 10.0)

    def heart(self, ventricles: Floats) -> Floats:
        """Signed distance to the whole heart, creases filled; ``ventricles`` of that method."""
        if self.above is None:
            return ventricles
        upper = np.minimum(self.above.atria(), self.above.vessels()) - np.float32(2.0)
        return blend_union(ventricles, upper, 8.0)


def surfaces(heart: Heart, phase: Phase, polar: Polar) -> Surfaces:
    """All surfaces of the heart at points around its axis."""
    w = polar.point[2]
    height, t = phase.endo.depth(w), phase.epi.depth(w)
    endo = _bowl(phase.endo, polar.endo_form, polar.r, height)
    epi = _bowl(phase.epi, polar.epi_form, polar.r, t)
    beyond_lv = polar.r - phase.epi.radius(polar.epi_form, t)
    rv, rv_outside = _right_ventricle(phase, epi, beyond_lv, polar)
    return Surfaces(
        endo=endo,
        epi=epi,
        base=w - np.float32(phase.epi.base_w),
        rv=rv,
        rv_outside=rv_outside,
        above=_above(heart, phase, polar.point),
        height=height,
        cosine=polar.cosine,
        sine=polar.sine,
    )


def papillary_window(heart: Heart, phase: Phase, polar: Polar, margin_mm: float) -> Window | None:
    """The part of a slice this near to where papillary muscles can be; None far from them."""
    thick = _papillary_mm(heart, phase)
    low, high = _papillary_span(phase)
    w = polar.point[2]
    if float(w.max()) < low - 2 * thick or float(w.min()) > high + 2 * thick:
        return None
    reach = max(OUT * LEAN, TIP) * phase.endo.radius_mm + thick + margin_mm
    return where(polar.r < np.float32(reach))


OUT, LEAN, TIP = 0.82, 0.72, 0.68
"""How far from the axis a papillary muscle stands and how far its head, over the LV's radius."""


def papillaries(heart: Heart, phase: Phase, point: HeartPoints) -> Floats:
    """Signed distance to the papillary muscles.

    Each has a belly that leans on the wall and a slimmer head beside it, further into the cavity.
    """
    thick, reach = _papillary_mm(heart, phase), phase.endo.radius_mm
    low, high = _papillary_span(phase)
    lobes = []
    for angle, split in zip(heart.papillary_angles, heart.papillary_splits, strict=True):
        for turn, out, tip, girth in ((-split, OUT, TIP, 1.0), (split, 0.78, 0.58, 0.72)):
            c, s = reach * float(np.cos(angle + turn)), reach * float(np.sin(angle + turn))
            # the cavity narrows towards the apex, and the muscles with it
            foot = (LEAN * out * c, LEAN * out * s, low)
            lobes.append(capsule(*point, foot, (tip * c, tip * s, high), girth * thick))
    return np.minimum(np.minimum(lobes[0], lobes[1]), np.minimum(lobes[2], lobes[3]))


def _papillary_mm(heart: Heart, phase: Phase) -> float:
    return heart.papillary_mm * (1 + 0.15 * phase.systole)


def _papillary_span(phase: Phase) -> tuple[float, float]:
    """From which height to which they stand."""
    base, length = phase.endo.base_w, phase.endo.length_mm
    return base - 0.82 * length, base - 0.36 * length


def _bowl(outline: Outline, form: Floats, r: Floats, t: Floats) -> Floats:
    """Signed distance to an LV outline: its implicit function over the gradient."""
    inverse = 1 / (np.float32(outline.radius_mm) * form)
    rr = r * inverse
    q = np.sqrt(rr * rr + fall(t) + np.float32(1e-6))
    across = rr * inverse
    along = t * (np.float32(0.4) + np.float32(0.9) * t) * np.float32(1 / outline.length_mm)
    return np.asarray((q - 1) * q / (np.sqrt(across * across + along * along) + np.float32(1e-3)))


def _right_ventricle(
    phase: Phase, epi: Floats, beyond_lv: Floats, polar: Polar
) -> tuple[Floats, Floats]:
    """Signed distances to the RV cavity, and to cavity and free wall together."""
    w = polar.point[2]
    height = rv_height(phase, w)
    # opposite the septum, where both vanish, the sine must not: there is no RV
    sine = np.copysign(np.maximum(np.abs(polar.sine), -polar.cosine), polar.sine)
    x = sine / ((1 + polar.cosine + np.float32(1e-4)) * rv_reach(phase, height))
    width = np.float32(phase.rv_width_mm) * rv_axial(height) * rv_crescent(phase, x, height)
    free_wall = (beyond_lv - width) * np.float32(0.88)
    body = np.maximum(free_wall, (w - rv_roof(phase, x)) * np.float32(0.9))
    # where both walls run through one voxel, the share between them is what is left of it
    cavity = np.maximum(np.maximum(body, -epi), body - epi + np.float32(0.5 * EDGE_MM))
    beside = np.maximum(np.abs(x) - np.float32(1.06), 0) * np.float32(30.0)
    outside = body - np.float32(phase.rv_wall_mm) + beside
    below = np.float32(phase.rv_apex_w - 2.0) - w
    return np.maximum(cavity, below), np.maximum(outside, below)


def _above(heart: Heart, phase: Phase, point: HeartPoints) -> Above | None:
    w = point[2]
    base, tricuspid = phase.epi.base_w, phase.tricuspid_w
    # fat on the atria reaches lower than they do, and its seam with that on the ventricles too
    if float(w.max()) < min(base, tricuspid) - FAT_MOST * heart.fat_mm - 14:
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
