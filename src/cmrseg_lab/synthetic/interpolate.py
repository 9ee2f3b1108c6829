"""Labels between slices: shape-based interpolation (Raya and Udupa, IEEE TMI 9(1), 1990)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array, Geometry
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
