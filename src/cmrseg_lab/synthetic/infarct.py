"""Myocardial infarction: a coronary territory, from the endocardium outwards, no-reflow inside.

Ischaemia starts at the endocardium and spreads outwards as a wavefront (Reimer and Jennings,
1977), so an infarct is a depth in the wall that depends on the place: deepest in the middle of the
territory of the blocked artery and none outside. Where it is deepest the small vessels may be
blocked too: no-reflow, a core without contrast agent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, radians, sin

import numpy as np

from cmrseg_lab.synthetic.profiles import fall
from cmrseg_lab.synthetic.texture import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Territory:
    """Where an artery feeds the wall: angle from mid septum (positive anterior), height.

    Attributes:
        angle_deg: (mean, deviation) of the middle.
        height: (mean, deviation) of the middle, 0 base to 1 apex.
        half_width_deg: half the angle at unit size.
        half_height: half the height at unit size.
        weight: how often it is the one.
    """

    angle_deg: tuple[float, float]
    height: tuple[float, float]
    half_width_deg: float
    half_height: float
    weight: float


TERRITORIES = {
    "LAD": Territory(
        angle_deg=(48, 14), height=(0.72, 0.1), half_width_deg=62, half_height=0.5, weight=0.48
    ),
    "RCA": Territory(
        angle_deg=(-72, 14), height=(0.38, 0.12), half_width_deg=46, half_height=0.5, weight=0.34
    ),
    "LCX": Territory(
        angle_deg=(178, 18), height=(0.45, 0.12), half_width_deg=48, half_height=0.5, weight=0.18
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Infarct:
    """One infarct.

    Attributes:
        artery: key of ``TERRITORIES``.
        angle: middle, radians from mid septum towards anterior.
        height: middle, 0 base to 1 apex.
        half_width: radians.
        half_height: share of the length.
        transmurality: greatest depth, over 1 means that a part reaches the epicardium.
        ragged: how uneven the border is.
        core: how much of the infarct's middle is no-reflow, 0 for none.
    """

    artery: str
    angle: float
    height: float
    half_width: float
    half_height: float
    transmurality: float
    ragged: float
    core: float

    def window(self, cosine: Floats, sine: Floats, t: Floats) -> Floats:
        """1 in the middle of the territory, 0 at its rim, negative outside.

        Args:
            cosine: of the angle around the long axis.
            sine: of that angle.
            t: height, 0 at the base, 1 at the apex.
        """
        beside = cosine * np.float32(cos(self.angle)) + sine * np.float32(sin(self.angle))
        angular = (1 - beside) * np.float32(1 / (1 - cos(self.half_width)))
        # towards the apex the circumference shrinks and the territory goes further round
        angular = angular * (1 - np.float32(0.55) * fall(np.minimum(t, 1)))
        vertical = (t - np.float32(self.height)) * np.float32(1 / self.half_height)
        return 1 - angular - vertical * vertical

    def reach(self, window: Floats, grain: Floats | float = 0.0) -> Floats:
        """Depth in the wall that the infarct reaches, 0 none, 1 transmural."""
        spread = window * np.float32(2.2) + grain * np.float32(self.ragged)
        return np.asarray(np.float32(self.transmurality) * np.clip(spread, 0.0, 1.0))


def draw_infarct(rng: np.random.Generator, share: float, core_share: float) -> Infarct:
    """An infarct that takes this share of the wall.

    Args:
        rng: all randomness.
        share: infarct (with its core) over the whole myocardium.
        core_share: no-reflow over infarct.
    """
    arteries = list(TERRITORIES)
    artery = str(rng.choice(arteries, p=[TERRITORIES[a].weight for a in arteries]))
    territory = TERRITORIES[artery]
    template = Infarct(
        artery=artery,
        angle=radians(rng.normal(*territory.angle_deg)),
        height=float(np.clip(rng.normal(*territory.height), 0.1, 0.95)),
        half_width=radians(territory.half_width_deg * rng.uniform(0.85, 1.15)),
        half_height=territory.half_height * float(rng.uniform(0.85, 1.15)),
        transmurality=float(rng.uniform(0.4, 0.7) + min(share, 0.35) * rng.uniform(0.8, 2.0)),
        ragged=float(rng.uniform(0.1, 0.35)),
        core=0.0,
    )
    return _with_core(_of_share(template, share), core_share)


def infarct_share(infarct: Infarct) -> tuple[float, float]:
    """Infarct over myocardium and no-reflow over infarct, on an even wall."""
    angle, t, depth = _grid()
    window = infarct.window(np.cos(angle), np.sin(angle), t)
    reach = infarct.reach(window)
    area = np.sqrt(np.maximum(1 - fall(t), 0)) * (1 + np.float32(0.25) * depth)
    dead = area * (depth < reach)
    core = dead * no_reflow_inside(infarct, window, reach, depth)
    return float(dead.sum() / (area + 0 * dead).sum()), float(core.sum() / max(dead.sum(), 1e-6))


def no_reflow_inside(infarct: Infarct, window: Floats, reach: Floats, depth: Floats) -> Floats:
    """Whether a place in the wall lies in the core without contrast agent."""
    middle = window > np.float32(1 - infarct.core)
    return middle & (depth < reach * np.float32(0.72)) & (depth > 0.04)


def _grid() -> tuple[Floats, Floats, Floats]:
    angle = np.linspace(-np.pi, np.pi, 48, endpoint=False, dtype=np.float32)[:, None, None]
    t = np.linspace(0.02, 0.98, 24, dtype=np.float32)[None, :, None]
    depth = ((np.arange(10, dtype=np.float32) + 0.5) / 10)[None, None, :]
    return angle, t, depth


def _of_share(infarct: Infarct, share: float) -> Infarct:
    """The infarct scaled, in angle and height alike, to this share (bisection)."""
    low, high = 0.15, 2.4
    for _ in range(12):
        size = (low + high) / 2
        sized = replace(
            infarct,
            half_width=min(infarct.half_width * size, 3.1),
            half_height=infarct.half_height * size,
        )
        low, high = (size, high) if infarct_share(sized)[0] < share else (low, size)
    return sized


def _with_core(infarct: Infarct, core_share: float) -> Infarct:
    """The infarct with this share of it no-reflow (bisection)."""
    if core_share <= 0:
        return infarct
    low, high = 0.0, 1.0
    for _ in range(10):
        cored = replace(infarct, core=(low + high) / 2)
        low, high = (
            (cored.core, high) if infarct_share(cored)[1] < core_share else (low, cored.core)
        )
    return cored
