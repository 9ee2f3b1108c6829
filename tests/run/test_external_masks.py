"""Others' masks: found by name in every layout, refused where they are not of their image."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cmrseg.cases.case import Result
from cmrseg.cases.detect import open_contract
from cmrseg.imaging import Geometry, Volume
from cmrseg.run.external_masks import GivenMasks, MaskLedger
from cmrseg.runtime.errors import InputError, UsageError
from tiny import heart, save, volume

MASK = heart(0)[1]
IMAGE = volume(0)


def opened(folder, out):
    return open_contract("mnms2", folder, out)


@pytest.fixture
def patient(tmp_path):
    save(tmp_path / "in" / "7" / "7_SA_ED.nii.gz", IMAGE)
    return opened(tmp_path / "in", tmp_path / "out")


def found(contract, folder):
    (case,) = contract.cases()
    given = GivenMasks({"theirs": folder}, contract)
    given.check([case])
    (role,) = case.images
    return given.read(case, role, IMAGE.geometry)


@pytest.mark.parametrize(
    "name",
    [
        "7/7_SA_ED_pred.nii.gz",
        "7/7_SA_ED_pred.mha",
        "7_SA_ED_pred.nii.gz",
        "7_SA_ED.nii.gz",
        "7_SA_ED.nrrd",
        "7/7_SA_ED.nii.gz",
    ],
)
def test_masks_of_patients_folders(tmp_path, patient, name):
    save(tmp_path / "theirs" / name, IMAGE.like(MASK))
    save(tmp_path / "theirs" / "7_LA_ED_pred.nii.gz", IMAGE.like(0 * MASK))
    (mask,) = found(patient, tmp_path / "theirs").values()
    np.testing.assert_array_equal(mask, MASK)
    assert mask.dtype == np.uint8


def test_what_predict_would_write_comes_first(tmp_path, patient):
    save(tmp_path / "theirs" / "7" / "7_SA_ED_pred.nii.gz", IMAGE.like(MASK))
    save(tmp_path / "theirs" / "7_SA_ED.nii.gz", IMAGE.like(0 * MASK))
    np.testing.assert_array_equal(found(patient, tmp_path / "theirs")["theirs"], MASK)


@pytest.mark.parametrize("name", ["p7_SA_ED_seg.mha", "p7_SA_ED_seg.nii.gz", "p7_SA_ED.nii.gz"])
def test_masks_of_a_plain_folder(tmp_path, name):
    save(tmp_path / "in" / "p7_SA_ED.mha", IMAGE)
    save(tmp_path / "theirs" / name, IMAGE.like(MASK))
    contract = opened(tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(found(contract, tmp_path / "theirs")["theirs"], MASK)


def test_masks_of_nnunet_lack_the_number_of_the_channel(tmp_path):
    save(tmp_path / "in" / "p7_SA_ED_0000.nii.gz", IMAGE)
    save(tmp_path / "theirs" / "p7_SA_ED.nii.gz", IMAGE.like(MASK))
    contract = opened(tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(found(contract, tmp_path / "theirs")["theirs"], MASK)


def test_masks_of_sockets_are_all_called_output(tmp_path):
    slug = "sa-ed-cine-mri"
    save(tmp_path / "in" / "images" / slug / "8b1f.mha", IMAGE)
    (tmp_path / "in" / "inputs.json").write_text(json.dumps([{"socket": {"slug": slug}}]))
    contract = opened(tmp_path / "in", tmp_path / "out")
    save(tmp_path / "theirs" / "output.mha", IMAGE.like(0 * MASK))
    with pytest.raises(InputError, match="no mask of any of the cases"):
        found(contract, tmp_path / "theirs")
    save(tmp_path / "theirs" / "images" / "sa-ed-segmentation" / "output.mha", IMAGE.like(MASK))
    np.testing.assert_array_equal(found(contract, tmp_path / "theirs")["theirs"], MASK)


def moved(**changed):
    return Volume(MASK, replace(IMAGE.geometry, **changed))


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (IMAGE.like(MASK + np.uint8(1)), "values that are not labels"),
        (IMAGE.like(MASK.astype(np.float32) / 2), "values that are not labels"),
        (
            Volume(MASK[:3], Geometry((3, 40, 44), (9.0, 1.25, 1.3))),
            "it has 3 x 40 x 44 voxels (z, y, x), its image 4 x 40 x 44",
        ),
        (
            moved(spacing_mm=(9.0, 1.25, 1.5)),
            "it has voxels of 9 x 1.25 x 1.5 mm, its image of 9 x 1.25 x 1.3 mm",
        ),
        (moved(origin_mm=(0.0, 0.0, 0.0)), "it lies in another place than its image"),
    ],
)
def test_masks_that_are_not_of_their_image(tmp_path, patient, mask, told):
    save(tmp_path / "theirs" / "7_SA_ED.nii.gz", mask)
    with pytest.raises(InputError) as raised:
        found(patient, tmp_path / "theirs")
    assert told in str(raised.value)
    assert "theirs" in str(raised.value)
    assert ".nii" not in str(raised.value)


def test_headers_may_differ_by_their_rounding(tmp_path, patient):
    x, y, z = IMAGE.geometry.origin_mm
    save(tmp_path / "theirs" / "7_SA_ED.nii.gz", moved(origin_mm=(x + 0.05, y, z)))
    assert found(patient, tmp_path / "theirs")


def test_a_mask_that_cannot_be_read_or_is_missing(tmp_path, patient):
    path = save(tmp_path / "theirs" / "7_SA_ED.nii.gz", IMAGE.like(MASK))
    path.write_bytes(b"no image")
    with pytest.raises(InputError, match="the mask of theirs: "):
        found(patient, tmp_path / "theirs")
    (case,) = patient.cases()
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InputError, match="other has no mask of this image"):
        GivenMasks({"other": other}, patient).read(case, "SA_ED", IMAGE.geometry)


def test_where_masks_cannot_be_looked_up_nothing_is_thought_done(tmp_path, patient, monkeypatch):
    (case,) = patient.cases()
    given = GivenMasks({"theirs": tmp_path / "theirs"}, patient)
    (tmp_path / "out").mkdir(exist_ok=True)
    ledger = MaskLedger(tmp_path / "out", {}, resume=True, given=given)
    ledger.open()
    save(tmp_path / "theirs" / "7_SA_ED.nii.gz", IMAGE.like(MASK))
    assert ledger.done(case) is None
    ledger.note(case, Result(), [])
    assert ledger.done(case) is not None

    def denied(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "is_file", denied)
    assert ledger.done(case) is None


def test_folders_that_cannot_be_meant(tmp_path, patient):
    cases = list(patient.cases())
    both = {"theirs": tmp_path / "nowhere", "others": tmp_path}
    with pytest.raises(InputError, match=r"folder of theirs does not exist; .* others has no mask"):
        GivenMasks(both, patient).check(cases)
    with pytest.raises(InputError, match="folder of theirs has no mask of any of the cases"):
        GivenMasks({"theirs": tmp_path}, patient).check(cases)
    save(tmp_path / "out" / "7_SA_ED.nii.gz", IMAGE.like(MASK))
    with pytest.raises(UsageError, match="output folder holds the masks of theirs"):
        GivenMasks({"theirs": tmp_path / "out"}, patient).check(cases)
