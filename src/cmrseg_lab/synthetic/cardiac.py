"""The heart painted at the points of a slice, and the share of each structure there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg_lab.synthetic.anatomy import Heart, Phase
from cmrseg_lab.synthetic.contrast import CINE, Contrast
from cmrseg_lab.synthetic.grain import Grain, Site
from cmrseg_lab.synthetic.infarct import Infarct
from cmrseg_lab.synthetic.points import NOWHERE, Window, where
from cmrseg_lab.synthetic.shapes import SliceCanvas, share
from cmrseg_lab.synthetic.surfaces import Surfaces, papillaries, papillary_window, surfaces
from cmrseg_lab.synthetic.texture import Floats, Texture


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
class _Easel:
    """What the painting steps share at some points: a canvas, colours, and where things are.

    Attributes:
        canvas: signal at the points, painted in place.
        contrast: tissue table.
        grain: the heart's noise.
        muscle: signal of myocardium.
        flow: blood's unevenness, around 1.
        surfaces: signed distances.
    """

    canvas: SliceCanvas
    contrast: Contrast
    grain: Grain
    muscle: Floats
    flow: Floats
    surfaces: Surfaces

    def within(self, window: Window) -> _Easel:
        """The same in a part of the slice, without atria and vessels."""
        return _Easel(
            canvas=self.canvas.part(window),
            contrast=self.contrast,
            grain=self.grain.within(window),
            muscle=self.muscle[window],
            flow=self.flow[window],
            surfaces=self.surfaces.within(window),
        )


def paint_heart(
    canvas: SliceCanvas,
    site: Site,
    phase: Phase,
    contrast: Contrast,
    infarct: Infarct | None = None,
) -> Shares:
    """Paint the heart over its surroundings.

    Args:
        canvas: signal at the points, painted in place.
        site: the points, and what is the same there over the cycle.
        phase: the moment.
        contrast: tissue table.
        infarct: dead myocardium, if any.

    Returns:
        The shares of the structures.
    """
    easel = _Easel(
        canvas=canvas,
        contrast=contrast,
        grain=site.grain,
        muscle=_muscle(contrast, site.grain),
        flow=_flow(phase, site.polar.point[2], site.grain),
        surfaces=surfaces(site.heart, phase, site.polar),
    )
    _paint_fat(easel, site)
    _paint_above(easel)
    canvas.paint(easel.surfaces.rv_outside, easel.muscle)
    shares = _paint_ventricles(easel, site.heart, infarct)
    _paint_papillaries(easel, site, phase)
    return shares


def _muscle(contrast: Contrast, grain: Grain) -> Floats:
    """Myocardium; where it is nulled its fibres still differ as much as where it is grey."""
    uneven = np.float32(max(contrast.myocardium, CINE.myocardium)) * (grain.muscle - 1)
    return np.asarray(np.float32(contrast.myocardium) + uneven)


def _flow(phase: Phase, w: Floats, grain: Grain) -> Floats:
    """Blood swirls: slow where it is dark; jets leave streaks below the valves."""
    jets_end = phase.epi.base_w - 30
    if float(w.max()) <= jets_end:
        return grain.blood
    below = np.clip((w - np.float32(jets_end)) * np.float32(1 / 30), 0, 1)
    return np.asarray(grain.blood - np.float32(0.25 + 0.2 * phase.systole) * below * grain.streak)


def _paint_fat(easel: _Easel, site: Site) -> None:
    """Fat in the grooves and in patches on the RV, pericardium, and pads of fat outside it."""
    ventricles = easel.surfaces.ventricles()
    inner = easel.surfaces.heart(ventricles) - site.fat_mm
    fat: Floats = np.float32(0.9 * easel.contrast.fat) * easel.grain.fat
    easel.canvas.paint(ventricles - site.fat_mm - np.float32(0.9) - site.pad_mm, fat)
    easel.canvas.paint(inner - np.float32(0.7), 0.8 * easel.contrast.muscle)
    easel.canvas.paint(inner, fat)


def _paint_above(easel: _Easel) -> None:
    """Atria and great vessels, walls first."""
    canvas, above = easel.canvas, easel.surfaces.above
    if above is None:
        return
    canvas.paint(above.atria() - np.float32(1.8), easel.muscle)
    canvas.paint(above.vessels() - np.float32(1.6), easel.muscle)
    right = np.float32(easel.contrast.blood_right) * easel.flow
    left = np.float32(easel.contrast.blood) * easel.flow
    canvas.paint(above.right, right)
    canvas.paint(above.left, left)
    canvas.paint(above.pulmonary, right)
    canvas.paint(above.aorta, left)


def _paint_ventricles(easel: _Easel, heart: Heart, infarct: Infarct | None) -> Shares:
    """The LV's wall, what is dead in it, and blood in both ventricles, each where it can be."""
    s, edge_mm, shape = easel.surfaces, easel.canvas.pixel_mm, easel.muscle.shape
    left = where(np.minimum(s.endo, s.epi) < edge_mm) or NOWHERE
    right = where(s.rv < edge_mm) or NOWHERE
    around_left, around_right = easel.within(left), easel.within(right)
    wall = _paint_wall(around_left)
    dead = _paint_infarct(around_left, infarct) if infarct else None
    rv = _paint_right(around_right, heart)
    cavity = _paint_left(around_left, heart)
    wall -= cavity
    return Shares(
        cavity=_placed(cavity, left, shape),
        wall=_placed(wall, left, shape),
        rv=_placed(rv, right, shape),
        infarct=_placed(dead[0] * wall, left, shape) if dead else None,
        no_reflow=_placed(dead[1] * wall, left, shape) if dead else None,
    )


