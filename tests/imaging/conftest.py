"""Small volumes and files, made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from cmrseg.imaging import Geometry, Volume

from .tools import rotation


@pytest.fixture
def oblique() -> Volume:
    """An int16 volume of grey values, turned and shifted, with three different spacings."""
    values = np.random.default_rng(0).integers(0, 900, (5, 30, 40)).astype(np.int16)
    geometry = Geometry(
        shape=(5, 30, 40),
        spacing_mm=(8.0, 1.25, 1.5),
        origin_mm=(-31.5, 12.25, 77.0),
        direction=rotation(3)[:, ::-1].copy(),
    )
    return Volume(values, geometry)


@pytest.fixture
def nifti_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a NIfTI file whose header says exactly what the test wants, right or wrong."""

    def make(array: np.ndarray, name: str = "jane_doe.nii", **fields: Any) -> Path:
        """``array`` is (x, y, z, ...); ``fields`` overwrite raw header fields."""
        image = nib.Nifti1Image(array, np.diag([-1.5, -1.25, 8.0, 1.0]))
        path = tmp_path / "plain.nii"
        nib.save(image, path)
        raw = path.read_bytes()
        header = nib.Nifti1Header(raw[:348], check=False)
        for field, value in fields.items():
            header[field] = value
        path = tmp_path / name
        path.write_bytes(header.binaryblock + raw[348:])
        return path

    return make


@pytest.fixture
def grey() -> np.ndarray:
    """(x, y, z) int16 grey values for NIfTI files."""
    return np.random.default_rng(1).integers(0, 900, (12, 10, 5)).astype(np.int16)
