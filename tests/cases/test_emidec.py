import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Image
from nibabel.nifti1 import load as nifti_load

from cmrseg.cases.detect import open_contract
from cmrseg.imaging.read import read
from cmrseg.runtime.errors import InputError

from .tools import expected, save, threshold, tree


def dataset(root, *ids):
    for seed, case_id in enumerate(ids):
        save(root / case_id / "Images" / f"{case_id}.nii.gz", seed)
        (root / f"{case_id.replace('_', ' ')}.txt").write_bytes(b"\xe9ge: 60")


@pytest.mark.parametrize("where", ["in", "in/emidec-dataset-1.0.1"])
def test_cases_in_and_masks_out(tmp_path, where):
    dataset(tmp_path / where, "Case_P001", "Case_N002")
    contract = open_contract("emidec", tmp_path / "in", tmp_path / "out")
    assert contract.name == "emidec"
    cases = list(contract.cases())
    assert [(c.id, c.log_name, list(c.images)) for c in cases] == [
        ("Case_N002", "case Case_N002", ["LGE"]),
        ("Case_P001", "case Case_P001", ["LGE"]),
    ]
    for case in cases:
        contract.write(case, threshold(case))
    assert tree(tmp_path / "out") == [
        "Case_N002/Contours/Case_N002.nii.gz",
        "Case_N002/Uncertainty/Case_N002_variance.nii.gz",
        "Case_P001/Contours/Case_P001.nii.gz",
        "Case_P001/Uncertainty/Case_P001_variance.nii.gz",
    ]
    image = read(tmp_path / where / "Case_P001/Images/Case_P001.nii.gz")
    mask = read(tmp_path / "out/Case_P001/Contours/Case_P001.nii.gz")
    assert mask.array.dtype == np.uint8
    assert mask.geometry.same_as(image.geometry)
    np.testing.assert_array_equal(mask.array, expected(image))
    variance = read(tmp_path / "out/Case_P001/Uncertainty/Case_P001_variance.nii.gz")
    np.testing.assert_allclose(variance.array, image.array / 1000, rtol=1e-6)


def test_the_organisers_contradictory_header_is_copied(tmp_path):
    # An affine of diag(-1, -1, 1) beside a true pixdim: both must come out as they went in.
    path = tmp_path / "in/Case_001/Images/Case_001.nii.gz"
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    nifti = Nifti1Image(rng.integers(0, 900, (10, 12, 3)).astype(np.int16), None)
    nifti.header.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]), code=1)
    nifti.header["pixdim"][1:4] = (1.406, 1.406, 13.0)
    nifti.to_filename(path)
    contract = open_contract("emidec", tmp_path / "in", tmp_path / "out")
    (case,) = contract.cases()
    contract.write(case, threshold(case))
    source, header = nifti_load(path).header, None
    for name in ("Contours/Case_001", "Uncertainty/Case_001_variance"):
        header = nifti_load(tmp_path / f"out/Case_001/{name}.nii.gz").header
        for field in ("pixdim", "srow_x", "srow_y", "srow_z", "sform_code", "qform_code"):
            np.testing.assert_array_equal(header[field], source[field], err_msg=field)


@pytest.mark.parametrize("extra", [(), ("Case_b.nii.gz", "Case_c.nii.gz")])
def test_a_case_without_its_image_fails_by_name(tmp_path, extra):
    dataset(tmp_path / "in", "Case_P001")
    images = tmp_path / "in/Case_P002/Images"
    images.mkdir(parents=True)
    for name in extra:
        save(images / name)
    good, bad = open_contract("emidec", tmp_path / "in", tmp_path / "out").cases()
    assert good.problem is None
    assert isinstance(bad.problem, InputError)
    assert bad.id == "Case_P002"
    assert f"{len(extra)} images" in str(bad.problem)
    assert "Case_P002/Images/Case_P002.nii.gz" in bad.problem.remedy


def test_two_data_sets_side_by_side_are_not_mixed(tmp_path):
    dataset(tmp_path / "in/train", "Case_001")
    dataset(tmp_path / "in/test", "Case_001")
    with pytest.raises(InputError, match="2 folders"):
        open_contract("emidec", tmp_path / "in", tmp_path / "out")


def test_what_is_no_stack_of_late_enhancement_is_named(tmp_path):
    dataset(tmp_path / "in", "Case_P001")
    for name in ("Case_P001/Images/more.nii.gz", "Case_P001.txt", "notes/a.txt", "b.zip"):
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    contract = open_contract("emidec", tmp_path / "in", tmp_path / "out")
    assert [case.id for case in contract.cases()] == ["Case_P001"]
    left = [one.name for one in contract.passed_over]
    assert left == ["Case_P001/Images/more.nii.gz", "b.zip", "notes"]


def test_links_that_lead_nowhere_are_failures_not_passed_over(tmp_path):
    dataset(tmp_path / "in", "Case_P001")
    (tmp_path / "in/Case_P002").symlink_to(tmp_path / "gone")
    (tmp_path / "in/notes").symlink_to(tmp_path / "gone")
    good, bad = open_contract("emidec", tmp_path / "in", tmp_path / "out").cases()
    assert (good.id, bad.id) == ("Case_P001", "Case_P002")
    assert "leads nowhere" in str(bad.problem)
