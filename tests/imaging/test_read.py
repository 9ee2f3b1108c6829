import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from cmrseg.imaging import Geometry, Volume, check_image, frame_count, read, write
from cmrseg.runtime.errors import InputError, MemoryLimitError


def volume_of(array: np.ndarray) -> Volume:
    return Volume(array, Geometry(array.shape, (8.0, 1.0, 1.0)))


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd"])
def test_reads_what_itk_wrote(tmp_path: Path, oblique: Volume, suffix: str) -> None:
    image = sitk.GetImageFromArray(oblique.array)
    image.SetSpacing((1.5, 1.25, 8.0))
    image.SetOrigin((-31.5, 12.25, 77.0))
    image.SetDirection(oblique.geometry.direction[:, ::-1].ravel().tolist())
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(image, str(path))
    volume = read(path)
    np.testing.assert_array_equal(volume.array, oblique.array)
    assert volume.array.dtype == np.int16
    assert volume.geometry.same_as(oblique.geometry)
    theirs = image.TransformIndexToPhysicalPoint((39, 29, 4))
    ours = volume.geometry.to_patient(np.array([[4], [29], [39]]))[:, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert volume.warnings == ()


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_cine_by_frame(tmp_path: Path, oblique: Volume, suffix: str) -> None:
    frames = [sitk.GetImageFromArray(oblique.array + np.int16(t)) for t in range(3)]
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.JoinSeries(frames), str(path))
    assert frame_count(path) == 3
    np.testing.assert_array_equal(read(path, 2).array, oblique.array + 2)
    with pytest.raises(InputError, match="cine of 3 frames"):
        read(path)


def test_a_2d_mha_is_one_slice(tmp_path: Path, oblique: Volume) -> None:
    image = sitk.GetImageFromArray(oblique.array[0])
    image.SetSpacing((1.5, 1.25))
    image.SetDirection((0.0, 1.0, -1.0, 0.0))
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    volume = read(tmp_path / "a.mha")
    np.testing.assert_array_equal(volume.array, oblique.array[:1])
    assert volume.spacing_mm == (1.0, 1.25, 1.5)
    np.testing.assert_array_equal(volume.geometry.direction[:, 2], [0, -1, 0])


