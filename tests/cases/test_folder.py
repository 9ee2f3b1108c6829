import json
import os

import numpy as np
import pytest
import SimpleITK

from cmrseg.cases.detect import open_contract
from cmrseg.imaging.read import read
from cmrseg.runtime.errors import InputError

from .tools import expected, save, threshold, tree


def opened(tmp_path, challenge="emidec"):
    return open_contract(challenge, tmp_path / "in", tmp_path / "out")


def test_every_format_is_a_case_of_its_own(tmp_path):
    names = ["a.nii.gz", "b.mha", "c.nrrd", "d.e.nii", "f.mhd"]
    for seed, name in enumerate(names):
        save(tmp_path / "in" / name, seed)
    (tmp_path / "in/notes.txt").write_text("not an image")
    contract = opened(tmp_path)
    assert contract.name == "folder"
    cases = list(contract.cases())
    assert [case.id for case in cases] == ["a", "b", "c", "d.e", "f"]
    assert [case.log_name for case in cases] == [f"case {n} of 5" for n in range(1, 6)]
    for case in cases:
        contract.write(case, threshold(case))
    endings = {"a": ".nii.gz", "b": ".mha", "c": ".nii.gz", "d.e": ".nii.gz", "f": ".mha"}
    written = [f"{s}_{n}{e}" for s, e in endings.items() for n in ("seg", "variance")]
    assert tree(tmp_path / "out") == sorted(written)
    for case in cases:
        image = read(case.images["LGE"].path)
        mask = read(tmp_path / f"out/{case.id}_seg{endings[case.id]}")
        assert mask.geometry.same_as(image.geometry)
        np.testing.assert_array_equal(mask.array, expected(image))


def test_roles_from_names(tmp_path):
    for seed, name in enumerate(["p7_SA_ED", "p7-la-es", "p8.SA.ES", "LAED_x"]):
        save(tmp_path / f"in/{name}.nii.gz", seed)
    contract = opened(tmp_path, "mnms2")
    found = {case.id: list(case.images) for case in contract.cases()}
    assert found == {"LAED_x": ["SA_ED"], "p7": ["LA_ES", "SA_ED"], "p8": ["SA_ES"]}
    guessed = {case.id: case.review for case in contract.cases() if case.review}
    assert list(guessed) == ["LAED_x"]
    assert "SA_ED" in guessed["LAED_x"][0]
    for case in contract.cases():
        contract.write(case, threshold(case))
    assert {"p7_SA_ED_seg.nii.gz", "p7-la-es_seg.nii.gz"} <= set(tree(tmp_path / "out"))


def test_a_view_that_no_network_learned_is_a_guess_to_review(tmp_path):
    for view in ("2CH", "4CH"):
        save(tmp_path / f"in/x_LAX_{view}_ES.mha")
    cases = {case.id: case for case in opened(tmp_path, "mnms2").cases()}
    assert {name: len(case.review) for name, case in cases.items()} == {"x": 0, "x_2CH": 1}


@pytest.mark.parametrize(("name", "role"), [("x_LA", "LA_ED"), ("x_ES", "SA_ES"), ("x", "SA_ED")])
def test_a_half_told_role_is_a_guess_to_review(tmp_path, name, role):
    save(tmp_path / f"in/{name}.mha")
    (case,) = opened(tmp_path, "mnms2").cases()
    assert list(case.images) == [role]
    assert case.id == name
    assert role in case.review[0]


def test_one_image_in_two_formats_fails_by_case(tmp_path):
    for name in ("a.nii.gz", "a.mha", "b.mha"):
        save(tmp_path / "in" / name)
    bad, good = opened(tmp_path).cases()
    assert "LGE comes more than once" in str(bad.problem)
    assert good.problem is None


@pytest.mark.parametrize("where", ["in/stack", "in"])
@pytest.mark.parametrize("ending", [".dcm", ""])
def test_a_folder_of_dicom_slices_is_a_case(tmp_path, where, ending):
    folder = tmp_path / where
    folder.mkdir(parents=True)
    frames = np.random.default_rng(0).integers(0, 1000, (3, 12, 10)).astype(np.int16)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for z, frame in enumerate(frames):
        one = SimpleITK.GetImageFromArray(frame[None])
        one.SetSpacing((1.7, 1.3, 8.0))
        for key, value in {
            "0008|0060": "MR",
            "0020|000e": "1.2.3.4",
            "0020|0032": f"0\\0\\{8 * z}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0018|0050": "8",
            "0008|0008": "ORIGINAL\\PRIMARY",
        }.items():
            one.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{9 - z}.dcm"))
        writer.Execute(one)
        (folder / f"{9 - z}.dcm").rename(folder / f"{9 - z}{ending}")
    contract = opened(tmp_path)
    (case,) = contract.cases()
    assert case.images["LGE"].path == folder
    contract.write(case, threshold(case))
    mask = read(tmp_path / f"out/{folder.name}_seg.nii.gz")
    assert mask.array.shape == (3, 12, 10)
    np.testing.assert_array_equal(mask.array, expected(read(folder)))
    assert mask.geometry.same_as(read(folder).geometry)


