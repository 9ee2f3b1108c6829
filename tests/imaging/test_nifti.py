import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from cmrseg.imaging import Volume, frame_count, read, write
from cmrseg.runtime.errors import InputError, MemoryLimitError

Make = Callable[..., Path]


def test_reads_what_itk_reads(tmp_path: Path, oblique: Volume) -> None:
    """Array and position agree with an independent reader, corner by corner."""
    path = tmp_path / "a.nii.gz"
    write(oblique, path)
    image = sitk.ReadImage(str(path))
    volume = read(path)
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    for index in ((0, 0, 0), (4, 0, 0), (0, 29, 0), (0, 0, 39), (4, 29, 39)):
        theirs = image.TransformIndexToPhysicalPoint(index[::-1])
        ours = volume.geometry.to_patient(np.array(index)[:, None])[:, 0]
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_emidec_trap(nifti_file: Make, grey: np.ndarray) -> None:
    """FACTS 1: affine diag(-1, -1, 1), zero origin, the true spacing in pixdim."""
    path = nifti_file(
        grey,
        pixdim=[1, 1.406, 1.406, 13, 0, 0, 0, 0],
        sform_code=2,
        qform_code=0,
        srow_x=[-1, 0, 0, 0],
        srow_y=[0, -1, 0, 0],
        srow_z=[0, 0, 1, 0],
    )
    volume = read(path)
    np.testing.assert_allclose(volume.spacing_mm, (13, 1.406, 1.406), rtol=1e-6)
    np.testing.assert_array_equal(volume.geometry.direction, np.eye(3)[:, ::-1])
    assert volume.geometry.origin_mm == (0.0, 0.0, 0.0)
    assert len(volume.warnings) == 1
    assert "1.41, 1.41, 13" in volume.warnings[0]


def test_spacing_from_the_affine_where_pixdim_was_never_set(
    nifti_file: Make, grey: np.ndarray
) -> None:
    volume = read(nifti_file(grey, pixdim=[1, 1, 1, 1, 0, 0, 0, 0], sform_code=1, qform_code=0))
    assert volume.spacing_mm == (8.0, 1.25, 1.5)
    assert len(volume.warnings) == 1


def test_axes_that_itk_refuses_are_mended(nifti_file: Make, grey: np.ndarray) -> None:
    path = nifti_file(
        grey, qform_code=0, srow_x=[-1.5, 0.1, 0, 5], srow_y=[0, -1.246, 0.2, 0], sform_code=1
    )
    with pytest.raises(RuntimeError, match="orthonormal"):
        sitk.ReadImage(str(path))
    volume = read(path)
    axes = volume.geometry.direction
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(axes, np.eye(3)[:, ::-1], atol=0.06)
    assert volume.geometry.origin_mm == (-5.0, 0.0, 0.0)
    assert any("perpendicular" in warning for warning in volume.warnings)
    np.testing.assert_array_equal(volume.array, grey.T)


def test_qform_and_no_form(nifti_file: Make, grey: np.ndarray) -> None:
    turned = read(
        nifti_file(grey, sform_code=0, qform_code=1, quatern_b=0, quatern_c=0, quatern_d=0.6)
    )
    # a turn about z by 2 asin(0.6), in RAS; x and y change sign in LPS
    cosine, sine = 1 - 2 * 0.36, 2 * 0.6 * 0.8
    np.testing.assert_allclose(turned.geometry.direction[:, 2], [-cosine, -sine, 0], atol=1e-6)
    unsigned = nifti_file(
        grey,
        sform_code=0,
        qform_code=1,
        quatern_b=0,
        quatern_c=0,
        quatern_d=0.6,
        pixdim=[0, 1.5, 1.25, 8, 0, 0, 0, 0],
    )
    assert read(unsigned).geometry.same_as(turned.geometry)
    bare = read(nifti_file(grey, sform_code=0, qform_code=0))
    np.testing.assert_array_equal(bare.geometry.direction, np.eye(3)[:, ::-1])
    assert bare.spacing_mm == (8.0, 1.25, 1.5)
    assert len(bare.warnings) == 1
    assert not turned.warnings


