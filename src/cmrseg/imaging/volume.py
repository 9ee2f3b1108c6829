"""The one image type of the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cmrseg.runtime.errors import InputError

Array = npt.NDArray[Any]

GEOMETRY_TOLERANCE_MM = 0.1
"""Corners of one and the same grid may lie this far apart: less than a tenth of a pixel, more than
the rounding of a header that went through single precision or through text."""


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """Where the voxels of a (z, y, x) array lie in the patient.

    ``patient = origin_mm + direction @ (index * spacing_mm)`` with ``index`` in (z, y, x).

    Attributes:
        shape: voxels along (z, y, x).
        spacing_mm: distance of voxel centres along (z, y, x).
        origin_mm: patient position (x, y, z in LPS) of the first voxel's centre.
        direction: (3, 3); column j is the unit vector of array axis j (z, y, x) in LPS.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: Array = field(default_factory=lambda: np.eye(3)[:, ::-1].copy())

    def __post_init__(self) -> None:
        if not all(np.isfinite(s) and s > 0 for s in self.spacing_mm):
            raise InputError(
                f"voxel spacing {tuple(float(s) for s in self.spacing_mm)} mm is not positive",
                "write the true spacing into the image header",
            )
        if not np.isfinite(self.origin_mm).all():
            raise InputError(
                "the position of the image in the patient is not a number",
                "write the true origin into the image header",
            )

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in mL."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    def same_as(self, other: Geometry, tolerance: float = 1e-3) -> bool:
        """Same shape, and every corner within ``tolerance`` mm."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1)
        return bool(np.abs(self.to_patient(corners) - other.to_patient(corners)).max() <= tolerance)

    def to_patient(self, index: Array) -> Array:
        """Patient positions (3, n) in LPS mm of array indices (3, n) in (z, y, x)."""
        scaled = np.asarray(index, float) * np.array(self.spacing_mm)[:, None]
        moved: Array = np.array(self.origin_mm)[:, None] + self.direction @ scaled
        return moved

    def to_index(self, patient: Array) -> Array:
        """Array indices (3, n) in (z, y, x), fractions, of patient positions (3, n) in LPS mm."""
        moved = self.direction.T @ (np.asarray(patient) - np.array(self.origin_mm)[:, None])
        index: Array = moved / np.array(self.spacing_mm)[:, None]
        return index


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """An array (z, y, x) with its place in the patient and the header it came with.

    Attributes:
        array: (z, y, x).
        geometry: where the voxels lie.
        header: what the source file said beyond geometry: for NIfTI the raw 348 bytes under
            ``"nifti"``, so that outputs can copy it; for DICOM ``"dicom"``, modality and whether
            there was an inversion pulse; for both ``"frames"``, how many it holds of each slice.
        warnings: what had to be mended while reading, in words.
        review: what makes the geometry doubtful, in words: somebody has to look at the case.
    """

    array: Array
    geometry: Geometry
    header: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    review: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape:
            raise ValueError(f"array {self.array.shape} but geometry {self.geometry.shape}")

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel spacing (z, y, x) in mm."""
        return self.geometry.spacing_mm

    def like(self, array: Array) -> Volume:
        """Another array on the same voxels, with the same header."""
        return replace(self, array=array, warnings=(), review=())


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
