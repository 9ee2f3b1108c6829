import csv
import json

import numpy as np
import pytest

from cmrseg.evaluation.run import evaluate, write_files
from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.imaging.write import write
from cmrseg.runtime.errors import EXIT_INPUT, EXIT_OK, EXIT_PARTIAL, InputError, OutputError

SPACING = (10.0, 1.4, 1.4)
ROLES = ("SA_ED", "SA_ES", "LA_ED", "LA_ES")


def save(path, array, spacing_mm=SPACING):
    path.parent.mkdir(parents=True, exist_ok=True)
    write(Volume(array, Geometry(array.shape, spacing_mm)), path)


def lge(shift=0):
    """Myocardium of 4 x 6 pixels in 3 slices, a sixth of it infarct."""
    array = np.zeros((3, 14, 16), np.uint8)
    array[:, 3:7, 4:10] = 2
    array[:, 3:7, 9] = 3
    return np.roll(array, shift, axis=1)


def cine(role, shift=0, labels=(1, 2, 3)):
    array = np.zeros((3 if role.startswith("SA") else 1, 14, 16), np.uint8)
    array[:, 3:7, 1:5] = 3
    array[:, 3:7, 8:12] = 1
    array[:, 3:7, 12] = 2
    return np.roll(np.where(np.isin(array, labels), array, 0).astype(np.uint8), shift, axis=1)


@pytest.fixture
def emidec(tmp_path):
    """Truths of Case_N001, Case_P002 and Case_P003 as the organisers' archive unpacks."""
    for case in ("Case_N001", "Case_P002", "Case_P003"):
        root = tmp_path / "truth" / "emidec-dataset-1.0.1"
        save(root / case / "Contours" / f"{case}.nii.gz", lge())
    return tmp_path


@pytest.fixture
def mnms2(tmp_path):
    """Truths of 001 and 002."""
    for case in ("001", "002"):
        for role in ROLES:
            save(tmp_path / "truth" / case / f"{case}_{role}_gt.nii.gz", cine(role))
    return tmp_path


def predict_emidec(folder, shifts, nested=True):
    for case, shift in shifts.items():
        path = (
            folder / case / "Contours" / f"{case}.nii.gz" if nested else folder / f"{case}.nii.gz"
        )
        save(path, lge(shift))


def predict_mnms2(folder, cases=("001", "002"), shift=0, labels=(1, 2, 3)):
    for case in cases:
        for role in ROLES:
            save(folder / case / f"{case}_{role}_pred.nii.gz", cine(role, shift, labels))


@pytest.mark.parametrize("nested", [True, False])
def test_emidec_in_both_layouts(emidec, nested):
    predict_emidec(emidec / "pred", {"Case_N001": 0, "Case_P002": 1, "Case_P003": 2}, nested)
    report = evaluate("emidec", emidec / "pred", emidec / "truth", emidec / "out")
    assert report.exit_code == EXIT_OK
    assert list(report.rows) == ["Case_N001", "Case_P002", "Case_P003"]
    # rows shifted by 0, 1 and 2 of 4: 1, 3/4 and 2/4
    dice = [row["myocardium_dice"] for row in report.rows.values()]
    assert dice == pytest.approx([1.0, 0.75, 0.5])
    # mean .75, std sqrt((1/16 + 0 + 1/16) / 3) = .2041
    assert "75.00 (20.41)" in report.text()
    # shifts of 0, 1.4 and 2.8 mm: y is in the middle of both orders, so both distances agree
    assert report.text().count("1.40 (1.14)") == 2
    assert "3 cases compared" in report.text()


def test_emidec_files(emidec):
    predict_emidec(emidec / "pred", {"Case_N001": 0, "Case_P002": 1})
    report = evaluate("emidec", emidec / "pred", emidec / "truth", emidec / "out" / "deep")
    assert sorted(path.name for path in report.files) == sorted(
        path.name for path in (emidec / "out" / "deep").iterdir()
    )
    by_ending = {path.suffix: path for path in report.files}
    with by_ending[".csv"].open() as file:
        lines = list(csv.DictReader(file))
    assert [line["case"] for line in lines] == ["Case_N001", "Case_P002"]
    assert float(lines[1]["myocardium_hd_mm"]) == pytest.approx(1.4)
    document = json.loads(by_ending[".json"].read_text())
    assert document["challenge"] == "emidec"
    assert document["missing"] == ["Case_P003"]
    assert document["aggregates"]["infarction_dice"]["n"] == 2
    assert "| Myocardium | 87.50 (12.50) |" in by_ending[".md"].read_text()
    assert all(str(path) in report.text() for path in report.files)


def test_missing_and_extra_cases_are_named(emidec):
    predict_emidec(emidec / "pred", {"Case_P002": 0, "Case_P099": 0})
    report = evaluate("emidec", emidec / "pred", emidec / "truth", None)
    assert report.missing == ("Case_N001", "Case_P003")
    assert "compared: the means leave out what is missing or failed" in report.text()
    assert report.extra == ("Case_P099",)
    assert report.exit_code == EXIT_PARTIAL
    assert "no prediction for 2: Case_N001, Case_P003" in report.text()
    assert "no truth for 1: Case_P099" in report.text()
    assert report.files == ()