def test_units_other_than_mm(nifti_file: Make, grey: np.ndarray) -> None:
    metres = read(nifti_file(grey, xyzt_units=1, pixdim=[1, 1.5e-3, 1.25e-3, 8e-3, 0, 0, 0, 0]))
    np.testing.assert_allclose(metres.spacing_mm, (8.0, 1.25, 1.5), rtol=1e-6)


def test_scaled_values(nifti_file: Make, grey: np.ndarray) -> None:
    volume = read(nifti_file(grey, scl_slope=2.0, scl_inter=-1.0))
    np.testing.assert_array_equal(volume.array, grey.T * 2.0 - 1.0)
    assert volume.array.dtype == np.float32


def test_a_2d_image_is_one_slice(nifti_file: Make, grey: np.ndarray) -> None:
    path = nifti_file(grey[:, :, 0], pixdim=[1, 1.5, 1.25, 0, 0, 0, 0, 0])
    volume = read(path)
    assert volume.array.shape == (1, 10, 12)
    assert volume.spacing_mm[1:] == (1.25, 1.5)


def test_cine_by_frame(nifti_file: Make) -> None:
    cine = np.random.default_rng(2).integers(0, 99, (6, 5, 4, 3)).astype(np.int16)
    path = nifti_file(cine)
    assert frame_count(path) == 3
    for frame in range(3):
        np.testing.assert_array_equal(read(path, frame).array, cine[..., frame].T)
    with pytest.raises(InputError, match="cine of 3 frames"):
        read(path)
    with pytest.raises(InputError, match="frame 3"):
        read(path, 3)
    with pytest.raises(InputError, match="frame -1"):
        read(path, -1)


def test_cine_of_one_frame_needs_no_number(nifti_file: Make, grey: np.ndarray) -> None:
    path = nifti_file(grey[..., None])
    assert frame_count(path) == 1
    np.testing.assert_array_equal(read(path).array, grey.T)


def test_nifti_2(tmp_path: Path, grey: np.ndarray) -> None:
    nib.save(nib.Nifti2Image(grey, np.diag([-1.5, -1.25, 8.0, 1.0])), tmp_path / "two.nii")
    volume = read(tmp_path / "two.nii")
    np.testing.assert_array_equal(volume.array, grey.T)
    assert volume.spacing_mm == (8.0, 1.25, 1.5)
    write(volume, tmp_path / "again.nii.gz")
    assert read(tmp_path / "again.nii.gz").geometry.same_as(volume.geometry)


def test_big_endian(tmp_path: Path, grey: np.ndarray) -> None:
    header = nib.Nifti1Header(endianness=">")
    nib.save(nib.Nifti1Image(grey, np.diag([-1.5, -1.25, 8.0, 1.0]), header), tmp_path / "b.nii")
    volume = read(tmp_path / "b.nii")
    np.testing.assert_array_equal(volume.array, grey.T)
    assert volume.array.dtype.isnative
    write(volume, tmp_path / "again.nii")
    np.testing.assert_array_equal(read(tmp_path / "again.nii").array, grey.T)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pixdim": [1, 1.5, 0, 8, 0, 0, 0, 0]}, "spacing"),
        ({"pixdim": [1, -1.5, 1.25, 8, 0, 0, 0, 0]}, "spacing"),
        ({"pixdim": [1, np.nan, 1.25, 8, 0, 0, 0, 0]}, "spacing"),
        ({"dim": [5, 12, 10, 1, 1, 5, 1, 1]}, "5 dimensions"),
        ({"dim": [3, -12, 10, 5, 1, 1, 1, 1]}, "dimensions"),
        ({"dim": [1, 600, 1, 1, 1, 1, 1, 1]}, "1 dimensions"),
        ({"dim": [3, 9000, 9000, 9000, 1, 1, 1, 1]}, "truncated"),
        ({"datatype": 9999}, "unknown type"),
        ({"datatype": 128, "bitpix": 24, "dim": [3, 12, 10, 3, 1, 1, 1, 1]}, "colours"),
        ({"datatype": 32, "bitpix": 64, "dim": [3, 6, 5, 5, 1, 1, 1, 1]}, "real number"),
        ({"sform_code": 1, "srow_x": [0, 0, 0, 0]}, "direction"),
        ({"sform_code": 1, "srow_y": [np.nan, 0, 0, 0]}, "direction"),
        ({"sform_code": 0, "qform_code": 1, "quatern_b": 3.0}, "direction"),
        ({"sform_code": 1, "srow_x": [-1.5, 0, 0, np.nan]}, "position"),
        ({"scl_slope": 1.0, "scl_inter": np.nan}, "damaged"),
    ],
)
def test_headers_that_cannot_be_used(
    nifti_file: Make, grey: np.ndarray, fields: dict[str, object], message: str
) -> None:
    path = nifti_file(grey, **fields)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert "jane" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_truncated(tmp_path: Path, oblique: Volume, name: str, kept: float) -> None:
    write(oblique, tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match=r"truncated|does not hold"):
        read(tmp_path / name)


