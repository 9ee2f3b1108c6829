"""The curves a heart is made of: outlines of the LV wall and the width of the RV around it.

The same functions give the volumes that shapes are solved for and the surfaces that are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cmrseg_lab.synthetic.texture import Floats

if TYPE_CHECKING:
    from cmrseg_lab.synthetic.anatomy import Phase

CONE = 1 - 0.4 / 3 - 0.6 / 4
"""Volume of an outline over that of the cylinder around it."""

RV_OUTFLOW_MM = 13.0
"""How far the outflow tract rises above the tricuspid plane."""

RV_APEX_REACH = 0.52
"""How far the RV embraces the LV at its apex, as a share of that at the tricuspid plane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A bowl around the long axis, open at the base.

    Its radius at height ``w`` and angle ``a`` is ``radius * form(a) * sqrt(1 - fall(t))`` where
    ``t`` runs from 0 at the base to 1 at the apex and ``fall = 0.4 t^2 + 0.6 t^3``.

    Attributes:
        base_w: height of the base.
        length_mm: from base to apex.
        radius_mm: at the base.
        form: weights of the septal lobe ``max(cos a, 0)^2``, cos 2a, sin 2a, cos 3a, sin 3a.
    """

    base_w: float
    length_mm: float
    radius_mm: float
    form: tuple[float, ...]

    @classmethod
    def of_volume(
        cls, volume_ml: float, base_w: float, length_mm: float, form: tuple[float, ...]
    ) -> Outline:
        """The outline of this length that encloses this volume."""
        unit = cls(base_w=base_w, length_mm=length_mm, radius_mm=1.0, form=form)
        radius = (volume_ml / unit.volume_ml()) ** 0.5
        return cls(base_w=base_w, length_mm=length_mm, radius_mm=float(radius), form=form)

    def volume_ml(self) -> float:
        """Enclosed volume, exact up to the sum over angles."""
        angle = np.linspace(0, 2 * np.pi, 128, endpoint=False, dtype=np.float32)
        area = (
            np.pi
            * self.radius_mm**2
            * float((self.around(np.cos(angle), np.sin(angle)) ** 2).mean())
        )
        return area * self.length_mm * CONE / 1000.0

    def around(self, cosine: Floats, sine: Floats) -> Floats:
        """``form`` at the angles with this cosine and sine."""
        lobe, c2, s2, c3, s3 = (np.float32(f) for f in self.form)
        septal = np.maximum(cosine, 0.0)
        cc = cosine * cosine
        cs = cosine * sine
        even = lobe * septal * septal + c2 * (2 * cc - 1) + 2 * s2 * cs
        odd = c3 * cosine * (4 * cc - 3) + s3 * sine * (4 * cc - 1)
        return np.asarray(even + odd + np.float32(1.0))

    def depth(self, w: Floats) -> Floats:
        """``t``: 0 at the base and above, growing towards the apex and past it."""
        return np.asarray(
            np.maximum((np.float32(self.base_w) - w) * np.float32(1 / self.length_mm), 0.0)
        )

    def radius(self, form: Floats, t: Floats) -> Floats:
        """Distance from the axis to the outline at a :meth:`depth`; 0 past the apex."""
        return np.asarray(np.float32(self.radius_mm) * form * np.sqrt(np.maximum(1 - fall(t), 0.0)))


def fall(t: Floats) -> Floats:
    """How the squared radius falls from base (0) to apex (1)."""
    return np.asarray(t * t * (np.float32(0.4) + np.float32(0.6) * t))


def rv_height(phase: Phase, w: Floats) -> Floats:
    """0 at the RV's apex and below, 1 at the tricuspid plane, more in the outflow tract."""
    span = phase.tricuspid_w - phase.rv_apex_w
    return np.asarray(np.maximum((w - np.float32(phase.rv_apex_w)) * np.float32(1 / span), 0))


