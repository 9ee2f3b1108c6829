"""One heart: shape parameters drawn from a population, end-diastole and end-systole linked.

The heart frame has its origin at the centre of the mitral plane at end-diastole, and in mm
``u`` towards the right ventricle, ``v`` towards the anterior wall, ``w`` towards the base. The
apex stays where it is over the cycle, and the base comes down to it.

Volumes are drawn first, from the group's table, and the shapes are then solved for them, so that
a synthetic group has the volumes of its real counterpart by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, radians, sqrt, tan

import numpy as np

from cmrseg_lab.synthetic.groups import GROUPS, Group, Range
from cmrseg_lab.synthetic.profiles import Outline, rv_volume_terms
from cmrseg_lab.synthetic.texture import SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """The heart at one moment; lengths in mm, angles as in :class:`Heart`'s frame.

    Attributes:
        endo: LV cavity.
        epi: outside of the LV wall.
        rv_width_mm: widest distance of the RV free wall from the LV wall.
        rv_apex_w: where the RV ends towards the apex.
        tricuspid_w: height of the tricuspid plane.
        rv_reach: tangent of half the angle that the RV embraces on either side.
        rv_edges: how fast the RV widens from its anterior and its inferior insertion.
        rv_flat: how flat its free wall is, 0 for an arc around the LV.
        rv_wall_mm: RV free wall thickness.
        bulge: outward bulges of the RV free wall, share of its width.
        atrial_scale: size of the atria (largest at end-systole).
        systole: 0 at end-diastole, 1 at end-systole.
    """

    endo: Outline
    epi: Outline
    rv_width_mm: float
    rv_apex_w: float
    tricuspid_w: float
    rv_reach: float
    rv_edges: tuple[float, float]
    rv_flat: float
    rv_wall_mm: float
    bulge: float
    atrial_scale: float
    systole: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """A heart over its cycle.

    Attributes:
        group: key of ``GROUPS``.
        ed: end-diastole.
        es: end-systole.
        septal_gap_mm: hole between the atria, 0 for none.
        ra_scale: size of the right atrium.
        papillary_mm: radius of the papillary muscles at end-diastole.
        papillary_angles: where they stand, radians from ``u`` towards ``v``.
        papillary_splits: half the angle between the two lobes of each, radians.
        trabeculae_mm: how far trabeculae reach into the cavities (LV, RV).
        uneven_mm: how far the noise moves all outlines.
        fat_mm: thickness of the fat on the heart where there is some.
        pad_mm: of the fat outside the pericardium.
        pad_angle: where, radians from ``u`` towards ``v``.
        texture: which part of the noise this heart is made of.
    """

    group: str
    ed: Phase
    es: Phase
    septal_gap_mm: float
    ra_scale: float
    papillary_mm: float
    papillary_angles: tuple[float, float]
    papillary_splits: tuple[float, float]
    trabeculae_mm: tuple[float, float]
    uneven_mm: float
    fat_mm: float
    pad_mm: float
    pad_angle: float
    texture: int


def draw(rng: np.random.Generator, bounds: Range, low: float, high: float) -> float:
    """A normal number, drawn again until it lies within ``low`` to ``high``."""
    for _ in range(64):
        value = rng.normal(*bounds)
        if low <= value <= high:
            return float(value)
    return float(np.clip(bounds[0], low, high))


def draw_heart(rng: np.random.Generator, group: str, *, size: float = 1.0) -> Heart:
    """A heart of the group.

    Args:
        rng: all randomness.
        group: key of ``GROUPS``.
        size: scales all volumes (body size).
    """
    g = GROUPS[group]
    volumes = _volumes(rng, g, size)
    septal = draw(rng, g.septal, -0.15, 1.0)
    flat = draw(rng, g.flattening, -0.06, 0.32) + 0.075
    endo_form = _form(rng, flat, -septal * 0.33)
    epi_form = _form(rng, flat * 0.85, septal * 0.05)
    ed, es = _phases(rng, g, volumes, endo_form, epi_form)
    return Heart(
        group=group,
        ed=ed,
        es=es,
        septal_gap_mm=draw(rng, g.septal_gap_mm, 0.0, 30.0),
        ra_scale=draw(rng, g.ra_scale, 0.8, 2.0),
        papillary_mm=draw(rng, (4.0, 0.8), 2.2, 6.0),
        papillary_angles=(radians(rng.normal(128, 12)), radians(rng.normal(-128, 12))),
        papillary_splits=(float(rng.uniform(0.06, 0.3)), float(rng.uniform(0.06, 0.3))),
        trabeculae_mm=(draw(rng, (6.8, 1.8), 2.5, 11.0), draw(rng, (8.8, 2.2), 4.0, 14.0)),
        uneven_mm=draw(rng, (1.3, 0.4), 0.5, 2.4),
        fat_mm=draw(rng, (4.2, 2.0), 0.5, 10.0),
        pad_mm=float(np.clip(np.exp(rng.normal(2.2, 0.6)), 2, 24)),
        pad_angle=radians(rng.normal(0, 45)),
        texture=int(rng.integers(SIZE**3)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Volumes:
    lv: tuple[float, float]
    wall: tuple[float, float]
    rv: tuple[float, float]


def _volumes(rng: np.random.Generator, g: Group, size: float) -> _Volumes:
    """End-diastolic and end-systolic volumes in mL; large hearts are large all over."""
    common = rng.normal()
    lv = size * _together(rng, common, 0.9, g.lv_edv_ml)
    rv = size * _together(rng, common, 0.6, g.rv_edv_ml)
    mass = size * _together(rng, common, 0.75, g.mass_ml)
    lv_es = lv * (1 - draw(rng, g.lv_ef, 0.08, 0.82))
    rv_es = rv * (1 - draw(rng, g.rv_ef, 0.1, 0.76))
    # experts draw the systolic wall thicker: compacted trabeculae are counted as muscle
    return _Volumes(lv=(lv, lv_es), wall=(mass, mass * draw(rng, (1.12, 0.05), 1.0, 1.25)),
                    rv=(rv, rv_es))  # fmt: skip


def _together(rng: np.random.Generator, common: float, share: float, bounds: Range) -> float:
    """A draw that goes with ``common`` to this correlation; never below 0.45 of the mean."""
    z = share * common + sqrt(1 - share * share) * rng.normal()
    return float(max(bounds[0] + bounds[1] * np.clip(z, -2.4, 2.4), 0.45 * bounds[0]))


def _form(rng: np.random.Generator, flat: float, septal: float) -> tuple[float, ...]:
    """Harmonics of an LV outline: septal lobe, then cos and sin of 2 and 3 times the angle."""
    return (septal - flat, *rng.normal(0, 0.024, 2), *rng.normal(0, 0.012, 2))


def _phases(
    rng: np.random.Generator,
    g: Group,
    volumes: _Volumes,
    endo_form: tuple[float, ...],
    epi_form: tuple[float, ...],
) -> tuple[Phase, Phase]:
    slender = draw(rng, g.slenderness, 2.3, 4.2)
    ratio = Outline(base_w=0, length_mm=1, radius_mm=1, form=endo_form).volume_ml()
    radius = (volumes.lv[0] / ratio / slender) ** (1 / 3)
    length = slender * radius
    ef = 1 - volumes.lv[1] / volumes.lv[0]
    # the base comes down by a share of the length that goes with the ejection fraction
    descent = length * float(np.clip(0.04 + 0.19 * ef + rng.normal(0, 0.015), 0.03, 0.24))
    rv_ef = 1 - volumes.rv[1] / volumes.rv[0]
    reach, flat = _embrace_deg(rng, volumes), draw(rng, (0.35, 0.2), -0.2, 0.8)
    edges = draw(rng, (1.6, 0.35), 0.9, 2.6), draw(rng, (2.7, 0.6), 1.3, 4.4)
    gap = draw(rng, (0.05, 0.04), -0.02, 0.16) * length
    below, rise = draw(rng, (4, 3), -2, 12), float(np.clip(6 + 18 * rv_ef, 4, 22))
    wall, bulge = draw(rng, g.rv_wall_mm, 1.2, 8), draw(rng, g.bulge, 0, 0.12)
    apex, phases = None, []
    for systole in (0, 1):
        base = -descent * systole
        endo, epi = _walls(volumes.lv[systole], volumes.wall[systole], base, length, apex,
                           (endo_form, epi_form))  # fmt: skip
        apex = epi.base_w - epi.length_mm
        tricuspid = -below - rise * systole
        rv_apex = apex + (epi.length_mm - endo.length_mm) * 0.6 + gap * (1 + 0.5 * systole)
        phase = Phase(
            endo=endo, epi=epi, rv_width_mm=1.0, rv_apex_w=rv_apex, tricuspid_w=tricuspid,
            rv_reach=tan(radians(reach - 4 * systole) / 2), rv_edges=edges, rv_flat=flat,
            rv_wall_mm=wall * (1 + 0.4 * systole), bulge=bulge,
            atrial_scale=1.0 + 0.16 * systole, systole=float(systole),
        )  # fmt: skip
        phases.append(_with_rv_volume(phase, volumes.rv[systole]))
    return phases[0], phases[1]


def _embrace_deg(rng: np.random.Generator, volumes: _Volumes) -> float:
    """Half the angle that the RV embraces at its widest: a small RV embraces less of the LV."""
    usual = 0.6 * (volumes.lv[0] + volumes.wall[0])
    return draw(rng, (74, 5), 60, 88) + float(np.clip(10 * log(volumes.rv[0] / usual), -8, 6))


def _walls(
    cavity_ml: float,
    wall_ml: float,
    base_w: float,
    length_mm: float,
    apex_w: float | None,
    forms: tuple[tuple[float, ...], tuple[float, ...]],
) -> tuple[Outline, Outline]:
    """The two outlines of the LV wall that enclose these volumes.

    Without ``apex_w`` the cavity has the given length; with it the outside ends there, and the
    cavity's length follows from the wall's thickness at the apex.
    """
    endo = Outline.of_volume(cavity_ml, base_w, length_mm, forms[0])
    epi = endo
    for _ in range(8):
        thickness = 0.75 * max(epi.radius_mm - endo.radius_mm, 2.0)
        if apex_w is not None:
            endo = Outline.of_volume(cavity_ml, base_w, base_w - apex_w - thickness, forms[0])
        epi = Outline.of_volume(cavity_ml + wall_ml, base_w, endo.length_mm + thickness, forms[1])
    return endo, epi


def _with_rv_volume(phase: Phase, volume_ml: float) -> Phase:
    """The phase with the RV as wide as its volume asks (a quadratic equation)."""
    linear, square = rv_volume_terms(phase)
    width = (sqrt(linear * linear + 4 * square * volume_ml) - linear) / (2 * square)
    return replace(phase, rv_width_mm=float(width))
