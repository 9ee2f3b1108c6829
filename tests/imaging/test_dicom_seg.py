"""DICOM SEG, read back by pydicom: places, codes, voxels, and the series that it refers to."""

import io

import numpy as np
import pydicom
import pytest

from cmrseg.cases.challenge import SPECS
from cmrseg.imaging import read
from cmrseg.imaging.dicom_seg import check_available, encode_seg
from cmrseg.runtime.errors import InputError, UsageError

from .test_dicom import add, enhanced

PATIENT = {
    "PatientID": "p",
    "PatientName": "Doe^Jane",
    "PatientBirthDate": "",
    "PatientSex": "O",
    "AccessionNumber": "",
    "StudyID": "1",
    "StudyDate": "20260101",
    "StudyTime": "120000",
    "ReferringPhysicianName": "",
    "FrameOfReferenceUID": "1.2.3.5",
    "PositionReferenceIndicator": "",
    "SeriesNumber": 3,
}


def series(folder, **tags):
    folder.mkdir()
    for place in (2, 0, 1):
        for frame in (0, 1):
            add(folder, place, frame, **PATIENT | tags)
    return folder


@pytest.mark.parametrize("challenge", ["mnms2", "emidec"])
def test_a_mask_comes_back_with_its_codes_and_places(tmp_path, challenge):
    pytest.importorskip("highdicom", reason="NO HIGHDICOM (pip install 'cmrseg[dicom-seg]')")
    folder = series(tmp_path / "s")
    image = read(folder, 1)
    labels = np.zeros(image.array.shape, np.uint8)
    for label in SPECS[challenge].labels:
        labels[label % 3, label : label + 3, 2:6] = label
    raw = encode_seg(image.like(labels), SPECS[challenge].labels, folder, 1)
    found = pydicom.dcmread(io.BytesIO(raw))
    assert (found.Modality, found.PatientID, found.StudyInstanceUID) == ("SEG", "p", "1.2.3")
    assert found.FrameOfReferenceUID == "1.2.3.5"
    kinds = [one.SegmentedPropertyTypeCodeSequence[0] for one in found.SegmentSequence]
    coded = {one.CodeMeaning: one.CodingSchemeDesignator for one in kinds}
    assert list(coded.values())[:3] == ["SCT"] * 3
    assert [one.SegmentLabel for one in found.SegmentSequence] == list(
        SPECS[challenge].labels.values()
    )
    again = np.zeros_like(labels)
    places = [
        image.geometry.to_patient(np.array([[z], [0], [0]]))[:, 0] for z in range(len(labels))
    ]
    groups = found.PerFrameFunctionalGroupsSequence
    for plane, group in zip(found.pixel_array, groups, strict=True):
        place = group.PlanePositionSequence[0].ImagePositionPatient
        z = int(np.abs(np.array(places) - np.array(place, float)).sum(axis=1).argmin())
        np.testing.assert_allclose(places[z], np.array(place, float), atol=1e-3)
        again[z][plane > 0] = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    np.testing.assert_array_equal(again, labels)
    referred = {
        one.ReferencedSOPInstanceUID
        for one in found.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    assert referred == {one.SOPInstanceUID for one in files if one.TriggerTime == 30}


def test_a_series_without_a_study_is_told(tmp_path):
    pytest.importorskip("highdicom", reason="NO HIGHDICOM (pip install 'cmrseg[dicom-seg]')")
    folder = series(tmp_path / "s", StudyInstanceUID=None)
    image = read(folder, 0)
    with pytest.raises(InputError, match="DICOM SEG"):
        encode_seg(
            image.like(np.zeros(image.array.shape, np.uint8)), SPECS["mnms2"].labels, folder, 0
        )


def test_without_the_library_the_install_line_is_named(monkeypatch):
    monkeypatch.setattr("cmrseg.imaging.dicom_seg.find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        check_available()
    assert "cmrseg[dicom-seg]" in caught.value.remedy


def test_many_frames_in_a_file_are_placed_by_the_object_itself(tmp_path):
    pytest.importorskip("highdicom", reason="NO HIGHDICOM (pip install 'cmrseg[dicom-seg]')")
    path = tmp_path / "one.dcm"
    enhanced(path, 4, 3)
    whole = pydicom.dcmread(path)
    for name, value in PATIENT.items():
        setattr(whole, name, value)
    whole.save_as(path)
    image = read(tmp_path, 2)
    labels = np.zeros(image.array.shape, np.uint8)
    labels[1, 2:5, 3:9] = 3
    raw = encode_seg(image.like(labels), SPECS["mnms2"].labels, tmp_path, 2)
    found = pydicom.dcmread(io.BytesIO(raw))
    (group,) = found.PerFrameFunctionalGroupsSequence
    place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
    expected = image.geometry.to_patient(np.array([[1], [0], [0]]))[:, 0]
    np.testing.assert_allclose(place, expected, atol=1e-3)
    assert group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 3
    np.testing.assert_array_equal(found.pixel_array.reshape(labels[1].shape), labels[1] > 0)
