"""Direction cosines that are none: files whose axes are not quite perpendicular."""

from __future__ import annotations

import numpy as np

from cmrseg.imaging.volume import Array
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