def test_an_archive_with_a_flipped_bit(tmp_path: Path, oblique: Volume) -> None:
    path = tmp_path / "a.nii.gz"
    write(oblique, path)
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # in the checksum: the data themselves unpack
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read(path)


def test_a_text_file_called_nifti(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_text("not an image " * 100)
    with pytest.raises(InputError, match="does not hold a NIfTI"):
        read(tmp_path / "a.nii")


def header_of(*lengths: float) -> dict[str, object]:
    """Raw fields of an affine whose columns have these lengths."""
    rows = np.diag([-lengths[0], -lengths[1], lengths[2]])
    names = ("srow_x", "srow_y", "srow_z")
    return {
        "sform_code": 1,
        **{name: [*row, 0.0] for name, row in zip(names, rows, strict=True)},
    }


@pytest.mark.parametrize(
    ("lengths", "pixdim", "spacing", "review"),
    [
        ((1.5, 1.25, 10), (1.5, 1.25, 1), (10, 1.25, 1.5), False),  # a thickness forgotten
        ((1.5, 1.25, 10), (1, 1, 1), (10, 1.25, 1.5), False),
        ((1, 1, 1), (1.5, 1.25, 10), (10, 1.25, 1.5), False),  # EMIDEC
        ((1.5, 1.25, 8), (1.5, 1.25, 10), (10, 1.25, 1.5), True),  # two sizes: one is a guess
        ((1.5, 1.25, 1), (1.5, 1.25, 1), (1, 1.25, 1.5), True),  # 5 mm tall
    ],
)
def test_voxel_sizes_that_contradict_each_other(
    nifti_file: Make,
    grey: np.ndarray,
    lengths: tuple[float, ...],
    pixdim: tuple[float, ...],
    spacing: tuple[float, ...],
    review: bool,
) -> None:
    volume = read(nifti_file(grey, pixdim=[1, *pixdim, 0, 0, 0, 0], **header_of(*lengths)))
    np.testing.assert_allclose(volume.spacing_mm, spacing, rtol=1e-6)
    assert bool(volume.review) == review
    assert len(volume.warnings) + len(volume.review) == 1


def test_data_without_end_behind_the_image(
    nifti_file: Make, grey: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cmrseg.imaging.nifti.MOST_BEHIND", 1 << 20)
    plain = nifti_file(grey).read_bytes()
    path = nifti_file(grey, "long.nii").with_suffix(".nii.gz")
    path.write_bytes(gzip.compress(plain + bytes(1000)))
    np.testing.assert_array_equal(read(path).array, grey.T)
    path.write_bytes(gzip.compress(plain + bytes(4 << 20)))
    with pytest.raises(InputError, match="more data"):
        read(path)


def test_what_does_not_fit_the_memory(
    nifti_file: Make, grey: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cmrseg.imaging.room.SMALL", 0)
    monkeypatch.setattr("cmrseg.imaging.room.memory_left", lambda: 1000)
    with pytest.raises(MemoryLimitError):
        read(nifti_file(grey))
