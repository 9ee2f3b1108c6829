import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmrseg.imaging import Grid, Volume, canonical, read, to_grid, write
from cmrseg.runtime.errors import OutputError

SUFFIXES = [".nii", ".nii.gz", ".mha", ".mhd", ".nrrd"]
Make = Callable[..., Path]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_comes_back_as_it_was(tmp_path: Path, oblique: Volume, suffix: str, dtype: type) -> None:
    volume = oblique.like((oblique.array % 250).astype(dtype))
    path = tmp_path / f"a{suffix}"
    write(volume, path)
    again = read(path)
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.array.dtype == dtype
    assert again.geometry.same_as(volume.geometry)
    assert again.warnings == ()


def test_types_that_no_format_holds(tmp_path: Path, oblique: Volume) -> None:
    write(oblique.like(oblique.array > 400), tmp_path / "bool.nii.gz")
    assert read(tmp_path / "bool.nii.gz").array.dtype == np.uint8
    write(oblique.like(oblique.array.astype(np.float16)), tmp_path / "half.mha")
    assert read(tmp_path / "half.mha").array.dtype == np.float32


def test_mha_is_compressed(tmp_path: Path, oblique: Volume) -> None:
    write(oblique.like(np.zeros_like(oblique.array)), tmp_path / "a.mha")
    assert b"CompressedData = True" in (tmp_path / "a.mha").read_bytes()
    assert (tmp_path / "a.mha").stat().st_size < 1000


def test_the_emidec_header_survives(tmp_path: Path, nifti_file: Make, grey: np.ndarray) -> None:
    fields = {
        "pixdim": [1, 1.406, 1.406, 13, 0, 0, 0, 0],
        "sform_code": 2,
        "qform_code": 0,
        "srow_x": [-1, 0, 0, 0],
        "srow_y": [0, -1, 0, 0],
        "srow_z": [0, 0, 1, 0],
        "descrip": b"Time=0.000",
        "xyzt_units": 10,
        "scl_slope": 2.0,
    }
    source = nifti_file(grey, **fields)
    volume = read(source)
    write(volume.like((volume.array > 900).astype(np.uint8)), tmp_path / "mask.nii.gz")
    before, after = nib.load(source).header, nib.load(tmp_path / "mask.nii.gz").header
    for field in ("pixdim", "sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "descrip"):
        np.testing.assert_array_equal(before[field], after[field])
    assert after["xyzt_units"] == 10
    assert after.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(
        nib.load(tmp_path / "mask.nii.gz").affine, nib.load(source).affine
    )
    again = read(tmp_path / "mask.nii.gz")
    assert again.geometry.same_as(volume.geometry, tolerance=0.0)
    np.testing.assert_array_equal(again.array, grey.T * 2 > 900)


def test_a_header_that_no_longer_fits_is_rewritten(
    tmp_path: Path, nifti_file: Make, grey: np.ndarray
) -> None:
    volume = read(nifti_file(grey, descrip=b"kept"))
    moved = to_grid(canonical(volume)[0], Grid((None, 1.0, 1.0)))
    write(moved, tmp_path / "a.nii")
    again = read(tmp_path / "a.nii")
    assert again.geometry.same_as(moved.geometry)
    np.testing.assert_array_equal(again.array, moved.array)
    assert nib.load(tmp_path / "a.nii").header["descrip"] == b"kept"


def test_a_frame_of_a_cine_is_written_as_3d(tmp_path: Path, nifti_file: Make) -> None:
    cine = np.random.default_rng(2).integers(0, 99, (6, 5, 4, 3)).astype(np.int16)
    frame = read(nifti_file(cine), 1)
    write(frame, tmp_path / "a.nii.gz")
    assert nib.load(tmp_path / "a.nii.gz").shape == (6, 5, 4)
    assert read(tmp_path / "a.nii.gz").geometry.same_as(frame.geometry)


def test_a_2d_header_without_third_spacing(tmp_path: Path, nifti_file: Make) -> None:
    plane = np.random.default_rng(2).integers(0, 99, (6, 5)).astype(np.int16)
    volume = read(nifti_file(plane, pixdim=[1, 1.5, 1.25, 0, 0, 0, 0, 0]))
    write(volume, tmp_path / "a.nii.gz")
    assert read(tmp_path / "a.nii.gz").geometry.same_as(volume.geometry)


def test_equal_volumes_give_equal_files(tmp_path: Path, oblique: Volume) -> None:
    write(oblique, tmp_path / "jane_doe.nii.gz")
    write(oblique, tmp_path / "b.nii.gz")
    data = (tmp_path / "jane_doe.nii.gz").read_bytes()
    assert data == (tmp_path / "b.nii.gz").read_bytes()
    assert b"jane" not in data
    assert len(gzip.decompress(data)) == 352 + oblique.array.nbytes


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_is_not_there(tmp_path: Path, oblique: Volume, suffix: str) -> None:
    with pytest.raises(OutputError, match="cannot be written") as caught:
        write(oblique, tmp_path / "no" / f"jane{suffix}")
    assert "jane" not in str(caught.value)


def test_an_unknown_ending_is_a_fault_of_the_caller(tmp_path: Path, oblique: Volume) -> None:
    with pytest.raises(ValueError, match="jpg"):
        write(oblique, tmp_path / "a.jpg")
