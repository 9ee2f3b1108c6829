"""The shape of the right ventricle in labelled short-axis slices: is it a crescent or a balloon?"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from cmrseg.imaging.volume import Array, Volume

LEVELS = ("base", "middle", "apex")
"""Thirds of the slices that show both ventricles, by how near they are to the larger end."""

LV, MYO, RV = 1, 2, 3

FEWEST_PIXELS = 30
"""Less of an RV has no shape."""


def rv_shape(label: Volume) -> dict[str, float]:
    """Shape measures by level, each a mean over that level's slices.

    *Solidity* is the RV's area over that of its convex hull: 1 for a balloon, less for a crescent
    around the LV. *Width/length* is the ratio of the deviations along its principal axes: 1 for a
    disc, small for a slit. *Embrace* is the share of the LV's outline that the RV touches.
    *Septal curvature* is that of a circle through the septum's right side, times the LV's outer
    radius: 1 where the septum is as round as the rest of the LV, 0 where it is flat.

    Args:
        label: M&Ms-2 codes.
    """
    slices = np.flatnonzero((label.array == RV).any((1, 2)) & (label.array == MYO).any((1, 2)))
    area = [(label.array[z] > 0).sum() for z in slices]
    if len(slices) > 1 and np.mean(area[: len(area) // 2]) < np.mean(area[-(len(area) // 2) :]):
        slices = slices[::-1]  # the stack starts at the apex
    found: dict[str, list[float]] = {}
    for place, z in enumerate(slices):
        level = LEVELS[3 * place // len(slices)]
        for name, value in _slice_shape(label.array[z], label.spacing_mm[1:]).items():
            found.setdefault(f"RV {name}, {level}", []).append(value)
    names = ("solidity", "width/length", "embrace", "septal curvature")
    return {
        key: float(np.mean(found[key]))
        for key in (f"RV {name}, {level}" for name in names for level in LEVELS)
        if key in found
    }


def _slice_shape(plane: Array, spacing_mm: tuple[float, float]) -> dict[str, float]:
    rv, lv = plane == RV, np.isin(plane, (LV, MYO))
    if rv.sum() < FEWEST_PIXELS or lv.sum() < FEWEST_PIXELS:
        return {}
    scale = np.array(spacing_mm)
    points = np.argwhere(rv) * scale
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(points.T)))
    found = {"width/length": float(spread[0] / spread[1])}
    corners = np.argwhere(rv)[:, None] + np.array(
        [[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]]
    )
    try:
        hull = ConvexHull((corners * scale).reshape(-1, 2))
    except QhullError:
        return found
    found["solidity"] = float(rv.sum() * scale.prod() / hull.volume)
    outline = lv & ~ndimage.binary_erosion(lv)
    septum = outline & ndimage.binary_dilation(rv, np.ones((3, 3)), 2)
    found["embrace"] = float(septum.sum() / outline.sum())
    if septum.sum() >= 8:
        radius = float(np.sqrt(lv.sum() * scale.prod() / np.pi))
        centre = np.argwhere(lv).mean(0) * scale
        found["septal curvature"] = radius * _curvature(np.argwhere(septum) * scale, centre)
    return found


def _curvature(points: Array, centre: Array) -> float:
    """Curvature (1/mm) of the arc through points, positive if it bends around ``centre``.

    A parabola across the arc's chord: a circle's fit is unstable where the arc is flat.
    """
    middle = points.mean(0)
    outward = (middle - centre) / np.linalg.norm(middle - centre)
    along = np.array([-outward[1], outward[0]])
    bend = np.polyfit((points - middle) @ along, (points - middle) @ outward, 2)
    return float(-2 * bend[0] / (1 + bend[1] ** 2) ** 1.5)
