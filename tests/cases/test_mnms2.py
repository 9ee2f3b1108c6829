from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cmrseg.cases.case import Cine, ImageSource
from cmrseg.cases.detect import open_contract
from cmrseg.imaging.read import frame_count, read
from cmrseg.imaging.write import packed_cine
from cmrseg.runtime.errors import InputError, UsageError

from .tools import expected, image, save, threshold, tree


def patient(root, case_id, *roles):
    for seed, role in enumerate(roles):
        save(root / case_id / f"{case_id}_{role}.nii.gz", seed)


@pytest.mark.parametrize("where", ["in", "in/dataset"])
def test_images_in_and_rv_out(tmp_path, where):
    roles = ["SA_ED", "SA_ES", "LA_ED", "LA_ES"]
    patient(tmp_path / where, "001", *roles, "SA_ED_gt", "SA_CINE")
    contract = open_contract("mnms2", tmp_path / "in", tmp_path / "out")
    assert contract.name == "mnms2"
    (case,) = contract.cases()
    assert (case.id, case.log_name, list(case.images)) == ("001", "case 001", roles)
    assert case.warnings == ()
    contract.write(case, threshold(case))
    masks = sorted(f"001/001_{role}_pred.nii.gz" for role in roles)
    maps = sorted(f"001/001_{role}_variance.nii.gz" for role in roles)
    assert tree(tmp_path / "out") == sorted(masks + maps)
    for role in roles:
        image = read(tmp_path / where / f"001/001_{role}.nii.gz")
        mask = read(tmp_path / f"out/001/001_{role}_pred.nii.gz")
        assert mask.geometry.same_as(image.geometry)
        np.testing.assert_array_equal(mask.array, expected(image))


@pytest.mark.parametrize(
    ("labels", "written"), [("rv", (0, 0, 0, 3)), ("rv1", (0, 0, 0, 1)), ("all", (0, 1, 2, 3))]
)
def test_label_codes(tmp_path, labels, written):
    patient(tmp_path / "in", "007", "SA_ED")
    contract = open_contract("mnms2", tmp_path / "in", tmp_path / "out", labels=labels)
    (case,) = contract.cases()
    contract.write(case, threshold(case))
    found = expected(read(tmp_path / "in/007/007_SA_ED.nii.gz"))
    assert set(np.unique(found)) == {0, 1, 2, 3}
    mask = read(tmp_path / "out/007/007_SA_ED_pred.nii.gz")
    np.testing.assert_array_equal(mask.array, np.array(written)[found])


def test_unknown_label_code(tmp_path):
    patient(tmp_path / "in", "007", "SA_ED")
    with pytest.raises(UsageError, match="all, rv, rv1"):
        open_contract("mnms2", tmp_path / "in", tmp_path / "out", labels="lv")


def test_a_missing_view_is_a_note(tmp_path):
    patient(tmp_path / "in", "001", "SA_ED", "SA_ES", "LA_CINE")
    (case,) = open_contract("mnms2", tmp_path / "in", tmp_path / "out").cases()
    assert list(case.images) == ["SA_ED", "SA_ES"]
    assert case.problem is None
    assert case.warnings == ()
    missing, cine = case.notes
    assert missing == "no long axis given"
    assert "LA cine ignored" in cine


def test_a_cine_is_taken_whole_where_its_phases_are_not_given(tmp_path):
    patient(tmp_path / "in", "001", "SA_CINE", "LA_ED")
    (case,) = open_contract("mnms2", tmp_path / "in", tmp_path / "out").cases()
    assert list(case.images) == ["SA_CINE", "LA_ED"]
    assert case.notes == ("LA_ES not given",)
    patient(tmp_path / "in", "001", "SA_ED")
    (case,) = open_contract("mnms2", tmp_path / "in", tmp_path / "out").cases()
    assert list(case.images) == ["SA_ED", "LA_ED"]


def test_a_folder_without_any_image_is_passed_over_and_told(tmp_path):
    patient(tmp_path / "in", "001", "SA_ED")
    for name in ("notes", "scripts"):
        (tmp_path / "in" / name).mkdir()
        (tmp_path / "in" / name / "read.txt").write_text("me")
    contract = open_contract("mnms2", tmp_path / "in", tmp_path / "out")
    assert [case.id for case in contract.cases()] == ["001"]
    assert {one.name for one in contract.passed_over} == {"notes", "scripts"}
    (note,) = contract.notes()
    assert "2 x folder" in note


