"""Small series written with pydicom; file names are shuffled against position."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from cmrseg.imaging import frame_count, read
from cmrseg.runtime.errors import InputError

from .tools import rotation

MR = "1.2.840.10008.5.1.4.1.1.4"
AXES = rotation(5)
"""Columns: along a row of pixels, down the rows, normal."""


def pixels(place: int, frame: int = 0) -> np.ndarray:
    return (np.arange(12 * 16).reshape(12, 16) + 1000 * place + 100 * frame).astype(np.uint16)


def add(folder: Path, place: int, frame: int = 0, **tags: Any) -> Path:
    """One slice, ``place`` * 8 mm along the normal; ``tags`` overwrite or (None) remove."""
    one = Dataset()
    one.SOPClassUID, one.SOPInstanceUID = MR, generate_uid()
    one.StudyInstanceUID, one.SeriesInstanceUID, one.Modality = "1.2.3", "1.2.3.4", "MR"
    one.Rows, one.Columns, one.SamplesPerPixel = 12, 16, 1
    one.PhotometricInterpretation, one.PixelRepresentation = "MONOCHROME2", 0
    one.BitsAllocated, one.BitsStored, one.HighBit = 16, 16, 15
    one.PixelSpacing, one.SliceThickness = [1.5, 1.25], 6
    one.ImageOrientationPatient = AXES[:, :2].T.ravel().round(9).tolist()
    one.ImagePositionPatient = (np.array([3, 4, 5]) + 8 * place * AXES[:, 2]).round(6).tolist()
    one.InstanceNumber, one.TriggerTime = 100 - place, 30 * frame
    one.PixelData = pixels(place, frame).tobytes()
    for tag, value in tags.items():
        if value is None:
            delattr(one, tag)
        else:
            setattr(one, tag, value)
    one.file_meta = FileMetaDataset()
    one.file_meta.MediaStorageSOPClassUID = MR
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / f"jane_{place * 7 % 5}_{9 - frame}_{len(list(folder.iterdir()))}.dcm"
    one.save_as(path, enforce_file_format=True)
    return path


def test_sorted_by_position(tmp_path: Path) -> None:
    for place in range(5):
        add(tmp_path, place)
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    volume = read(tmp_path)
    np.testing.assert_array_equal(volume.array, np.stack([pixels(k) for k in range(5)]))
    assert frame_count(tmp_path) == 1
    assert volume.warnings == ()
    np.testing.assert_allclose(volume.spacing_mm, (8.0, 1.5, 1.25), rtol=1e-6)
    np.testing.assert_allclose(volume.geometry.direction, AXES[:, ::-1], atol=1e-6)
    far = volume.geometry.to_patient(np.array([[4], [0], [0]]))[:, 0]
    np.testing.assert_allclose(far, [3, 4, 5] + 32 * AXES[:, 2], atol=1e-4)


def test_rescaled_values(tmp_path: Path) -> None:
    for place in range(3):
        add(tmp_path, place, RescaleSlope=2, RescaleIntercept=-100, RescaleType="US")
    np.testing.assert_array_equal(read(tmp_path).array[2], pixels(2) * 2.0 - 100)


def test_cine_by_trigger_time(tmp_path: Path) -> None:
    for place in range(3):
        for frame in range(4):
            add(tmp_path, place, frame)
    assert frame_count(tmp_path) == 4
    np.testing.assert_array_equal(read(tmp_path, 2).array[1], pixels(1, 2))
    with pytest.raises(InputError, match="cine of 4 frames"):
        read(tmp_path)


def test_one_slice(tmp_path: Path) -> None:
    add(tmp_path, 0)
    assert read(tmp_path).spacing_mm == (6.0, 1.5, 1.25)


def test_one_slice_of_unknown_thickness(tmp_path: Path) -> None:
    add(tmp_path, 0, SliceThickness=None)
    volume = read(tmp_path)
    assert volume.spacing_mm[0] == 1.0
    assert "thickness" in volume.warnings[0]


def test_the_same_slice_twice_counts_once(tmp_path: Path) -> None:
    for place in range(3):
        path = add(tmp_path, place)
    (tmp_path / "copy.dcm").write_bytes(path.read_bytes())
    assert read(tmp_path).array.shape == (3, 12, 16)


def test_shift_in_plane_is_told(tmp_path: Path) -> None:
    for place in range(3):
        position = [3, 4, 5] + 8 * place * AXES[:, 2] + (place == 1) * 4 * AXES[:, 0]
        add(tmp_path, place, ImagePositionPatient=position.round(6).tolist())
    assert "shifted in plane by up to 4.0 mm" in read(tmp_path).warnings[0]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"SeriesInstanceUID": "1.2.3.5"}, "2 DICOM series"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, "parallel"),
        ({"PixelSpacing": [1.5, 1.5]}, "differ in size"),
        ({"PixelSpacing": [0, 0]}, "pixel spacing"),
        ({"PixelSpacing": [1.5, -1.5]}, "spacing"),
        ({"PixelSpacing": None}, "pixel spacing"),
        ({"Columns": 8, "PixelData": bytes(12 * 8 * 2)}, "differ in size"),
        ({"ImagePositionPatient": None}, "where they lie"),
        ({"ImagePositionPatient": (np.array([3, 4, 5]) + 29 * AXES[:, 2]).tolist()}, "apart"),
        ({"ImagePositionPatient": (np.array([3, 4, 5]) + 16 * AXES[:, 2]).tolist()}, "others 2"),
        (
            {
                "SamplesPerPixel": 3,
                "PhotometricInterpretation": "RGB",
                "BitsAllocated": 8,
                "BitsStored": 8,
                "HighBit": 7,
                "PlanarConfiguration": 0,
                "PixelData": bytes(576),
            },
            "colour",
        ),
    ],
)
def test_what_does_not_belong(tmp_path: Path, tags: dict[str, Any], message: str) -> None:
    for place in range(3):
        add(tmp_path, place)
    add(tmp_path, 3, **tags)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path)
    assert "jane" not in str(caught.value)


def test_a_gap(tmp_path: Path) -> None:
    for place in (0, 1, 3, 4):
        add(tmp_path, place)
    with pytest.raises(InputError, match=r"8\.0 to 16\.0 mm apart"):
        read(tmp_path)


def test_a_missing_frame(tmp_path: Path) -> None:
    for place, frame in ((0, 0), (0, 1), (1, 0)):
        add(tmp_path, place, frame)
    with pytest.raises(InputError, match="1 DICOM slices and others 2"):
        read(tmp_path, 0)


@pytest.mark.parametrize("kept", [0, 200, -100])
def test_truncated(tmp_path: Path, kept: int) -> None:
    for place in range(3):
        path = add(tmp_path, place)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="truncated") as caught:
        read(tmp_path)
    assert "jane" not in str(caught.value)


def test_a_folder_without_slices(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not DICOM")
    for look in (read, frame_count):
        with pytest.raises(InputError, match="no DICOM slices"):
            look(tmp_path)
