"""Where the scanner cuts: the heart's pose, the short-axis stack, the 4-chamber slice."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np
from scipy.spatial.transform import Rotation

from cmrseg.imaging.volume import Array, Geometry
from cmrseg_lab.synthetic.anatomy import Heart
from cmrseg_lab.synthetic.points import Points
from cmrseg_lab.synthetic.styles import Style

TYPICAL_BASE = np.array([-0.60, 0.60, 0.53])
"""Where the base looks, LPS."""
TYPICAL_RIGHT = np.array([-0.70, -0.60, -0.45])
"""Where the RV lies, LPS, before it is made square to the axis."""

FEWEST = 5
"""Slices of a stack."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pose:
    """The heart frame in the patient.

    Attributes:
        axes: (3, 3); rows are u, v, w in LPS.
        origin_mm: the mitral plane's centre at end-diastole, LPS.
    """

    axes: Array
    origin_mm: Array

    def to_patient(self, point: tuple[float, float, float]) -> Array:
        """LPS position of a point of the heart frame."""
        moved: Array = self.origin_mm + self.axes.T @ np.asarray(point, float)
        return moved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A stack of slices.

    Attributes:
        geometry: what the header says.
        shifts_mm: (slices, 3) how far each slice really lay from there, LPS (breath-holds).
        thickness_mm: of each slice.
    """

    geometry: Geometry
    shifts_mm: Array
    thickness_mm: float

    def points(self, slice_index: int, axes: Array, origin_mm: Array, samples: int) -> Points:
        """A slice's points in a frame.

        Args:
            slice_index: which slice.
            axes: (3, 3) rows are the frame's axes in LPS.
            origin_mm: the frame's origin in LPS.
            samples: points through the thickness.
        """
        g = self.geometry
        first = g.to_patient(np.array([[slice_index], [0], [0]]))[:, 0]
        normal, down, right = (axes @ g.direction[:, k] for k in range(3))
        depth = ((np.arange(samples) + 0.5) / samples - 0.5) * self.thickness_mm
        return Points(
            corner=axes @ (first + self.shifts_mm[slice_index] - origin_mm),
            down=down * g.spacing_mm[1],
            right=right * g.spacing_mm[2],
            depths=normal[:, None] * depth,
            shape=(g.shape[1], g.shape[2]),
        )

    @property
    def pixel_mm(self) -> float:
        """Pixel size, mm."""
        return self.geometry.spacing_mm[2]


def draw_pose(rng: np.random.Generator, heart: Heart) -> Pose:
    """How the heart lies in the chest; the body's axis is the origin's neighbour."""
    w = TYPICAL_BASE / np.linalg.norm(TYPICAL_BASE)
    u = TYPICAL_RIGHT - (TYPICAL_RIGHT @ w) * w
    u /= np.linalg.norm(u)
    turn = Rotation.from_rotvec(np.radians(rng.normal(0, (7, 6, 9))))
    axes = turn.apply(np.stack([u, np.cross(w, u), w]))
    middle = np.array([rng.normal(42, 7), rng.normal(-43, 5), 0.0])
    half = 0.5 * heart.ed.endo.length_mm
    return Pose(axes=axes, origin_mm=middle + half * axes[2])


def short_axis(rng: np.random.Generator, heart: Heart, pose: Pose, style: Style) -> View:
    """A stack from the base to the apex and a little more or less, as technicians plan it."""
    length = heart.ed.epi.length_mm
    beyond = tuple(float(rng.uniform(*r)) for r in (style.slices_above, style.slices_below))
    gap, count = _gap(float(rng.choice(style.gaps_mm)), length, sum(beyond), style)
    above = gap * beyond[0]
    lean = np.radians(rng.normal(0, 4, 2))
    w = Rotation.from_rotvec(lean @ pose.axes[:2]).apply(pose.axes[2])
    # the RV stands to the left and a little below, at 155 +- 12 degrees
    right, down = _turned(
        -pose.axes[0], w, rng.normal(-25, 12) + float(rng.choice(style.turns_deg))
    )
    top = pose.to_patient((14.0, 0.0, -0.5 * length)) + (0.5 * length + above) * w
    top = top + rng.normal(0, 8) * right + rng.normal(0, 8) * down
    normal, start = (w, top - w * gap * (count - 1)) if style.apex_first else (-w, top)
    frame = np.stack([normal, down, right], axis=1)
    shape = (count, *style.matrices[int(rng.integers(len(style.matrices)))])
    geometry = _around(start, frame, shape, gap, float(rng.uniform(*style.spacing_mm)))
    return View(
        geometry=geometry,
        shifts_mm=rng.normal(0, style.breath_mm, (count, 2)) @ frame[:, 1:].T,
        thickness_mm=min(gap, float(rng.uniform(6, 8.5))),
    )


def _gap(drawn_mm: float, length_mm: float, beyond: float, style: Style) -> tuple[float, int]:
    """Slice distance and number of slices: the drawn distance, or the next that needs few enough.

    Where none does, the widest with as many as a technician plans: what lies beyond is not seen.

    Args:
        drawn_mm: one of the style's.
        length_mm: of the ventricle.
        beyond: slices beyond base and apex together.
        style: what it has to choose from.
    """
    wider = [gap for gap in style.gaps_mm if gap >= drawn_mm]
    counts = [max(int(length_mm / gap + beyond) + 1, FEWEST) for gap in wider]
    fits = [pair for pair in zip(wider, counts, strict=True) if pair[1] <= style.most_slices]
    return fits[0] if fits else (wider[-1], style.most_slices)


def four_chamber(rng: np.random.Generator, heart: Heart, pose: Pose, style: Style) -> View:
    """The plane through apex, mitral and tricuspid valve; one slice."""
    u, v, w = pose.axes
    # towards the acute margin of the RV: the plane leans a little to the inferior side
    lean = radians(rng.normal(-14, 6))
    normal = np.cross(np.cos(lean) * u + np.sin(lean) * v, w)
    # as radiologists look: the patient's right on the left of the image, the front above
    normal *= np.sign(normal[2])
    turn = rng.normal(0, 12) + float(rng.choice(style.turns_deg))
    right, down = _turned(np.array([1.0, 0.0, 0.0]), normal, turn)
    centre = pose.to_patient((14.0, 0.0, -0.3 * heart.ed.epi.length_mm))
    centre = centre + rng.normal(0, 2.5) * normal
    centre = centre + rng.normal(0, 8) * right + rng.normal(0, 8) * down
    frame = np.stack([normal, down, right], axis=1)
    shape = (1, *style.matrices[int(rng.integers(len(style.matrices)))])
    thickness = float(rng.uniform(6, 8))
    geometry = _around(centre, frame, shape, thickness, float(rng.uniform(*style.la_spacing_mm)))
    return View(geometry=geometry, shifts_mm=np.zeros((1, 3)), thickness_mm=thickness)


def _turned(rightward: Array, normal: Array, turn_deg: float) -> tuple[Array, Array]:
    """Directions right and down of a slice whose image right is roughly ``rightward``, turned."""
    right = rightward - (rightward @ normal) * normal
    right /= np.linalg.norm(right)
    down = np.cross(normal, right)
    c, s = np.cos(radians(turn_deg)), np.sin(radians(turn_deg))
    return c * right - s * down, s * right + c * down


def _around(
    middle: Array, frame: Array, shape: tuple[int, int, int], gap_mm: float, pixel_mm: float
) -> Geometry:
    """Slices from one centred on ``middle`` onwards.

    Args:
        middle: centre of the first slice, LPS mm.
        frame: (3, 3); columns are the directions of slices, rows and columns.
        shape: slices, rows, columns.
        gap_mm: distance of slices.
        pixel_mm: pixel size.
    """
    half = pixel_mm * (np.array(shape[1:]) - 1) / 2
    x, y, z = middle - frame[:, 1:] @ half
    return Geometry(
        shape=shape,
        spacing_mm=(gap_mm, pixel_mm, pixel_mm),
        origin_mm=(float(x), float(y), float(z)),
        direction=frame,
    )