def test_extra_cases_alone_do_no_harm_and_maps_are_no_cases(emidec):
    shifts = dict.fromkeys(("Case_N001", "Case_P002", "Case_P003", "Case_P004"), 0)
    predict_emidec(emidec / "pred", shifts, nested=False)
    save(emidec / "pred" / "Case_P002_variance.nii.gz", lge().astype(np.float32))
    report = evaluate("emidec", emidec / "pred", emidec / "truth")
    assert report.extra == ("Case_P004",)
    assert report.exit_code == EXIT_OK


def test_hidden_folders_hold_no_cases(emidec):
    predict_emidec(emidec / "pred", {"Case_P002": 0, ".staged": 0})
    assert evaluate("emidec", emidec / "pred", emidec / "truth").extra == ()


def test_a_bad_case_is_named_and_the_others_go_on(emidec):
    predict_emidec(emidec / "pred", {"Case_N001": 0})
    save(emidec / "pred" / "Case_P002" / "Contours" / "Case_P002.nii.gz", lge(), (10.0, 1.0, 1.0))
    broken = emidec / "pred" / "Case_P003" / "Contours" / "Case_P003.nii.gz"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no image")
    report = evaluate("emidec", emidec / "pred", emidec / "truth", emidec / "out")
    assert list(report.rows) == ["Case_N001"]
    assert list(report.failed) == ["Case_P002", "Case_P003"]
    assert all(isinstance(error, InputError) for error in report.failed.values())
    assert "case Case_P002: the prediction's voxels are 10 x 1 x 1 mm" in report.text()
    assert "case Case_P003: LGE prediction: " in report.text()
    assert report.exit_code == EXIT_PARTIAL
    document = json.loads((emidec / "out" / "evaluation.json").read_text())
    assert list(document["failed"]) == ["Case_P002", "Case_P003"]


def test_all_cases_bad(emidec):
    save(emidec / "pred" / "Case_P002.nii.gz", lge()[:2])
    report = evaluate("emidec", emidec / "pred", emidec / "truth", emidec / "out")
    assert report.exit_code == EXIT_INPUT
    assert "0 cases compared" in report.text()
    assert json.loads((emidec / "out" / "evaluation.json").read_text())["results"] == []


def test_mnms2_all_labels(mnms2):
    predict_mnms2(mnms2 / "pred", shift=1)
    report = evaluate("mnms2", mnms2 / "pred", mnms2 / "truth", mnms2 / "out")
    assert report.exit_code == EXIT_OK
    # everything 4 rows high and shifted by 1: Dice 3/4, HD 1.4 mm in each image
    assert report.cohort["rv_average_dice"] == pytest.approx(0.75)
    assert report.cohort["lv_average_hd_mm"] == pytest.approx(1.4)
    assert "challenge average (0.75 SA + 0.25 LA): RV DC 0.750, HD 1.40 mm" in report.text()
    assert "MYO LA ES" in report.text()
    assert json.loads(report.json())["cohort"]["rv_average_dice"] == pytest.approx(0.75)


def test_mnms2_rv_alone(mnms2):
    predict_mnms2(mnms2 / "pred", labels=(3,))
    report = evaluate("mnms2", mnms2 / "pred", mnms2 / "truth")
    assert report.rows["001"]["rv_average_dice"] == 1.0
    assert not any(key.startswith(("lv", "myo")) for key in report.rows["001"])
    assert "LV" not in report.text()


def test_mnms2_lv_missed_in_one_case_counts_as_a_miss(mnms2):
    predict_mnms2(mnms2 / "pred", ["001"])
    predict_mnms2(mnms2 / "pred", ["002"], labels=(3,))
    report = evaluate("mnms2", mnms2 / "pred", mnms2 / "truth")
    assert report.rows["002"]["lv_average_dice"] == 0.0
    assert report.cohort["lv_average_dice"] == pytest.approx(0.5)


def test_mnms2_rv_written_as_one_is_pointed_out(mnms2):
    for case in ("001", "002"):
        for role in ROLES:
            rv = (cine(role) == 3).astype(np.uint8)
            save(mnms2 / "pred" / case / f"{case}_{role}_pred.nii.gz", rv)
    report = evaluate("mnms2", mnms2 / "pred", mnms2 / "truth")
    assert report.cohort["rv_average_dice"] == 0.0
    assert "was the RV written as 1?" in report.text()


def test_mnms2_missing_and_extra_images_are_named(mnms2):
    predict_mnms2(mnms2 / "pred", ["001", "003"])
    (mnms2 / "pred" / "001" / "001_LA_ES_pred.nii.gz").unlink()
    (mnms2 / "truth" / "001" / "001_SA_ES_gt.nii.gz").unlink()
    report = evaluate("mnms2", mnms2 / "pred", mnms2 / "truth")
    assert report.missing == ("001 LA_ES", "002")
    assert report.extra == ("001 SA_ES", "003")
    assert report.exit_code == EXIT_PARTIAL
    assert "rv_sa_ed_dice" in report.rows["001"]