def test_leaning_axes_in_mha(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    write(volume_of(np.arange(60, dtype=np.int16).reshape(3, 4, 5)), path)
    data = path.read_bytes()
    line = b"TransformMatrix = 1 0 0 0 1 0 0 0 1"
    assert line in data
    path.write_bytes(data.replace(line, b"TransformMatrix = 1 0.05 0 0 1 0 0 0 1"))
    volume = read(path)
    axes = volume.geometry.direction
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert "2.9 degrees" in volume.warnings[0]


@pytest.mark.parametrize("spacing", [b"0 1 8", b"1 -1 8", b"1 nan 8"])
def test_mha_spacing(tmp_path: Path, spacing: bytes) -> None:
    path = tmp_path / "jane.mha"
    write(volume_of(np.arange(60, dtype=np.int16).reshape(3, 4, 5)), path)
    data = path.read_bytes()
    assert b"ElementSpacing = 1 1 8" in data
    path.write_bytes(data.replace(b"ElementSpacing = 1 1 8", b"ElementSpacing = " + spacing))
    with pytest.raises(InputError, match="spacing") as caught:
        read(path)
    assert "jane" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
@pytest.mark.parametrize("kept", [0.01, 0.6, 0.95])
def test_truncated(tmp_path: Path, oblique: Volume, suffix: str, kept: float) -> None:
    path = tmp_path / f"jane{suffix}"
    write(oblique, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match="truncated") as caught:
        read(path)
    assert "jane" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd", ".tif"])
def test_a_text_file_of_that_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("not an image " * 100)
    with pytest.raises(InputError, match=r"truncated|damaged"):
        read(path)


def test_mhd_whose_data_file_is_gone(tmp_path: Path, oblique: Volume) -> None:
    write(oblique, tmp_path / "a.mhd")
    (data,) = (p for p in tmp_path.iterdir() if p.suffix != ".mhd")
    data.unlink()
    with pytest.raises(InputError):
        read(tmp_path / "a.mhd")


def test_colours_and_five_dimensions(tmp_path: Path) -> None:
    plane = sitk.GetImageFromArray(np.zeros((3, 4, 5), np.uint8))
    sitk.WriteImage(sitk.Compose(plane, plane, plane), str(tmp_path / "rgb.mha"))
    with pytest.raises(InputError, match="3 values a voxel"):
        read(tmp_path / "rgb.mha")
    sitk.WriteImage(sitk.Compose(plane, plane, plane), str(tmp_path / "rgb.nii"))
    with pytest.raises(InputError, match="5 dimensions"):
        read(tmp_path / "rgb.nii")
    header = b"NDims = 5\nDimSize = 2 2 2 2 2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    (tmp_path / "5.mha").write_bytes(b"ObjectType = Image\n" + header + bytes(32))
    with pytest.raises(InputError, match="5 dimensions"):
        read(tmp_path / "5.mha")


@pytest.mark.parametrize("name", ["no.nii.gz", "no.mha", "no"])
def test_missing(tmp_path: Path, name: str) -> None:
    for look in (read, frame_count):
        with pytest.raises(InputError, match="does not exist"):
            look(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha", "a.nrrd", "a.tif"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="is empty"):
        read(tmp_path / name)


def test_unknown_kind(tmp_path: Path) -> None:
    (tmp_path / "jane.jpg").write_bytes(b"1")
    with pytest.raises(InputError, match="kind that is not read") as caught:
        read(tmp_path / "jane.jpg")
    assert "jane" not in str(caught.value)


@pytest.mark.parametrize("name", ["jane.nii", "jane.mha"])
def test_unreadable_file(
    tmp_path: Path, oblique: Volume, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permission bits do not stop root, so the refusal is played."""
    write(oblique, tmp_path / name)

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(InputError, match="Permission denied") as caught:
        read(tmp_path / name)
    assert "jane" not in str(caught.value)


def test_check_image_lets_grey_values_pass() -> None:
    rng = np.random.default_rng(0)
    check_image(volume_of(rng.integers(0, 1024, (3, 20, 20)).astype(np.int16)))
    check_image(volume_of(rng.integers(0, 256, (3, 20, 20)).astype(np.uint8)))
    check_image(volume_of(rng.normal(size=(3, 20, 20)).astype(np.float32)))
    check_image(volume_of((rng.integers(0, 3, (3, 20, 20)) * 0.5).astype(np.float32)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_check_image_refuses_what_is_not_a_number(bad: float) -> None:
    array = np.random.default_rng(0).normal(size=(3, 20, 20)).astype(np.float32)
    array[1, 2, 3] = array[2, 2, 2] = bad
    with pytest.raises(InputError, match="2 voxels that are NaN"):
        check_image(volume_of(array))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_check_image_refuses_one_value_everywhere(dtype: type) -> None:
    with pytest.raises(InputError, match="every voxel of the image is 7"):
        check_image(volume_of(np.full((3, 4, 5), 7, dtype)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("codes", [[0, 1], [0, 1, 2, 3, 4], [0, 85, 170, 255]])
def test_check_image_refuses_labels(dtype: type, codes: list[int]) -> None:
    array = np.random.default_rng(0).choice(codes, (3, 20, 20)).astype(dtype)
    with pytest.raises(InputError, match="label file where an image should be"):
        check_image(volume_of(array))


def test_libraries_print_no_file_names(tmp_path, capfd):
    """ITK has a line of its own for a truncated MHA, C++'s stderr and all."""
    path = tmp_path / "jane_doe.mha"
    rng = np.random.default_rng(0)
    array = rng.integers(0, 900, (4, 30, 30)).astype(np.int16)
    write(Volume(array, Geometry(array.shape, (8.0, 1.5, 1.5))), path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="truncated"):
        read(path)
    told = capfd.readouterr()
    assert told.out == told.err == ""


@pytest.mark.parametrize(
    ("slices", "gap_mm", "doubted"),
    [
        (10, 8.0, False),
        (5, 8.0, False),
        (10, 1.0, True),
        (40, 8.0, True),
        (3, 30.0, True),
        (1, 1.0, False),
    ],
)
def test_stacks_that_no_heart_has(
    tmp_path: Path, slices: int, gap_mm: float, doubted: bool
) -> None:
    array = np.arange(slices * 600, dtype=np.int16).reshape(slices, 20, 30)
    write(Volume(array, Geometry(array.shape, (gap_mm, 1.5, 1.5))), tmp_path / "a.nii.gz")
    assert bool(read(tmp_path / "a.nii.gz").review) == doubted


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.nii.gz")
    (tmp_path / "b.mha").symlink_to("/dev/zero")
    for name in ("a.nii.gz", "b.mha"):
        with pytest.raises(InputError, match="regular file"):
            read(tmp_path / name)


META = "ObjectType = Image\nNDims = 3\nDimSize = {size}\nElementType = MET_USHORT\n"
NRRD = "NRRD0004\ntype: ushort\ndimension: 3\nsizes: {size}\nencoding: {encoding}\n"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.nrrd", NRRD.format(size="30000 30000 30000", encoding="gzip") + "\n"),
        ("a.mha", META.format(size="9 9 9") + "CompressedData = True\n"
         "CompressedDataSize = 99999999999\nElementDataFile = LOCAL\n"),
        ("a.mha", META.format(size="30000 30000 30000") + "CompressedData = True\n"
         "ElementDataFile = LOCAL\n"),
    ],
)  # fmt: skip
def test_promises_that_a_file_cannot_keep(tmp_path: Path, name: str, header: str) -> None:
    (tmp_path / name).write_bytes(header.encode() + gzip.compress(bytes(99)))
    with pytest.raises(InputError, match="truncated"):
        read(tmp_path / name)


@pytest.mark.parametrize("place", ["/dev/zero", "../secret.raw", "pipe.raw", "gone.raw"])
@pytest.mark.parametrize("name", ["a.mhd", "a.mha", "a.nrrd"])
def test_headers_that_point_elsewhere(tmp_path: Path, name: str, place: str) -> None:
    (tmp_path / "secret.raw").write_bytes(bytes(2 * 9**3))
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo(folder / "pipe.raw")
    header = META.format(size="9 9 9") + f"ElementDataFile = {place}\n"
    if name.endswith(".nrrd"):
        header = NRRD.format(size="9 9 9", encoding="raw") + f"data file: {place}\n"
    (folder / name).write_text(header)
    with pytest.raises(InputError, match="image header names"):
        read(folder / name)


def test_voxels_beside_their_header_are_read(tmp_path: Path) -> None:
    array = np.arange(9**3, dtype=np.uint16).reshape(9, 9, 9)
    (tmp_path / "a.raw").write_bytes(array.tobytes())
    for z in range(9):
        (tmp_path / f"a{z}.raw").write_bytes(array[z].tobytes())
    for last in ("a.raw", "a%d.raw 0 8 1", "LIST\n" + "\n".join(f"a{z}.raw" for z in range(9))):
        (tmp_path / "a.mhd").write_text(META.format(size="9 9 9") + f"ElementDataFile = {last}\n")
        np.testing.assert_array_equal(read(tmp_path / "a.mhd").array, array)


def test_what_does_not_fit_the_memory(
    tmp_path: Path, oblique: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(oblique, tmp_path / "a.mha")
    monkeypatch.setattr("cmrseg.imaging.room.SMALL", 0)
    monkeypatch.setattr("cmrseg.imaging.room.memory_left", lambda: 1000)
    with pytest.raises(MemoryLimitError):
        read(tmp_path / "a.mha")


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.mha", b"NDims = 3", b"NDims = 2147483647"),
        ("a.mha", b"DimSize = ", b"DimSize = x "),
        ("a.nrrd", b"sizes: ", b"sizes: " + b"x" * 40 + b" "),
        ("a.nrrd", b"dimension: 3", b"dimension: 99999"),
    ],
)
def test_sizes_that_crash_the_image_library_are_refused(tmp_path, name, before, after):
    path = tmp_path / name
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((3, 4, 5), np.int16)), str(path))
    told = path.read_bytes()
    assert before in told
    path.write_bytes(told.replace(before, after, 1))
    with pytest.raises(InputError, match="size cannot be read"):
        read(path)
