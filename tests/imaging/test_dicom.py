"""Small series written with pydicom; file names are shuffled against position."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

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
    (beside,) = volume.warnings
    assert "1 non-DICOM file" in beside
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
        ({"ImageOrientationPatient": None}, "oriented"),
        ({"ImagePositionPatient": [90, 4, 5]}, "contradict"),
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


def test_one_identifier_for_all_slices_is_an_error(tmp_path: Path) -> None:
    for place in range(3):
        add(tmp_path, place, SOPInstanceUID="2.25.1")
    with pytest.raises(InputError, match="3 DICOM slices share one identifier"):
        read(tmp_path)


def test_positions_that_move_within_the_plane_are_no_cine(tmp_path: Path) -> None:
    """As where the orientation was written as axial over a short axis."""
    for place in range(3):
        add(tmp_path, place, ImagePositionPatient=([3, 4, 5] + 30 * place * AXES[:, 0]).tolist())
    with pytest.raises(InputError, match="contradict"):
        read(tmp_path)


def test_copies_under_new_identifiers_are_left_out(tmp_path: Path) -> None:
    for place in range(3):
        add(tmp_path, place)
        add(tmp_path, place, SeriesInstanceUID="1.2.9", InstanceNumber=place)
    volume = read(tmp_path)
    np.testing.assert_array_equal(volume.array, np.stack([pixels(k) for k in range(3)]))
    assert frame_count(tmp_path) == 1
    assert "3 copies" in volume.warnings[0]


def test_equal_frames_of_different_times_are_no_copies(tmp_path: Path) -> None:
    for frame in range(2):
        add(tmp_path, 0, frame, PixelData=pixels(0).tobytes())
    assert frame_count(tmp_path) == 2


def test_a_series_a_slice_is_a_stack(tmp_path: Path) -> None:
    for place in range(4):
        for frame in range(2):
            add(tmp_path, place, frame, SeriesInstanceUID=f"1.2.3.{place}")
    volume = read(tmp_path, 1)
    np.testing.assert_array_equal(volume.array, np.stack([pixels(k, 1) for k in range(4)]))
    assert len(volume.warnings) == 1


@pytest.mark.parametrize(("shift_mm", "warned"), [(0.1, False), (0.5, True)])
def test_gaps_that_breathing_makes_uneven_are_read(
    tmp_path: Path, shift_mm: float, warned: bool
) -> None:
    for place in range(4):
        along = 8 * place + (place == 1) * shift_mm
        position = [3, 4, 5] + along * AXES[:, 2]
        add(tmp_path, place, ImagePositionPatient=position.round(6).tolist())
    volume = read(tmp_path)
    assert volume.spacing_mm[0] == pytest.approx(8.0)
    assert bool(volume.warnings) == warned


@pytest.mark.parametrize(
    "clock", ["TriggerTime", "TemporalPositionIdentifier", "ContentTime", "InstanceNumber"]
)
def test_frames_in_order_of_the_surest_clock(tmp_path: Path, clock: str) -> None:
    """The instance numbers run backwards, and say so only where nothing else does."""
    for place in range(2):
        for frame in range(3):
            tags: dict[str, Any] = {"TriggerTime": None, "InstanceNumber": 9 - frame}
            times = {"TriggerTime": 30 * frame, "ContentTime": f"10000{frame}.5"}
            tags[clock] = times.get(clock, frame + 1)
            add(tmp_path, place, frame, **tags)
    volume = read(tmp_path, 0)
    np.testing.assert_array_equal(volume.array[0], pixels(0, 0))
    assert bool(volume.warnings) == (clock == "InstanceNumber")


def test_frames_without_any_order_are_an_error(tmp_path: Path) -> None:
    for frame in range(3):
        add(tmp_path, 0, frame, TriggerTime=None, InstanceNumber=None)
    with pytest.raises(InputError, match="order"):
        read(tmp_path, 0)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("1.2.840.10008.5.1.4.1.1.11.1", "presentation state"),
        ("1.2.840.10008.5.1.4.1.1.88.33", "structured report"),
        ("1.2.840.10008.5.1.4.45.1", "modality MR"),
    ],
)
def test_what_is_no_image_is_passed_over_and_named(tmp_path: Path, kind: str, name: str) -> None:
    for place in range(3):
        add(tmp_path, place)
    add(tmp_path, 0, SOPClassUID=kind, PixelData=None, Rows=None, Columns=None)
    volume = read(tmp_path)
    assert volume.array.shape == (3, 12, 16)
    assert name in volume.warnings[0]


@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 2, "RescaleIntercept": -100}])
def test_padded_pixels_are_the_darkest(tmp_path: Path, rescale: dict[str, Any]) -> None:
    for place in range(3):
        stored = pixels(place).astype(np.int16) + 7
        stored[:, :4] = -2000
        more = {**rescale, "RescaleType": "US"} if rescale else {}
        add(
            tmp_path,
            place,
            PixelRepresentation=1,
            PixelData=stored.tobytes(),
            PixelPaddingValue=-2000,
            **more,
        )
    slope, intercept = (2, -100) if rescale else (1, 0)
    array = read(tmp_path).array
    darkest = slope * (int(pixels(0)[0, 4]) + 7) + intercept
    assert (array[:, :, :4] == darkest).all()
    np.testing.assert_array_equal(array[1, :, 4:], slope * (pixels(1)[:, 4:] + 7.0) + intercept)


def enhanced(path: Path, places: int, frames: int) -> None:
    """One enhanced MR file, its frames neither in order of place nor of time."""
    order = [(p, f) for f in reversed(range(frames)) for p in reversed(range(places))]
    one = pydicom.dcmread(add(path.parent, 0))
    (path.parent / one.filename).unlink()
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "TriggerTime"):
        delattr(one, tag)
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    one.NumberOfFrames = len(order)
    one.PixelData = b"".join(pixels(*which).tobytes() for which in order)
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1.5, 1.25], 6
    plane.ImageOrientationPatient = AXES[:, :2].T.ravel().round(9).tolist()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    one.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for place, frame in order:
        group, where, when = Dataset(), Dataset(), Dataset()
        where.ImagePositionPatient = (np.array([3, 4, 5]) + 8 * place * AXES[:, 2]).tolist()
        when.NominalCardiacTriggerDelayTime = 30.0 * frame
        group.PlanePositionSequence, group.CardiacSynchronizationSequence = [where], [when]
        groups.append(group)
    one.PerFrameFunctionalGroupsSequence = groups
    one.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("frames", [1, 3])
def test_enhanced_multi_frame(tmp_path: Path, frames: int) -> None:
    enhanced(tmp_path / "one.dcm", 4, frames)
    assert frame_count(tmp_path) == frames
    volume = read(tmp_path, frames - 1)
    expected = np.stack([pixels(k, frames - 1) for k in range(4)])
    np.testing.assert_array_equal(volume.array, expected)
    assert volume.spacing_mm == pytest.approx((8.0, 1.5, 1.25))


def test_frames_without_places_are_an_error(tmp_path: Path) -> None:
    add(tmp_path, 0, NumberOfFrames=2, PixelData=pixels(0).tobytes() * 2)
    with pytest.raises(InputError, match="where each lies"):
        read(tmp_path)


def test_more_rows_than_there_are_pixels(tmp_path: Path) -> None:
    add(tmp_path, 0, Rows=65535, Columns=65535)
    with pytest.raises(InputError, match="truncated"):
        read(tmp_path)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_other_ways_to_write_a_header(tmp_path: Path, syntax: str) -> None:
    for place in range(2):
        one = pydicom.dcmread(add(tmp_path, place))
        one.file_meta.TransferSyntaxUID = syntax
        path = Path(str(one.filename))
        one["PixelData"].VR = "OW"
        pydicom.dcmwrite(path, one, implicit_vr=syntax == "1.2.840.10008.1.2", little_endian=True)
    np.testing.assert_array_equal(read(tmp_path).array[1], pixels(1))


def test_sequences_within_sequences_end(tmp_path: Path) -> None:
    start = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    start += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    (tmp_path / "deep.dcm").write_bytes(bytes(128) + b"DICM" + start * 2000)
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("tags", "inverted"),
    [
        ({}, False),
        ({"InversionTime": 0}, False),
        ({"InversionTime": 300}, True),
        ({"ScanningSequence": ["GR", "IR"]}, True),
    ],
)
def test_what_the_header_says_of_the_sequence(
    tmp_path: Path, tags: dict[str, Any], inverted: bool
) -> None:
    add(tmp_path, 0, **tags)
    assert read(tmp_path).header["dicom"] == {"modality": "MR", "inverted": inverted}
    assert read(tmp_path).header["frames"] == 1


def test_an_inversion_in_the_enhanced_form(tmp_path: Path) -> None:
    enhanced(tmp_path / "one.dcm", 3, 1)
    one, modifier = pydicom.dcmread(tmp_path / "one.dcm"), Dataset()
    modifier.InversionRecovery = "YES"
    one.SharedFunctionalGroupsSequence[0].MRModifierSequence = [modifier]
    one.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    assert read(tmp_path).header["dicom"]["inverted"]