def _placed(part: Floats, window: Window, shape: tuple[int, ...]) -> Floats:
    """A part of the slice in its place, zeros around it."""
    whole = np.zeros(shape, np.float32)
    whole[window] = part
    return whole


def _paint_wall(easel: _Easel) -> Floats:
    """The LV's wall, and its cavity with it; returns their share."""
    s = easel.surfaces
    return easel.canvas.paint(np.maximum(s.epi, s.base), easel.muscle)


def _paint_right(easel: _Easel, heart: Heart) -> Floats:
    """Blood in the RV between trabeculae; returns the share of the cavity."""
    canvas, grain, rv = easel.canvas, easel.grain, easel.surfaces.rv
    deep = np.float32(heart.trabeculae_mm[1]) * _apical(easel.surfaces.height)
    rough = np.clip(np.float32(0.7) * grain.middle + np.float32(0.4) * grain.coarse, 0, 1.3)
    blood = share(rv + np.float32(0.8) * deep * rough, 1.3 * canvas.pixel_mm)
    canvas.blend(blood, np.float32(easel.contrast.blood_right) * easel.flow)
    return share(rv, canvas.pixel_mm)


def _paint_left(easel: _Easel, heart: Heart) -> Floats:
    """Blood in the LV between trabeculae; returns the share of the cavity."""
    canvas, s = easel.canvas, easel.surfaces
    deep = np.float32(heart.trabeculae_mm[0]) * _apical(s.height)
    # the septum is smooth
    free = np.float32(1.0) - np.float32(0.5) * np.maximum(s.cosine, 0)
    strands = _strands(easel, heart)
    blood = share(np.maximum(s.endo + deep * free * strands, s.base), 1.3 * canvas.pixel_mm)
    canvas.blend(blood, np.float32(easel.contrast.blood) * easel.flow)
    return share(np.maximum(s.endo, s.base), canvas.pixel_mm)


def _apical(height: Floats) -> Floats:
    """How many trabeculae there are: hardly any at the base, a sponge at the apex."""
    return np.asarray(np.float32(0.25) + np.float32(1.1) * np.minimum(height, 1))


def _strands(easel: _Easel, heart: Heart) -> Floats:
    """How far trabeculae reach into the LV, 0 to 1 and more: ridges that point at its middle."""
    s = easel.surfaces
    around = np.float32(24)  # mm from the axis: about where their roots stand
    along = s.height * np.float32(16) + np.float32(0.1) * s.endo
    ridges = Texture.at(s.cosine * around, s.sine * around, along, 0.45, heart.texture).middle()
    return np.clip(np.float32(0.5) * ridges + np.float32(0.35) * easel.grain.coarse, 0.0, 1.3)


def _paint_papillaries(easel: _Easel, site: Site, phase: Phase) -> None:
    """Papillary muscles: lobes that grow out of the wall, blood seeping in between."""
    width, grain = 1.6 * easel.canvas.pixel_mm, easel.grain
    bumps = -1.5 * float(grain.middle.min()) - 1.1 * float(grain.coarse.min())
    window = papillary_window(site.heart, phase, site.polar, width + bumps)
    if window is None:
        return
    u, v, w = (p[window] for p in site.polar.point)
    rough = np.float32(1.5) * grain.middle[window] + np.float32(1.1) * grain.coarse[window]
    solid = share(papillaries(site.heart, phase, (u, v, w)) + rough, width)
    easel.canvas.part(window).blend(np.float32(0.92) * solid, easel.muscle[window])


def _paint_infarct(easel: _Easel, infarct: Infarct) -> tuple[Floats, Floats]:
    """Paint infarct and no-reflow into the wall; returns which share of it they take."""
    canvas, s, coarse = easel.canvas, easel.surfaces, easel.grain.coarse
    wall = np.maximum(np.maximum(s.epi, s.base), -s.endo)
    window = infarct.window(s.cosine, s.sine, s.height)
    reach = infarct.reach(window, coarse)
    thickness, depth = np.maximum(s.endo - s.epi, 2.0), s.depth()
    dead = share((depth - reach) * thickness, canvas.pixel_mm)
    uneven = 1 + np.float32(0.13) * coarse + np.float32(0.06) * easel.grain.fine
    inside = share(wall, canvas.pixel_mm)
    canvas.blend(dead * inside, np.float32(easel.contrast.infarct) * uneven)
    if infarct.core <= 0:
        return dead, np.zeros_like(dead)
    # 22 mm: about how far it is from the middle of a territory to its rim
    rim = (np.float32(1 - infarct.core) - window - np.float32(0.12) * coarse) * np.float32(22.0)
    inner = np.maximum(rim, (depth - np.float32(0.72) * reach) * thickness)
    core = share(inner, canvas.pixel_mm)
    # a core is as uneven as the muscle it was, and blood seeps into it
    seeping = easel.muscle - np.float32(easel.contrast.myocardium) + np.float32(0.05) * coarse
    canvas.blend(core * inside, np.float32(easel.contrast.no_reflow) + seeping)
    return dead, core
