"""Real texture, known labels: a long-axis image reformatted out of a labelled short-axis stack.

The user's own data are read and nothing of them is shipped. The image is blurred along the long
axis, as slices are 5 to 10 mm apart, but its tissues, vendors and artefacts are real.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.interpolate import intensity_at, labels_at, signed_distances

LV, WALL, RV = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LongAxis:
    """The heart's axes as a labelled short-axis stack tells them, LPS mm.

    Attributes:
        base: centre of the LV in its uppermost slice.
        apex: centre of the LV in its lowest.
        to_rv: unit vector from the axis to the RV, square to the axis.
    """

    base: Array
    apex: Array
    to_rv: Array


def find_axes(label: Volume) -> LongAxis:
    """The heart's axes from short-axis labels in M&Ms-2 codes.

    Raises:
        InputError: fewer than three slices with LV, or no RV.
    """
    shown = [z for z, plane in enumerate(label.array) if (plane == LV).any()]
    if len(shown) < 3 or not (label.array == RV).any():
        raise InputError(
            "the short-axis labels show the LV in fewer than three slices, or no RV",
            "give labels in M&Ms-2 codes (1 LV, 2 myocardium, 3 RV) of a whole stack",
        )
    centres = np.array([_centre(label, z, (LV, WALL)) for z in shown])
    # a straight line through the centres: single slices are shifted by breath-holds
    middle = centres.mean(0)
    axis = np.linalg.svd(centres - middle)[2][0]
    along = (centres - middle) @ axis
    ends = middle + np.outer([along.min(), along.max()], axis)
    sizes = [int((label.array[z] > 0).sum()) for z in (shown[0], shown[-1])]
    first_is_base = sizes[0] >= sizes[1]
    near_first = int(np.argmin(np.linalg.norm(ends - centres[0], axis=1)))
    base, apex = ends[near_first], ends[1 - near_first]
    if not first_is_base:
        base, apex = apex, base
    towards = _centre(label, None, (RV,)) - middle
    towards -= (towards @ axis) * axis
    return LongAxis(base=base, apex=apex, to_rv=towards / np.linalg.norm(towards))


def reformatted_four_chamber(
    image: Volume,
    label: Volume,
    *,
    spacing_mm: float = 1.4,
    size: int = 224,
    turn_deg: float = 0.0,
) -> tuple[Volume, Volume]:
    """A 4-chamber slice, image and labels, out of a short-axis stack.

    Args:
        image: (z, y, x) short-axis stack.
        label: its labels in M&Ms-2 codes.
        spacing_mm: pixel size of the slice.
        size: rows and columns.
        turn_deg: turns the plane around the long axis, away from the middle of the RV.

    Returns:
        Image (as ``image``'s type) and labels (uint8), one slice each, at their place in the
        patient: apex up, RV on the left.

    Raises:
        InputError: as :func:`find_axes`.
    """
    axes = find_axes(label)
    down = axes.base - axes.apex
    down /= np.linalg.norm(down)
    left = _turned(axes.to_rv, down, np.radians(turn_deg))
    geometry = _plane(0.5 * (axes.base + axes.apex), down, -left, spacing_mm, size)
    index = np.indices(geometry.shape).reshape(3, -1)
    patient = geometry.to_patient(index)
    pixel = (label.spacing_mm[1], label.spacing_mm[2])
    distances = signed_distances(label.array, (LV, WALL, RV), pixel)
    labels = labels_at(distances, label.geometry, patient).reshape(geometry.shape)
    grey = intensity_at(image.array, image.geometry, patient).reshape(geometry.shape)
    return Volume(_as_type(grey, image.array), geometry), Volume(labels, geometry)


def _centre(label: Volume, z: int | None, codes: tuple[int, ...]) -> Array:
    """Patient position of the middle of some labels, of one slice or all."""
    found = np.isin(label.array if z is None else label.array[z : z + 1], codes)
    index = np.array(np.nonzero(found), float).mean(1)
    index[0] += z or 0
    return np.asarray(label.geometry.to_patient(index[:, None])[:, 0])


def _turned(vector: Array, axis: Array, angle: float) -> Array:
    return np.asarray(np.cos(angle) * vector + np.sin(angle) * np.cross(axis, vector))


def _plane(centre: Array, down: Array, right: Array, spacing_mm: float, size: int) -> Geometry:
    half = spacing_mm * (size - 1) / 2
    corner = centre - half * down - half * right
    return Geometry(
        shape=(1, size, size),
        spacing_mm=(8.0, spacing_mm, spacing_mm),
        origin_mm=(float(corner[0]), float(corner[1]), float(corner[2])),
        direction=np.stack([np.cross(right, down), down, right], axis=1),
    )


def _as_type(grey: Array, like: Array) -> Array:
    return grey.astype(like.dtype) if like.dtype.kind == "f" else np.rint(grey).astype(like.dtype)