def rv_axial(height: Floats) -> Floats:
    """Width of the RV over its greatest, at :func:`rv_height`."""
    low = np.minimum(height, 1.0)
    wide = low * (np.float32(1.05) - np.float32(0.35) * low * low) + np.float32(0.3) * np.sqrt(low)
    return np.asarray(wide - np.float32(0.6) * (height - low))


def rv_reach(phase: Phase, height: Floats) -> Floats:
    """Tangent of half the angle that the RV embraces on either side; less at its apex."""
    share = np.float32(RV_APEX_REACH) + np.float32(1 - RV_APEX_REACH) * np.minimum(height, 1.0)
    return np.asarray(np.float32(phase.rv_reach) * share)


def rv_crescent(phase: Phase, x: Floats, height: Floats) -> Floats:
    """Width of the RV around the LV, about 1 at the most.

    Seen from the LV's axis the free wall is made of three: it leaves the LV at either insertion
    nearly along its outline, and between these walls, on the diaphragm and behind the sternum, it
    is flat. Their smooth minimum has the corners that make the RV a shield and not a balloon;
    towards the apex they are rounder.

    Args:
        phase: the heart.
        x: from -1 (inferior insertion) over 0 (mid septum) to 1 (anterior insertion).
        height: of :func:`rv_height`.
    """
    sharp = np.float32(0.65) + np.float32(0.4) * np.minimum(height, 1.0)
    front, below = (np.float32(edge) * sharp for edge in phase.rv_edges)
    walls = _inverse_fifth(front * (1 - x)) + _inverse_fifth(below * (1 + x))
    side: Floats = 1 + np.float32(phase.rv_flat) * x * x
    if phase.bulge:
        side = side + np.float32(phase.bulge) * np.sin(7 * x + np.float32(1.0))
    side = side * side
    return np.asarray(1 / np.sqrt(np.sqrt(walls + 1 / (side * side))))


def _inverse_fifth(edge: Floats) -> Floats:
    """``edge^-5``, as good as infinite from 0 downwards."""
    edge = np.maximum(edge, np.float32(1e-3))
    square = edge * edge
    return np.asarray(1 / (square * square * edge))


def rv_roof(phase: Phase, x: Floats) -> Floats:
    """Height of the RV's upper end: tricuspid plane, rising anteriorly into the outflow tract."""
    s = np.clip((x - np.float32(0.1)) * np.float32(1.7), 0.0, 1.0)
    return np.asarray(
        np.float32(phase.tricuspid_w) + np.float32(RV_OUTFLOW_MM) * s * s * (3 - 2 * s)
    )


def rv_volume_ml(phase: Phase) -> float:
    """Volume of the RV cavity."""
    linear, square = rv_volume_terms(phase)
    return linear * phase.rv_width_mm + square * phase.rv_width_mm**2


def rv_volume_terms(phase: Phase) -> tuple[float, float]:
    """``(a, b)`` such that an RV of width ``d`` mm holds ``a d + b d^2`` mL."""
    x = np.linspace(-1, 1, 97, dtype=np.float32)[None, :]
    top = phase.tricuspid_w + RV_OUTFLOW_MM
    w = np.linspace(phase.rv_apex_w, top, 97, dtype=np.float32)[:, None]
    height = rv_height(phase, w)
    half = x * rv_reach(phase, height)
    angle = 2 * np.arctan(half)
    form = phase.epi.around(np.cos(angle), np.sin(angle))
    inner = phase.epi.radius(form, phase.epi.depth(w))
    outer = rv_axial(height) * rv_crescent(phase, x, height)
    outer = np.where(w < rv_roof(phase, x), np.maximum(outer, 0), 0)
    turn = 2 * rv_reach(phase, height) / (1 + half * half) * float(x[0, 1] - x[0, 0])
    cell = turn * (float(w[1, 0] - w[0, 0]) / 1000.0)
    return float((inner * outer * cell).sum()), float((outer * outer * cell).sum() / 2)