def test_images_that_are_no_view_or_phase_are_named(tmp_path):
    patient(tmp_path / "in/data", "001", "SA_ED", "SA_ED_gt", "SA_CINE", "SA_ESS")
    for name in ("data/001/001_SA_ES.mha", "data/001/a.zip", "data/list.csv", "b.nii.gz"):
        (tmp_path / "in" / name).write_bytes(b"x")
    contract = open_contract("mnms2", tmp_path / "in", tmp_path / "out")
    assert [list(case.images) for case in contract.cases()] == [["SA_ED"]]
    assert {one.name for one in contract.passed_over} == {
        "b.nii.gz",
        *(f"data/001/{name}" for name in ("001_SA_ES.mha", "001_SA_ESS.nii.gz", "a.zip")),
    }


def test_links_that_lead_nowhere_are_failures_not_passed_over(tmp_path):
    patient(tmp_path / "in", "001", "SA_ED")
    (tmp_path / "in/001/001_SA_ES.nii.gz").symlink_to(tmp_path / "gone.nii.gz")
    (tmp_path / "in/002").symlink_to(tmp_path / "gone")
    image, folder = open_contract("mnms2", tmp_path / "in", tmp_path / "out").cases()
    assert list(image.images) == ["SA_ED", "SA_ES"], "told when it is read"
    assert "leads nowhere" in str(folder.problem)
    with pytest.raises(InputError, match="does not exist"):
        threshold(image)


def test_a_case_without_any_usable_image_fails_by_name(tmp_path):
    patient(tmp_path / "in", "001", "SA_ED")
    (tmp_path / "in" / "002").mkdir()
    patient(tmp_path / "in", "002", "LA_CINE")
    _, bad = open_contract("mnms2", tmp_path / "in", tmp_path / "out").cases()
    assert bad.id == "002"
    assert isinstance(bad.problem, InputError)
    assert "002_SA_ED.nii.gz" in bad.problem.remedy
    assert "LA cine ignored" in bad.notes[-1]


def test_a_folder_that_cannot_be_read_fails_by_name(tmp_path, monkeypatch):
    for case_id in ("001", "002"):
        patient(tmp_path / "in", case_id, "SA_ED")
    contract = open_contract("mnms2", tmp_path / "in", tmp_path / "out")
    is_file = Path.is_file

    def locked(path):
        # What the operating system answers to anyone but root.
        if path.parent.name == "002":
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", locked)
    good, bad = contract.cases()
    assert good.problem is None
    assert bad.id == "002"
    assert "its folder cannot be read (Permission denied)" in str(bad.problem)


@pytest.mark.parametrize("name", ["lost+found", "__MACOSX", ".Trash"])
def test_what_file_systems_add_is_no_case(tmp_path, name):
    patient(tmp_path / "in", "001", "SA_ED")
    (tmp_path / "in" / name).mkdir()
    contract = open_contract("mnms2", tmp_path / "in", tmp_path / "out")
    assert [case.id for case in contract.cases()] == ["001"]


def test_an_output_folder_among_the_cases_is_no_case(tmp_path):
    patient(tmp_path / "in", "001", "SA_ED")
    contract = open_contract("mnms2", tmp_path / "in", tmp_path / "in/results")
    assert [case.id for case in contract.cases()] == ["001"]


def test_of_a_cine_all_frames_and_both_phases_are_written(tmp_path):
    source = tmp_path / "in/001/001_SA_CINE.nii.gz"
    save(tmp_path / "in/001/001_LA_ED.nii.gz")
    images = [image(seed) for seed in range(3)]
    frames = np.stack([one.array for one in images])
    source.write_bytes(packed_cine(frames, images[0]))
    contract = open_contract("mnms2", tmp_path / "in", tmp_path / "out")
    (case,) = contract.cases()
    assert (list(case.images), frame_count(source)) == (["SA_CINE", "LA_ED"], 3)
    phases = {role: ImageSource(source, n) for role, n in (("SA_ED", 2), ("SA_ES", 1))}
    found = threshold(replace(case, images=phases))
    labels = np.stack([expected(one) for one in images])
    cine = Cine(labels=labels, frames={"SA_ED": 2, "SA_ES": 1})
    written = contract.write(case, replace(found, cine=cine))
    masks = {role: f"001/001_{role}_pred.nii.gz" for role in ("SA_ED", "SA_ES", "SA_CINE")}
    assert written.masks == masks
    assert set(masks.values()) < set(tree(tmp_path / "out"))
    for number in range(3):
        mask = read(tmp_path / "out" / masks["SA_CINE"], number)
        assert mask.geometry.same_as(images[number].geometry)
        np.testing.assert_array_equal(mask.array, labels[number])
    for role, number in cine.frames.items():
        np.testing.assert_array_equal(read(tmp_path / "out" / masks[role]).array, labels[number])
