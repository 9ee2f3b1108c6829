"""Where the scanner cuts: the heart's pose, the short-axis stack, the 4-chamber slice."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians

import numpy as np
from scipy.spatial.transform import Rotation

from cmrseg.imaging.volume import Array, Geometry
from cmrseg.synthetic.anatomy import Heart
from cmrseg.synthetic.points import Points
from cmrseg.synthetic.styles import Style

TYPICAL_BASE = np.array([-0.60, 0.60, 0.53])
"""Where the base looks, LPS."""
TYPICAL_RIGHT = np.array([-0.70, -0.60, -0.45])
"""Where the RV lies, LPS, before it is made square to the axis."""


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
    middle = np.array([rng.normal(42, 7), rng.normal(-35, 5), 0.0])
    half = 0.5 * heart.ed.endo.length_mm
    return Pose(axes=axes, origin_mm=middle + half * axes[2])


def short_axis(rng: np.random.Generator, heart: Heart, pose: Pose, style: Style) -> View:
    """A stack from above the base to below the apex, as planned by a technician."""
    spacing = float(rng.uniform(*style.spacing_mm))
    gap = float(rng.choice(style.gaps_mm))
    length = heart.ed.epi.length_mm
    above = gap * float(rng.uniform(*style.slices_above))
    below = gap * float(rng.uniform(*style.slices_below))
    count = max(int(np.floor((length + above + below) / gap)) + 1, 5)
    w = Rotation.from_rotvec(
        pose.axes[0] * radians(rng.normal(0, 4)) + pose.axes[1] * radians(rng.normal(0, 4))
    ).apply(pose.axes[2])
    right, down = _in_plane(rng, -pose.axes[0], w, style)
    down_sign = down
    centre = (
        pose.to_patient((14.0, 0.0, -0.5 * length))
        + rng.normal(0, 8) * right
        + rng.normal(0, 8) * down
    )
    top = centre + w * (0.5 * length + above - rng.uniform(0, 1) * 0)
    normal, start = (w, top - w * gap * (count - 1)) if style.apex_first else (-w, top)
    shape = _matrix(rng, style)
    direction = np.stack([normal, down_sign, right], axis=1)
    corner = start - down * spacing * (shape[0] - 1) / 2 - right * spacing * (shape[1] - 1) / 2
    shifts = rng.normal(0, style.breath_mm, (count, 2))
    geometry = Geometry(
        shape=(count, *shape),
        spacing_mm=(gap, spacing, spacing),
        origin_mm=tuple(corner.tolist()),
        direction=direction,
    )
    return View(
        geometry=geometry,
        shifts_mm=shifts[:, :1] * down + shifts[:, 1:] * right,
        thickness_mm=min(gap, float(rng.uniform(6, 8.5))),
    )


def _in_plane(
    rng: np.random.Generator, rightward: Array, normal: Array, style: Style
) -> tuple[Array, Array]:
    """Row and column direction of a slice whose image right is roughly ``rightward``."""
    right = rightward - (rightward @ normal) * normal
    right /= np.linalg.norm(right)
    down = np.cross(normal, right)
    # the RV stands to the left and a little below, at 155 +- 14 degrees
    angle = radians(rng.normal(-25, 12) + float(rng.choice(style.turns_deg)))
    return (
        np.cos(angle) * right - np.sin(angle) * down,
        np.sin(angle) * right + np.cos(angle) * down,
    )


def _matrix(rng: np.random.Generator, style: Style) -> tuple[int, int]:
    rows, columns = style.matrices[int(rng.integers(len(style.matrices)))]
    return int(rows), int(columns)


def four_chamber(rng: np.random.Generator, heart: Heart, pose: Pose, style: Style) -> View:
    """The plane through apex, mitral and tricuspid valve; one slice."""
    spacing = float(rng.uniform(*style.la_spacing_mm))
    u, v, w = pose.axes
    # through the acute margin of the RV: the plane leans a little to the inferior side
    tilt = radians(rng.normal(-14, 6))
    across = np.cos(tilt) * u + np.sin(tilt) * v
    normal = np.cross(across, w)
    apexward = Rotation.from_rotvec(normal * radians(rng.normal(0, 3))).apply(-w)
    # as radiologists look: patient right on image left, apex up and to the right
    right = np.array([1.0, 0.0, 0.0]) - normal[0] * normal
    right /= np.linalg.norm(right)
    down = np.cross(normal, right)
    if down[1] < 0:
        down = -down
    angle = radians(rng.normal(0, 12) + float(rng.choice(style.turns_deg)))
    right, down = (
        np.cos(angle) * right - np.sin(angle) * down,
        np.sin(angle) * right + np.cos(angle) * down,
    )
    rows, columns = _matrix(rng, style)
    length = heart.ed.epi.length_mm
    centre = pose.to_patient((14.0, 0.0, -0.3 * length)) + normal * rng.normal(0, 2.5)
    centre = centre + rng.normal(0, 8) * right + rng.normal(0, 8) * down + 0 * apexward
    corner = centre - down * spacing * (rows - 1) / 2 - right * spacing * (columns - 1) / 2
    thickness = float(rng.uniform(6, 8))
    geometry = Geometry(
        shape=(1, rows, columns),
        spacing_mm=(thickness, spacing, spacing),
        origin_mm=tuple(corner.tolist()),
        direction=np.stack([np.cross(right, down), down, right], axis=1),
    )
    return View(geometry=geometry, shifts_mm=np.zeros((1, 3)), thickness_mm=thickness)
