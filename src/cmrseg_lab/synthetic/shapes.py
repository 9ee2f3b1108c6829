"""Implicit shapes: approximate signed distances in mm, negative inside.

A field need be right only near its own surface, where it becomes the share of a voxel that lies
inside (:func:`share`). That gives partial volume in the plane without supersampling; a
:class:`SliceCanvas` paints tissues over one another so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg_lab.synthetic.texture import Floats

Point = tuple[float, float, float]


def share(distance_mm: Floats, pixel_mm: float) -> Floats:
    """How much of a pixel lies inside a surface at this signed distance: 0 to 1."""
    inside = distance_mm * np.float32(-1.0 / pixel_mm)
    inside += np.float32(0.5)
    return np.clip(inside, 0.0, 1.0, out=inside)


def ellipsoid(x: Floats, y: Floats, z: Floats, centre: Point, half_axes: Point) -> Floats:
    """Signed distance to an ellipsoid along the axes."""
    a, b, c = (np.float32(1.0 / h) for h in half_axes)
    xs = (x - np.float32(centre[0])) * a
    ys = (y - np.float32(centre[1])) * b
    zs = (z - np.float32(centre[2])) * c
    for square in (xs, ys, zs):
        square *= square
    q = xs + ys + zs
    slope = xs * (a * a) + ys * (b * b) + zs * (c * c)
    scale = np.float32(2.0) * np.sqrt(slope) + np.float32(1e-4)
    return np.asarray((q - np.float32(1.0)) / scale)


def tube(x: Floats, y: Floats, centre: tuple[float, float], radii: tuple[float, float]) -> Floats:
    """Signed distance to an elliptic tube along the third axis."""
    a, b = (np.float32(1.0 / r) for r in radii)
    xs = (x - np.float32(centre[0])) * a
    ys = (y - np.float32(centre[1])) * b
    q = np.sqrt(xs * xs + ys * ys)
    return np.asarray((q - np.float32(1.0)) * np.float32(min(radii)))


def capsule(x: Floats, y: Floats, z: Floats, start: Point, end: Point, radius_mm: float) -> Floats:
    """Signed distance to a rod with round ends."""
    axis = np.subtract(end, start)
    length2 = float(axis @ axis)
    dx, dy, dz = (p - np.float32(s) for p, s in zip((x, y, z), start, strict=True))
    along = (dx * np.float32(axis[0]) + dy * np.float32(axis[1]) + dz * np.float32(axis[2])) * (
        np.float32(1.0 / length2)
    )
    along = np.clip(along, 0.0, 1.0)
    dx -= along * np.float32(axis[0])
    dy -= along * np.float32(axis[1])
    dz -= along * np.float32(axis[2])
    return np.asarray(np.sqrt(dx * dx + dy * dy + dz * dz) - np.float32(radius_mm))


def blend_union(first: Floats, second: Floats, radius_mm: float) -> Floats:
    """Union of two shapes with the crease between them filled (polynomial smooth minimum)."""
    k = np.float32(radius_mm)
    h = np.maximum(k - np.abs(first - second), 0.0) / k
    return np.asarray(np.minimum(first, second) - h * h * (k * np.float32(0.25)))


@dataclass(slots=True, eq=False)
class SliceCanvas:
    """Signal at the points of one plane; later paint covers earlier paint.

    Attributes:
        signal: signed signal, any shape.
        pixel_mm: how wide an edge is.
    """

    signal: Floats
    pixel_mm: float

    def paint(self, distance_mm: Floats, value: Floats | float) -> Floats:
        """Cover the inside of a surface with a tissue; returns the share covered."""
        alpha = share(distance_mm, self.pixel_mm)
        self.blend(alpha, value)
        return alpha

    def part(self, window: tuple[slice, slice, slice]) -> SliceCanvas:
        """A part of this canvas; painting it paints this one."""
        return SliceCanvas(self.signal[window], self.pixel_mm)

    def blend(self, alpha: Floats, value: Floats | float) -> None:
        """Cover a share of each point with a tissue."""
        change = np.asarray(value, np.float32) - self.signal
        change *= alpha
        self.signal += change
