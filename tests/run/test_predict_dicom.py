"""A DICOM cine, classic and enhanced, from the series to masks, curves and DICOM SEG."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from cmrseg.imaging import read
from cmrseg.imaging.write import packed_cine
from cmrseg.run.predict import predict
from imaging.test_dicom import add
from imaging.test_dicom_seg import PATIENT
from tiny import heart

PLACES, FRAMES = 4, 3
STACKS = [heart(frame, (PLACES, 40, 44))[0].round().clip(0).astype(np.uint16) for frame in range(3)]


def classic(folder: Path) -> None:
    """A file a slice and frame, their names in no order."""
    folder.mkdir(parents=True)
    for place in (2, 0, 3, 1):
        for frame in (1, 2, 0):
            pixels = STACKS[frame][place].tobytes()
            add(folder, place, frame, **PATIENT, Rows=40, Columns=44, PixelData=pixels)


def enhanced(folder: Path) -> None:
    """The same in one file, as an enhanced MR image."""
    classic(folder)
    slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    for path in folder.iterdir():
        path.unlink()
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = slices[0].PixelSpacing, 6
    plane.ImageOrientationPatient = slices[0].ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    groups = []
    for one in slices:
        group, where, when = Dataset(), Dataset(), Dataset()
        where.ImagePositionPatient = one.ImagePositionPatient
        when.NominalCardiacTriggerDelayTime = float(one.TriggerTime)
        group.PlanePositionSequence, group.CardiacSynchronizationSequence = [where], [when]
        groups.append(group)
    whole = slices[0]
    whole.PixelData = b"".join(one.PixelData for one in slices)
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "TriggerTime"):
        delattr(whole, tag)
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    whole.NumberOfFrames = len(slices)
    whole.SharedFunctionalGroupsSequence, whole.PerFrameFunctionalGroupsSequence = [shared], groups
    whole.save_as(folder / "one.dcm", enforce_file_format=True)


def points(path: Path, label: int) -> np.ndarray:
    """Where a label lies, mm, in one order."""
    found = read(path)
    index = np.argwhere(found.array == label)
    return np.unique(found.geometry.to_patient(index.T).round(2).T, axis=0)


@pytest.mark.parametrize("make", [classic, enhanced], ids=lambda make: make.__name__)
def test_a_cine_becomes_masks_curves_and_segmentation_objects(tmp_path, bundles, make):
    pytest.importorskip("highdicom", reason="NO HIGHDICOM (pip install 'cmrseg[dicom-seg]')")
    make(tmp_path / "dicom/p7_SA")
    like = read(tmp_path / "dicom/p7_SA", 0)
    np.testing.assert_array_equal(like.array, STACKS[0])
    (tmp_path / "nifti").mkdir()
    (tmp_path / "nifti/p7_SA.nii.gz").write_bytes(packed_cine(np.stack(STACKS), like))
    curves = []
    for kind in ("dicom", "nifti"):
        out, options = tmp_path / "out" / kind, {"weights": bundles, "precision": "fp32"}
        seg = kind == "dicom"
        assert predict("mnms2", tmp_path / kind, out, mirrors=1, dicom_seg=seg, **options) == 0
        (one,) = json.loads((out / "summary.json").read_text())["cases"]
        with (out / "curves.csv").open() as table:
            rows = [
                (float(r["LV"]), float(r["MYO"]), float(r["RV"])) for r in csv.DictReader(table)
            ]
        curves.append(rows)
        assert rows[one["measures"]["cine"]["ed_frame"]][0] == max(rows)[0]
    # Frames stand in the order of their trigger times, whatever the files are called.
    np.testing.assert_allclose(curves[0], curves[1], rtol=0.02)
    assert len(set(curves[0])) == FRAMES
    out = tmp_path / "out/dicom"
    for phase in ("ED", "ES"):
        assert not any("DICOM SEG" in warning for warning in one["warnings"])
        reader = [Path(sys.executable).parent / "segimage2itkimage", "--outputType", "nifti"]
        where = tmp_path / phase
        where.mkdir()
        seg = out / f"p7_SA_{phase}_seg.dcm"
        subprocess.run([*reader, "--inputDICOM", seg, "--outputDirectory", where], check=True)
        told = json.loads((where / "meta.json").read_text())
        labels = [one["labelID"] for group in told["segmentAttributes"] for one in group]
        assert labels, "nothing would be compared"
        for label in labels:
            np.testing.assert_array_equal(
                points(where / f"{label}.nii.gz", label),
                points(out / f"p7_SA_{phase}_seg.nii.gz", label),
            )
