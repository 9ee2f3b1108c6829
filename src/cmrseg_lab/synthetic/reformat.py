"""Real texture, known labels: a long-axis image reformatted out of a labelled short-axis stack.

The user's own data are read and nothing of them is shipped. The image is blurred along the long
axis, as slices are 5 to 10 mm apart, but its tissues, vendors and artefacts are real.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.texture import Floats

CLOSES_AT = {1: 0.3, 2: 0.5, 3: 0.4}
"""How far beyond its last slice a structure ends, in slices: the cavity before its wall."""


def signed_distances(
    label: Array, codes: tuple[int, ...], pixel_mm: tuple[float, float]
) -> dict[int, Floats]:
    """In-plane signed distance of every slice to each structure, mm, negative inside.

    A slice without the structure is as far from it as its own size. Codes are cumulative where
    one lies inside the other, so that a wall keeps its thickness: give ``1`` for the cavity and
    the wall's distance is that to cavity and wall together (see :func:`labels_at`).

    Args:
        label: (z, y, x) labels.
        codes: the structures.
        pixel_mm: spacing of (y, x).

    Returns:
        code -> (z + 2, y, x) float32: one slice more at either end, where structures close.
    """
    return {code: _distances(_region(label, code), pixel_mm, CLOSES_AT[code]) for code in codes}


def labels_at(distances: dict[int, Floats], geometry: Geometry, patient_mm: Array) -> Array:
    """Labels (1 cavity, 2 wall, 3 RV) at positions between and on the slices.

    Args:
        distances: from :func:`signed_distances` for codes 1, 2 and 3.
        geometry: of the labels.
        patient_mm: (3, ...) LPS positions.

    Returns:
        (...) uint8.
    """
    index = to_index(geometry, patient_mm)
    inside = _inside(index[0], geometry.shape[0])
    padded = np.stack([index[0] + 1, index[1], index[2]])
    at = {code: _linear(field, padded, 50.0) for code, field in distances.items()}
    label = np.zeros(at[1].shape, np.uint8)
    label[at[3] < 0] = 3
    label[at[2] < 0] = 2
    label[at[1] < 0] = 1
    label[~inside] = 0
    return label


def to_index(geometry: Geometry, patient_mm: Array) -> Array:
    """(z, y, x) voxel coordinates (3, ...) of LPS positions (3, ...)."""
    flat = np.asarray(patient_mm, float).reshape(3, -1) - np.array(geometry.origin_mm)[:, None]
    index = np.linalg.solve(geometry.direction, flat) / np.array(geometry.spacing_mm)[:, None]
    return np.asarray(index.reshape(np.shape(patient_mm)))


def intensity_at(image: Array, geometry: Geometry, patient_mm: Array) -> Floats:
    """Linear interpolation of an image at LPS positions; 0 outside."""
    index = to_index(geometry, patient_mm)
    inside = _inside(index[0], geometry.shape[0])
    index[0] = np.clip(index[0], 0, geometry.shape[0] - 1)
    return np.asarray(_linear(image.astype(np.float32), index, 0.0) * inside)


def _inside(z: Array, count: int) -> Array:
    """Half a slice beyond the outermost ones belongs to them."""
    return np.asarray((z >= -0.5) & (z <= count - 0.5))


def _linear(field: Floats, index: Array, far: float) -> Floats:
    return np.asarray(ndimage.map_coordinates(field, index, order=1, cval=far))


def _region(label: Array, code: int) -> Array:
    """Cavity alone, cavity and wall, RV."""
    return np.isin(label, (1, 2)) if code == 2 else label == code


def _distances(region: Array, pixel_mm: tuple[float, float], closes_at: float) -> Floats:
    far = float(np.hypot(region.shape[1] * pixel_mm[0], region.shape[2] * pixel_mm[1]))
    field = np.full((len(region) + 2, *region.shape[1:]), far, np.float32)
    for z, inside in enumerate(region, start=1):
        if inside.any():
            outwards = ndimage.distance_transform_edt(~inside, pixel_mm)
            inwards = ndimage.distance_transform_edt(inside, pixel_mm)
            half = 0.5 * min(pixel_mm)
            field[z] = np.where(inside, half - inwards, outwards - half)
    _close_ends(field, region, closes_at)
    return field


def _close_ends(field: Floats, region: Array, closes_at: float) -> None:
    """Round a structure off beyond its last slices; at the base the stack cuts it open."""
    sizes = region.sum((1, 2))
    shown = np.flatnonzero(sizes)
    if not shown.size:
        return
    first, last = int(shown[0]), int(shown[-1])
    for end, beyond in ((first + 1, first), (last + 1, last + 2)):
        depth = float(-field[end].min())
        field[beyond] = field[end] + depth / closes_at
    if sizes[first] >= sizes[last] and first == 0:
        field[0] = field[1]
    elif sizes[first] < sizes[last] and last == len(region) - 1:
        field[-1] = field[-2]


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
