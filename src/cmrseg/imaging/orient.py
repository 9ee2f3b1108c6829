"""One convention for stored axes, and the way back.

Files store the same heart with their axes in any order and sense. Networks see one: slices
first, then rows towards the patient's back, then columns towards the patient's left, as nearly
as the image plane allows; axes are swapped and flipped only, nothing is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np

from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.runtime.errors import InputError

TOLERANCE = 1e-3
"""Largest error of a product of two axes that passes as rounding (cosines of five digits)."""


def orthonormal(axes: Array) -> tuple[Array, str | None]:
    """The orthonormal axes nearest to the given ones, handedness kept.

    The orthogonal factor of the polar decomposition (from the SVD) is the nearest orthonormal
    matrix in the least-squares sense, so no axis is favoured over another.

    Args:
        axes: (3, 3), one axis a column, of any length.

    Returns:
        (3, 3) orthonormal axes, and a warning if they had to be moved more than rounding would.

    Raises:
        InputError: an axis is zero or not finite, or two axes lie on one line.
    """
    lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(axes).all() or (lengths == 0).any():
        raise _unusable()
    unit = axes / lengths
    if np.array_equal(unit.T @ unit, np.eye(3)):
        return unit, None
    u, stretch, vt = np.linalg.svd(unit)
    if stretch.min() < 0.1:
        raise _unusable()
    error = float(np.abs(unit.T @ unit - np.eye(3)).max())
    if error <= TOLERANCE:
        return u @ vt, None
    angle = np.degrees(np.arcsin(min(error, 1.0)))
    return u @ vt, (
        f"the image axes in the header are {angle:.1f} degrees off perpendicular; "
        "the nearest perpendicular axes were used"
    )


def _unusable() -> InputError:
    return InputError(
        "the direction of the image axes in the header cannot be used",
        "write the true orientation into the image header (three perpendicular axes)",
    )


CLEARLY = 1.5
"""How much coarser (in mm) or fewer (in number) slices are than pixels, to be told by that."""

TOWARDS_X = np.array([1.0, 1e-3, 1e-5])
"""Columns go to the left (L); where that leaves a tie, to the back, then to the head."""
TOWARDS_Y = np.array([0.0, 1.0, -1e-4])
"""Rows go to the back (P); where that leaves a tie, to the feet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How the axes of a stored array were swapped and flipped.

    Attributes:
        axes: canonical axis i (z, y, x) is stored axis ``axes[i]``.
        flipped: whether canonical axis i runs against the stored one.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def forth(self, array: Array) -> Array:
        """A stored array (..., 3 axes) in canonical order; leading axes stay."""
        turned = np.transpose(array, self._lead(array) + [a - 3 + array.ndim for a in self.axes])
        return np.ascontiguousarray(np.flip(turned, self._flips(array)))

    def back(self, array: Array) -> Array:
        """A canonical array (..., z, y, x) as stored; the exact inverse of ``forth``."""
        order = [int(a) - 3 + array.ndim for a in np.argsort(self.axes)]
        turned = np.transpose(np.flip(array, self._flips(array)), self._lead(array) + order)
        return np.ascontiguousarray(turned)

    def _lead(self, array: Array) -> list[int]:
        return list(range(array.ndim - 3))

    def _flips(self, array: Array) -> tuple[int, ...]:
        return tuple(i - 3 + array.ndim for i, flip in enumerate(self.flipped) if flip)


def canonical(volume: Volume) -> tuple[Volume, Orientation]:
    """The volume with its axes in the one convention, and how to go back.

    The slice axis comes first. In plane, of the eight ways to lay rows and columns, the one
    whose columns point most to the patient's left (+L) and rows most to the back (+P). The slice
    axis runs so that (x, y, z) is right-handed: no heart is ever seen mirrored. An identity
    direction stays as it is.
    """
    geometry = volume.geometry
    slices = slice_axis(geometry)
    d = geometry.direction
    plane = [axis for axis in range(3) if axis != slices]

    def towards(way: tuple[tuple[int, ...], tuple[int, ...]]) -> float:
        (y, x), (sign_y, sign_x) = way
        return float(sign_x * (d[:, x] @ TOWARDS_X) + sign_y * (d[:, y] @ TOWARDS_Y))

    ways = product(permutations(plane), product((1, -1), repeat=2))
    (y, x), (sign_y, sign_x) = max(ways, key=towards)
    normal = np.cross(sign_x * d[:, x], sign_y * d[:, y])
    sign_z = 1 if normal @ d[:, slices] > 0 else -1
    orientation = Orientation(axes=(slices, y, x), flipped=(sign_z < 0, sign_y < 0, sign_x < 0))
    turned = replace(
        volume,
        array=orientation.forth(volume.array),
        geometry=_turned(geometry, orientation),
    )
    return turned, orientation


def aligned(volume: Volume, geometry: Geometry, tolerance_mm: float) -> Volume | None:
    """The same voxels with their axes as in ``geometry``; None if they are not the same voxels.

    Args:
        volume: perhaps stored with its axes in another order or sense.
        geometry: how they are wanted.
        tolerance_mm: how far corners may lie apart.
    """
    for axes in permutations(range(3)):
        for flipped in product((False, True), repeat=3):
            way = Orientation(
                axes=(axes[0], axes[1], axes[2]), flipped=(flipped[0], flipped[1], flipped[2])
            )
            turned = _turned(volume.geometry, way)
            if turned.same_as(geometry, tolerance_mm):
                return replace(volume, array=way.forth(volume.array), geometry=turned)
    return None


def slice_axis(geometry: Geometry) -> int:
    """The stored axis along which slices follow each other.

    The one axis with a single voxel; else the one whose spacing is clearly the widest; else the
    one with clearly the fewest voxels; else the first.
    """
    shape, spacing = np.array(geometry.shape), np.array(geometry.spacing_mm)
    if (shape == 1).sum() == 1:
        return int(shape.argmin())
    wide = np.sort(spacing)
    if wide[2] > CLEARLY * wide[1]:
        return int(spacing.argmax())
    few = np.sort(shape)
    if few[1] > CLEARLY * few[0]:
        return int(shape.argmin())
    return 0


def _turned(geometry: Geometry, orientation: Orientation) -> Geometry:
    axes = list(orientation.axes)
    corner = np.zeros(3)
    for axis, flip in zip(axes, orientation.flipped, strict=True):
        corner[axis] = geometry.shape[axis] - 1 if flip else 0
    signs = np.where(orientation.flipped, -1.0, 1.0)
    z, y, x = axes
    return Geometry(
        shape=(geometry.shape[z], geometry.shape[y], geometry.shape[x]),
        spacing_mm=(geometry.spacing_mm[z], geometry.spacing_mm[y], geometry.spacing_mm[x]),
        origin_mm=tuple(geometry.to_patient(corner[:, None])[:, 0].tolist()),
        direction=geometry.direction[:, axes] * signs,
    )
