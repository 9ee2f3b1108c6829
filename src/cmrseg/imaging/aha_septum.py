"""Where the septum lies in a short-axis stack: the angle from which the 17 segments are counted.

EMIDEC's labels have no right ventricle, whose insertions would tell. What else may:

1. The header, where it holds a real orientation. The right ventricle lies to the right and in front
   of the left one, the anterior wall towards the head; both directions, laid into the image plane,
   give the middle of the septum. Hearts differ by some twenty degrees.
2. The image: next to the septum, beyond a thin dark wall, lies blood as bright as the cavity's. It
   moves the angle found so far, by at most :data:`FARTHEST` degrees.

Headers whose axes run along the patient's (EMIDEC's do; no short-axis slice lies so) hold no real
orientation. Then the slices are taken to be shown as clinicians show them, anterior wall up and
septum on the left, and the image alone may correct that: whatever it finds, the segments may be
turned, and that has to be told. Whoever sees the septum can say where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cmrseg.imaging.volume import Array, Geometry

CAVITY, WALL = (1,), (2, 3, 4)
RAYS = 120
"""From the cavity's centre, the first to the image's right, counted upwards: 3 degrees apart."""
STEP_MM, REACH_MM = 0.25, 75.0
RING_MM = (3.0, 16.0)
"""How far outside the wall the right ventricle's blood is looked for."""
SPAN_DEG = 105.0
"""How much of the circumference the right ventricle takes."""
FARTHEST_DEG = 75.0
DRAG = 0.25
"""How much likelier blood has to be at the farthest angle downwards than at the expected one: below
the heart the liver may be as bright; above it are lung and chest wall, which are not."""
CLEAR = 0.15
"""The least by which the septal side must be likelier blood than the rest, to be believed."""
ALONG_DEG = 10.0
"""Slices whose normal is nearer than this to the body's axis are no short-axis slices."""
RIGHT_FRONT = np.array([-1.0, -1.0, 0.0]) / np.sqrt(2)
HEAD = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The middle of the septum.

    Attributes:
        angle_deg: from the image's right, counted upwards, in canonical order (``imaging.orient``).
        clockwise: whether the way from septum to anterior wall is clockwise as shown.
        told: how it was found, in words.
        sure: whether the header or somebody who saw it speaks for it.
    """

    angle_deg: float
    clockwise: bool
    told: str
    sure: bool

    def from_septum(self, angle_deg: Array) -> Array:
        """Angles from the image's right as angles from mid septum, positive to anterior, 0-360."""
        turned = np.asarray(angle_deg) - self.angle_deg
        found: Array = np.mod(-turned if self.clockwise else turned, 360.0)
        return found


def find_origin(
    geometry: Geometry, image: Array, mask: Array, septum_deg: float | None = None
) -> Origin:
    """The middle of the septum of a stack.

    Args:
        geometry: canonical.
        image: (z, y, x) grey values in canonical order.
        mask: (z, y, x) EMIDEC labels on the same voxels.
        septum_deg: where somebody saw it, from the image's right, counted upwards; None to find it.
    """
    expected = _from_header(geometry)
    if septum_deg is not None:
        return replace(expected, angle_deg=septum_deg % 360, told="as given", sure=True)
    found = _from_image(image, mask, geometry.spacing_mm[1:], expected)
    if found is None:
        return expected
    by = round(abs(_turn(found, expected.angle_deg)))
    told = f"{expected.told}; moved by {by} degrees to where blood lies outside the wall"
    return replace(expected, angle_deg=found, told=told)


def rays(shape: tuple[int, int], spacing_mm: tuple[float, float], centre: Array) -> Array:
    """Where rays from a point run: (RAYS, steps) indices into the flattened slice, -1 outside.

    Args:
        shape: rows and columns of the slice.
        spacing_mm: (y, x).
        centre: (y, x) in voxels.
    """
    angle = np.radians(angles_deg())[:, None]
    reach = np.arange(STEP_MM / 2, REACH_MM, STEP_MM)[None]
    y = np.rint(centre[0] - np.sin(angle) * reach / spacing_mm[0]).astype(int)
    x = np.rint(centre[1] + np.cos(angle) * reach / spacing_mm[1]).astype(int)
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    indices: Array = np.where(inside, y * shape[1] + x, -1)
    return indices


