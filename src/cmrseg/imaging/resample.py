"""To a recipe's grid and back.

Grids that share their axes are resampled one axis at a time, each axis one small sparse matrix
(target voxels x source voxels) that holds interpolation and anti-aliasing together. Sparse,
because its products run on one thread: a dense product of this size, on threads that wait for
each other, is far slower beside another busy process. An axis whose voxels do not
move is left alone, so a stack of thick slices is resampled slice by slice and the grid a volume
came from is met exactly. Voxel centres are matched by their position in the patient; beyond the
outermost centres the edge value goes on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import ndimage, sparse

from cmrseg.imaging.volume import Array, Geometry, Grid, Volume

ROUNDS = 30
STEP, COOLING = 0.1, 0.93
"""First step of the handicaps (as a share of a voxel) and its factor from round to round."""
WHOLE = 1.0 - 1e-6
"""A share from which a voxel belongs to one class alone."""


def winners(shares: Array) -> Array:
    """The class of every voxel, so that each class keeps its volume.

    The largest share alone would starve what is thin: a wall 1.4 voxels wide, put on a grid 1.25
    times coarser, loses a quarter of its volume and tears, because each half of it meets a larger
    neighbour. Here each class gets one handicap, added to its shares everywhere, and the handicaps
    are moved until every class has as many voxels as its shares add up to. What is decided
    without doubt is not touched.

    Args:
        shares: (C, z, y, x), the part of each voxel that each class fills; sums to one.

    Returns:
        (z, y, x) class indices.
    """
    flat = shares.reshape(len(shares), -1)
    found = flat.argmax(0)
    doubtful = np.flatnonzero(flat.max(0) < WHOLE)
    contested = flat[:, doubtful]
    wanted = contested.sum(1)
    handicap = np.zeros((len(shares), 1), flat.dtype)
    least, step = np.inf, STEP
    for _ in range(ROUNDS):
        taken = (contested + handicap).argmax(0)
        missing = wanted - np.bincount(taken, minlength=len(shares))
        if np.abs(missing).sum() < least:
            least, found[doubtful] = float(np.abs(missing).sum()), taken
        handicap[:, 0] += step * missing / np.maximum(wanted, 1.0)
        step *= COOLING
    indices: Array = found.reshape(shares.shape[1:])
    return indices


SHARES = 0
"""In place of an interpolation order: by overlap of voxels."""
STRONGLY = 1.5
"""Spacing ratio from which finer detail is smoothed away before it is sampled."""
NEGLIGIBLE = 1e-7
"""Weights too small to count: the far tails of a spline."""
STILL = 1e-4
"""Share of a voxel that an axis may be off and still be left alone."""
PARALLEL = 1e-4
"""Largest difference of two direction matrices that are the same: 0.03 mm over a body."""
ANISOTROPIC = 2.0
"""Ratio to the finest spacing from which an axis is interpolated linearly at most: a spline
through slices this thick rings."""


def to_grid(volume: Volume, grid: Grid, *, order: int = 3) -> Volume:
    """The image at a recipe's spacing, float32.

    Args:
        volume: (z, y, x) grey values.
        grid: the spacing wanted.
        order: 3 for cubic B-splines, 1 for linear.
    """
    return resample_to(volume, grid.of(volume.geometry), order)


def labels_to_grid(volume: Volume, grid: Grid) -> Volume:
    """The label map at a recipe's spacing, in its own type.

    Each class's share of every new voxel is found by area, and the voxels are dealt out so that
    each class keeps its volume (:func:`~cmrseg.imaging.resample.winners`): thin walls survive that
    nearest neighbours or the plain largest share would tear.
    """
    target = grid.of(volume.geometry)
    codes, index = np.unique(volume.array, return_inverse=True)
    one_hot = np.eye(len(codes), dtype=np.float32)[:, index.reshape(volume.array.shape)]
    shares = _resampled(one_hot, volume.geometry, target, SHARES)
    return replace(volume, array=codes[winners(shares)], geometry=target)


def probabilities_to(source: Geometry, probabilities: Array, on: Geometry) -> Array:
    """Class probabilities brought back to the voxels of ``on``.

    Linear between voxel centres; where the voxels of ``on`` are larger, the mean over them.

    Args:
        source: the geometry the probabilities lie on.
        probabilities: (C, z, y, x) float32.
        on: the geometry wanted, as a rule the image's own.

    Returns:
        (C, z, y, x) float32 with exactly the shape of ``on``; sums over classes are kept.
    """
    return _resampled(np.asarray(probabilities, np.float32), source, on, SHARES)


def resample_to(volume: Volume, geometry: Geometry, order: int = 1) -> Volume:
    """The image on the voxels of another geometry, float32, never beyond its own range.

    Args:
        volume: (z, y, x) grey values.
        geometry: the voxels wanted; turned axes are allowed.
        order: 3 for cubic B-splines, 1 for linear.
    """
    values = np.asarray(volume.array, np.float32)
    array = _resampled(values, volume.geometry, geometry, order)
    if order > 1:  # splines swing beyond the values at an edge
        np.clip(array, values.min(), values.max(), out=array)
    return replace(volume, array=array, geometry=geometry)


def _resampled(array: Array, source: Geometry, target: Geometry, order: int) -> Array:
    """(..., z, y, x) float32 on ``source`` to (..., z, y, x) on ``target``."""
    turn = source.direction.T @ target.direction
    if not np.allclose(turn, np.eye(3), atol=PARALLEL):
        return _turned(array, source, target, order)
    z, y, x = (_axis_weights(axis, source, target, order) for axis in range(3))
    volumes = array.reshape(-1, *source.shape)
    moved = np.empty((len(volumes), *target.shape), np.float32)
    for volume, place in zip(volumes, moved, strict=True):
        if z is not None:
            volume = (z @ volume.reshape(len(volume), -1)).reshape(-1, *volume.shape[1:])
        for plane, out in zip(volume, place, strict=True):
            rows = plane if y is None else y @ plane
            out[:] = rows if x is None else (x @ rows.T).T
    return moved.reshape(*array.shape[:-3], *target.shape)


def _axis_weights(axis: int, source: Geometry, target: Geometry, order: int) -> Any:
    """Sparse (target, source) weights along one axis; None if its voxels do not move."""
    count, spacing = source.shape[axis], source.spacing_mm[axis]
    shift = source.direction[:, axis] @ (np.array(target.origin_mm) - source.origin_mm)
    ratio = target.spacing_mm[axis] / spacing
    at = shift / spacing + np.arange(target.shape[axis]) * ratio
    if len(at) == count and np.allclose(at, np.arange(count), rtol=0, atol=STILL):
        return None
    thick = spacing > ANISOTROPIC * min(source.spacing_mm)
    return _weights(count, at, min(order, 1) if thick else order, ratio)


def _weights(count: int, at: Array, order: int, ratio: float) -> Any:
    """Sparse (target, source) weights that sample ``count`` voxels at positions ``at`` (voxels).

    Interpolation is linear in the voxels' values, so the matrix is what interpolating each unit
    vector gives. Every row sums to one.
    """
    at = np.clip(at, 0, count - 1)
    if order == SHARES:
        return sparse.csr_array(_overlaps(count, at, ratio))
    values = np.eye(count)
    if ratio > STRONGLY:
        values = ndimage.gaussian_filter1d(values, (ratio - 1) / 2, axis=0, mode="nearest")
    rows, columns = np.meshgrid(at, np.arange(count), indexing="ij")
    weights = ndimage.map_coordinates(values, [rows, columns], order=order, mode="mirror")
    weights[np.abs(weights) < NEGLIGIBLE] = 0.0
    return sparse.csr_array(weights.astype(np.float32))


def _overlaps(count: int, at: Array, ratio: float) -> Array:
    """(target, source) shares that each source voxel has in each target voxel.

    A target voxel no larger than a source voxel is taken as one of its size, whose overlaps are
    the weights of linear interpolation.
    """
    half, source = max(ratio, 1.0) / 2, np.arange(count)
    low = np.maximum(at[:, None] - half, source - 0.5)
    high = np.minimum(at[:, None] + half, source + 0.5)
    shares = np.clip(high - low, 0, None)
    weights: Array = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    return weights


def _turned(array: Array, source: Geometry, target: Geometry, order: int) -> Array:
    """Sampling between grids whose axes are not parallel, volume by volume."""
    matrix = source.direction.T @ target.direction * target.spacing_mm
    matrix /= np.array(source.spacing_mm)[:, None]
    offset = source.direction.T @ (np.array(target.origin_mm) - source.origin_mm)
    offset /= source.spacing_mm
    moved = [
        ndimage.affine_transform(
            one,
            matrix,
            offset,
            target.shape,
            order=max(order, 1),
            mode="nearest",
            output=np.float32,
        )
        for one in array.reshape(-1, *source.shape)
    ]
    return np.stack(moved).reshape(*array.shape[:-3], *target.shape)