def test_a_link_that_leads_nowhere_is_a_failed_case(tmp_path):
    save(tmp_path / "in/one.nii.gz")
    (tmp_path / "in/two.nii.gz").symlink_to(tmp_path / "gone.nii.gz")
    (tmp_path / "in/notes.txt").symlink_to(tmp_path / "gone.txt")
    one, two = open_contract("emidec", tmp_path / "in", tmp_path / "out").cases()
    assert (one.id, two.id) == ("one", "two")
    with pytest.raises(InputError, match="does not exist"):
        threshold(two)


def test_what_is_passed_over_is_named(tmp_path):
    """Formats that are not read, loose slices, folders of something else; never in silence."""
    save(tmp_path / "in/a_LA_ED.nii.gz")
    for name in ("b.img", "b.hdr", "c.nhdr", "c.raw", "d.zip"):
        (tmp_path / "in" / name).write_bytes(b"x")
    (tmp_path / "in/g.dcm").write_bytes(bytes(128) + b"DICM")
    save(tmp_path / "in/more/h.nii.gz")
    contract = opened(tmp_path, "mnms2")
    assert [case.id for case in contract.cases()] == ["a"]
    left = {one.name for one in contract.passed_over}
    assert left == {"b.img", "b.hdr", "c.nhdr", "c.raw", "d.zip", "g.dcm", "more"}
    (note,) = contract.notes()
    assert "1 x .zip" in note
    assert "c.nhdr" not in note, "names may be patients'"
    contract.finish({})
    told = json.loads((tmp_path / "out/summary.json").read_text())["passed_over"]
    assert {one["name"] for one in told} == left


def test_what_lies_beside_nested_series_is_named(tmp_path):
    dicom = bytes(128) + b"DICM"
    for name in ("p1/study/SA_ED/1.dcm", "p1/study/SA_ES/1.dcm"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(dicom)
    for name in ("p1/letter.pdf", "p1/study/map.nii.gz", "p1/other/deep/x.txt"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    contract = opened(tmp_path, "mnms2")
    assert len(list(contract.cases())) == 1
    left = {one.name for one in contract.passed_over}
    assert left == {"p1/letter.pdf", "p1/study/map.nii.gz", "p1/other"}


def test_a_pipe_is_a_failed_case(tmp_path):
    save(tmp_path / "in/one.nii.gz")
    os.mkfifo(tmp_path / "in/two.nii.gz")
    one, two = opened(tmp_path).cases()
    assert (one.id, two.id) == ("one", "two")
    with pytest.raises(InputError, match="regular file"):
        threshold(two)


def dicom(folder, *names):
    """Files that begin like DICOM; contracts look no further."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(bytes(128) + b"DICM")


def test_dicom_folders_are_found_whatever_lies_beside_and_above(tmp_path):
    dicom(tmp_path / "in/e_SA_ED", "IM0001", "IM0002")
    (tmp_path / "in/e_SA_ED/AUTORUN.INF").write_text("[autorun]")
    dicom(tmp_path / "in/f_SA_ES/ST0/SE0", "1.dcm")
    dicom(tmp_path / "in/f_SA_ES/ST0/SE1", "1.dcm")
    contract = opened(tmp_path, "mnms2")
    cases = {case.id: case for case in contract.cases()}
    assert list(cases) == ["e", "f_ST0_SE0", "f_ST0_SE1"]
    assert contract.passed_over == []
    places = {contract.mask_path(case, role) for case in cases.values() for role in case.images}
    assert len(places) == 3
    assert not any(case.review for case in cases.values())


def test_an_export_of_patient_study_series(tmp_path):
    dicom(tmp_path / "in/PA0/ST0/SE0", "IM0")
    dicom(tmp_path / "in/PA1/ST0/SE0", "IM0")
    assert [case.id for case in opened(tmp_path).cases()] == ["PA0_ST0_SE0", "PA1_ST0_SE0"]


def test_a_cine_is_taken_whole_unless_its_phases_or_a_frame_are_given(tmp_path):
    (tmp_path / "in").mkdir()
    frames = np.random.default_rng(0).integers(0, 900, (4, 3, 12, 10)).astype(np.int16)
    for name in ("p7_SA", "p8", "p9_SA_ED", "p6_LA", "p5_SA"):
        cine = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(frame) for frame in frames])
        SimpleITK.WriteImage(cine, tmp_path / f"in/{name}.nii.gz")
    for name in ("p5_SA_ED", "p7_LA_ED"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(frames[0]), tmp_path / f"in/{name}.mha")
    contract = open_contract("mnms2", tmp_path / "in", tmp_path / "out")
    cases = {case.id: case for case in contract.cases()}
    assert {name: sorted(case.images) for name, case in cases.items()} == {
        "p5": ["SA_ED"],
        "p6_LA": ["LA_ED"],
        "p7": ["LA_ED", "SA_CINE"],
        "p8": ["SA_CINE"],
        "p9": ["SA_ED"],
    }
    assert [name for name, case in cases.items() if case.review] == ["p6_LA", "p8"]
    assert [name for name, case in cases.items() if case.notes] == ["p5"]
    framed = open_contract("mnms2", tmp_path / "in", tmp_path / "out", frame=1)
    assert not any("SA_CINE" in case.images for case in framed.cases())