def angles_deg() -> Array:
    """The rays' angles from the image's right, counted upwards."""
    return np.arange(RAYS) * (360.0 / RAYS)


def along(indices: Array, values: Array, outside: float = 0) -> Array:
    """The values of a slice (y, x) along rays."""
    found: Array = np.where(indices >= 0, values.reshape(-1)[indices], outside)
    return found


def centre_of(inside: Array) -> Array:
    """Centroid (y, x) in voxels of a slice's shape."""
    centroid: Array = np.argwhere(inside).mean(axis=0)
    return centroid


def _from_header(geometry: Geometry) -> Origin:
    """The septum by the patient's directions, or by how slices are shown."""
    _, y, x = geometry.direction.T
    normal = np.abs(np.cross(x, y)[2])
    upright = np.degrees(np.arccos(np.clip(normal, 0, 1)))
    along_axes = np.isclose(np.abs(geometry.direction), np.eye(3)[:, ::-1], atol=1e-3).all()
    if along_axes or upright < ALONG_DEG:
        told = (
            "the header holds no real orientation: slices are taken to show the septum on the left"
        )
        return Origin(angle_deg=180.0, clockwise=True, told=told, sure=False)
    septal, head = (_angle(way @ x, -(way @ y)) for way in (RIGHT_FRONT, HEAD))
    clockwise = _turn(head, septal) < 0
    by_head = head + (90 if clockwise else -90)
    middle = septal + _turn(by_head, septal) / 2
    told = "septum and anterior wall by the patient's directions in the header"
    return Origin(angle_deg=float(middle % 360), clockwise=bool(clockwise), told=told, sure=True)


def _from_image(
    image: Array, mask: Array, spacing_mm: tuple[float, float], expected: Origin
) -> float | None:
    """The middle of what looks like the right ventricle's blood, None if nothing clearly does."""
    seen = [
        blood
        for z in range(len(mask))
        if (blood := _blood_outside(image[z], mask[z], spacing_mm)) is not None
    ]
    if not seen:
        return None
    likely = np.mean(seen, axis=0)
    half = round(SPAN_DEG / 2 / 360 * RAYS)
    window = np.zeros(RAYS)
    window[np.arange(-half, half + 1)] = 1 / (2 * half + 1)
    smooth = np.fft.ifft(np.fft.fft(likely) * np.fft.fft(window)).real
    turns = np.array([_turn(angle, expected.angle_deg) for angle in angles_deg()]) / FARTHEST_DEG
    downwards = np.maximum(turns if expected.clockwise else -turns, 0)
    best = int(np.where(np.abs(turns) <= 1, smooth - DRAG * downwards**2, -1).argmax())
    rest = (likely.sum() - smooth[best] * (2 * half + 1)) / (RAYS - 2 * half - 1)
    return float(angles_deg()[best]) if smooth[best] - rest >= CLEAR else None


def _blood_outside(image: Array, mask: Array, spacing_mm: tuple[float, float]) -> Array | None:
    """By ray, how much of what lies just outside the wall is as bright as the cavity (0-1)."""
    cavity, wall, healthy = np.isin(mask, CAVITY), np.isin(mask, WALL), mask == WALL[0]
    if min(cavity.sum(), healthy.sum()) < 20:
        return None
    blood = np.median(image[cavity])
    contrast = abs(blood - np.median(image[healthy]))
    if contrast == 0:
        return None
    indices = rays(mask.shape, spacing_mm, centre_of(cavity))
    outer = np.where(along(indices, wall), np.arange(indices.shape[1]), -1).max(axis=1)
    like_blood = np.exp(-(((image - blood) / (0.6 * contrast)) ** 2))
    values = along(indices, like_blood)
    first, last = (round(mm / STEP_MM) for mm in RING_MM)
    steps = np.arange(indices.shape[1])[None]
    ring = (steps > outer[:, None] + first) & (steps <= outer[:, None] + last) & (indices >= 0)
    found: Array = (values * ring).sum(axis=1) / np.maximum(ring.sum(axis=1), 1)
    return found


def _angle(right: float, up: float) -> float:
    return float(np.degrees(np.arctan2(up, right)))


def _turn(to_deg: float, from_deg: float) -> float:
    """The shorter way from one angle to another, -180 to 180, counted upwards."""
    return float((to_deg - from_deg + 180) % 360 - 180)
