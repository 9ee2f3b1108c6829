"""The voxel spacing a recipe works at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cmrseg.imaging.volume import Geometry

SAME_Z = 0.01
"""Share by which slice spacing may miss a recipe's before slices are interpolated."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The voxel spacing a recipe works at.

    Attributes:
        spacing_mm: (z, y, x); None keeps the image's own. A single slice keeps its thickness,
            and a stack its slices where they are within 1 % of the wanted ones.
    """

    spacing_mm: tuple[float | None, float, float]

    def of(self, geometry: Geometry) -> Geometry:
        """The geometry of this spacing that covers the same extent around the same centre."""
        pairs = zip(geometry.spacing_mm, self.spacing_mm, strict=True)
        z, y, x = (old if new is None else float(new) for old, new in pairs)
        if geometry.shape[0] == 1 or abs(z / geometry.spacing_mm[0] - 1) < SAME_Z:
            z = geometry.spacing_mm[0]
        shape = [
            n if new == old else max(1, round(n * old / new))
            for n, old, new in zip(geometry.shape, geometry.spacing_mm, (z, y, x), strict=True)
        ]
        centre = (np.array(geometry.shape) - 1) / 2 * geometry.spacing_mm
        shift = centre - (np.array(shape) - 1) / 2 * (z, y, x)
        origin = np.array(geometry.origin_mm) + geometry.direction @ shift
        return replace(
            geometry,
            shape=(shape[0], shape[1], shape[2]),
            spacing_mm=(z, y, x),
            origin_mm=tuple(origin.tolist()),
        )