def test_mnms2_bad_image_names_case_and_role(mnms2):
    predict_mnms2(mnms2 / "pred")
    save(mnms2 / "pred" / "002" / "002_SA_ES_pred.nii.gz", cine("LA_ES"))
    report = evaluate("mnms2", mnms2 / "pred", mnms2 / "truth")
    assert list(report.rows) == ["001"]
    assert "case 002: SA_ES: the prediction has 1 x 14 x 16 voxels" in report.text()


@pytest.mark.parametrize("challenge", ["emidec", "mnms2"])
def test_folders_that_cannot_be_compared(challenge, tmp_path, request):
    truth = request.getfixturevalue(challenge) / "truth"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the predictions folder does not exist"):
        evaluate(challenge, tmp_path / "none", truth)
    with pytest.raises(InputError, match=f"the predictions folder holds no labels of {challenge}"):
        evaluate(challenge, tmp_path / "empty", truth)
    with pytest.raises(InputError, match="the truth folder holds no labels"):
        evaluate(challenge, truth, tmp_path / "empty")
    predict_emidec(tmp_path / "others", {"Case_X": 0})
    predict_mnms2(tmp_path / "others", ["900"])
    with pytest.raises(InputError, match="no prediction has the name"):
        evaluate(challenge, tmp_path / "others", truth)


def test_two_data_sets_in_one_folder_are_refused(emidec):
    predict_emidec(emidec / "pred" / "one", {"Case_P002": 0})
    predict_emidec(emidec / "pred" / "two", {"Case_P002": 1})
    with pytest.raises(InputError, match="2 subfolders hold data sets"):
        evaluate("emidec", emidec / "pred", emidec / "truth")


def test_an_output_that_cannot_be_written(emidec):
    predict_emidec(emidec / "pred", {"Case_P002": 0})
    (emidec / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"evaluation\.csv cannot be written"):
        evaluate("emidec", emidec / "pred", emidec / "truth", emidec / "file" / "out")


def test_the_codes_of_acdc_are_remarked(mnms2):
    for case in ("001", "002"):
        for role in ROLES:
            swapped = np.array([0, 3, 2, 1], np.uint8)[cine(role)]
            save(mnms2 / "pred" / case / f"{case}_{role}_pred.nii.gz", swapped)
    report = evaluate("mnms2", mnms2 / "pred", mnms2 / "truth")
    assert report.suspected_labels == "acdc"
    assert json.loads(report.json())["suspected_labels"] == "acdc"
    assert len(report.notes) == 1


@pytest.mark.parametrize("shift", [0, 1, 7])
def test_right_or_wrong_masks_in_their_own_codes_are_not(mnms2, shift):
    for role in ROLES:
        save(mnms2 / "pred" / "001" / f"001_{role}_pred.nii.gz", cine(role, shift))
    assert evaluate("mnms2", mnms2 / "pred", mnms2 / "truth").suspected_labels is None


def test_a_mask_stored_in_another_orientation_is_compared_where_it_lies(mnms2):
    for role in ROLES:
        array = cine(role)
        placed = Geometry(array.shape, SPACING)
        corner = placed.to_patient(np.array([[0], [0], [array.shape[2] - 1]]))[:, 0]
        direction = placed.direction[:, [0, 2, 1]] * [1, -1, 1]
        turned = Geometry(
            (array.shape[0], array.shape[2], array.shape[1]),
            (SPACING[0], SPACING[2], SPACING[1]),
            tuple(corner.tolist()),
            direction,
        )
        stored = np.ascontiguousarray(array[:, :, ::-1].transpose(0, 2, 1))
        path = mnms2 / "pred" / "001" / f"001_{role}_pred.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(Volume(stored, turned), path)
    report = evaluate("mnms2", mnms2 / "pred", mnms2 / "truth")
    assert report.cohort["rv_average_dice"] == 1.0
    assert not report.failed


def test_files_are_written_whole_and_replaced(tmp_path):
    path = tmp_path / "deep" / "a.md"
    for text in ("är", "new"):
        write_files({path: text, tmp_path / "b.csv": "1\n"})
        assert path.read_text(encoding="utf-8") == text
    assert [p.name for p in path.parent.iterdir()] == ["a.md"]


def test_what_cannot_be_written_is_named_and_the_old_file_stays(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"a\.md cannot be written"):
        write_files({tmp_path / "file" / "a.md": "x"})
    (tmp_path / ".b.md.part").mkdir()
    (tmp_path / "b.md").write_text("old")
    with pytest.raises(OutputError, match=r"b\.md cannot be written"):
        write_files({tmp_path / "b.md": "x"})
    assert (tmp_path / "b.md").read_text() == "old"
