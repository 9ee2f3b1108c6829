"""Submissions with known scores; what must not be scored is named and refused."""

import json

import numpy as np
import pytest

from cmrseg.cli.main import main
from cmrseg.evaluation.evalutils_evaluation import evaluate_submission
from cmrseg.evaluation.run import evaluate
from cmrseg.runtime.errors import EXIT_INPUT, EXIT_OK, InputError, OutputError

from .tools import (
    cine,
    emidec_job,
    emidec_truth,
    lge,
    listing,
    mnms2_job,
    mnms2_truth,
    save,
)

A, B = "3f0c1b7e-0001-4000-8000-00000000000a", "3f0c1b7e-0002-4000-8000-00000000000b"


def metrics(tmp_path):
    text = (tmp_path / "out" / "metrics.json").read_text()
    return json.loads(text, parse_constant=pytest.fail)  # no NaN, no Infinity


def score(tmp_path, **more):
    return evaluate_submission(
        tmp_path / "in", tmp_path / "truth", tmp_path / "out" / "metrics.json", **more
    )


@pytest.mark.parametrize("kind", ["socket", "interface"])
def test_emidec_jobs(tmp_path, kind):
    emidec_truth(tmp_path / "truth")
    folder = tmp_path / "in"
    listing(
        folder,
        [  # in no order, uploaded in whatever format
            emidec_job(folder, A, "Case_P001.nii.gz", lge(1), kind=kind),
            emidec_job(folder, B, "Case_N001.mha", lge(0), kind=kind),
        ],
    )
    told = score(tmp_path)
    assert "emidec: 2 cases scored" in told
    found = metrics(tmp_path)
    rows = {row["case"]: row for row in found["results"]}
    # one row of four moved out: 3/4 of the myocardium is common, 1.4 mm away
    assert rows["Case_N001"]["myocardium_dice"] == 1.0
    assert rows["Case_P001"]["myocardium_dice"] == pytest.approx(0.75)
    assert rows["Case_P001"]["myocardium_hd_mm"] == pytest.approx(1.4)
    assert found["aggregates"]["myocardium_dice"]["mean"] == pytest.approx(0.875)
    assert found["aggregates"]["myocardium_dice"]["n"] == 2


def test_mnms2_jobs_with_four_images_each(tmp_path):
    mnms2_truth(tmp_path / "truth" / "dataset")  # as the archive unpacks
    folder = tmp_path / "in"
    listing(folder, [mnms2_job(folder, A, "002", 2), mnms2_job(folder, B, "001")])
    score(tmp_path)
    found = metrics(tmp_path)
    assert found["challenge"] == "mnms2"
    rows = {row["case"]: row for row in found["results"]}
    assert rows["001"]["rv_average_dice"] == 1.0
    assert rows["002"]["rv_average_dice"] == pytest.approx(0.5)
    assert rows["002"]["rv_la_es_hd_mm"] == pytest.approx(2.8)
    assert found["aggregates"]["rv_average_hd_mm"]["mean"] == pytest.approx(1.4)
    assert "lv_sa_dice" in found["aggregates"]


def test_what_was_never_predicted_has_no_column(tmp_path):
    mnms2_truth(tmp_path / "truth", ["001"])
    folder = tmp_path / "in"
    listing(folder, [mnms2_job(folder, A, "001", labels=(3,))])
    score(tmp_path)
    assert not [name for name in metrics(tmp_path)["aggregates"] if name.startswith(("lv", "myo"))]


def test_both_challenges_in_their_own_folders_score_as_evaluate_does(tmp_path):
    emidec_truth(tmp_path / "truth")
    for case, shift in (("Case_N001", 1), ("Case_P001", 2)):
        save(tmp_path / "in" / case / "Contours" / f"{case}.nii.gz", lge(shift))
    score(tmp_path)
    report = evaluate("emidec", tmp_path / "in", tmp_path / "truth")
    rows = metrics(tmp_path)["results"]
    assert rows == [{"case": case, **row} for case, row in report.rows.items()]

    mnms2_truth(tmp_path / "two" / "truth", ["001"])
    for role in ("SA_ED", "SA_ES", "LA_ED", "LA_ES"):
        save(tmp_path / "two" / "in" / "001" / f"001_{role}_pred.nii.gz", cine(role, 1))
    score(tmp_path / "two")
    assert metrics(tmp_path / "two")["aggregates"]["rv_sa_dice"]["mean"] == pytest.approx(0.75)


def test_empty_masks_are_equal_and_still_scored(tmp_path):
    empty = np.zeros((3, 14, 16), np.uint8)
    for case in ("Case_N001", "Case_N002"):
        save(tmp_path / "truth" / case / "Contours" / f"{case}.nii.gz", empty)
        save(tmp_path / "in" / f"{case}.nii.gz", empty)
    save(tmp_path / "truth/Case_P003/Contours/Case_P003.nii.gz", lge())
    save(tmp_path / "in/Case_P003.nii.gz", empty)
    score(tmp_path)
    rows = {row["case"]: row for row in metrics(tmp_path)["results"]}
    assert rows["Case_N001"]["infarction_dice"] == rows["Case_N001"]["myocardium_dice"] == 1.0
    assert rows["Case_N001"]["myocardium_hd_mm"] == 0.0
    assert rows["Case_P003"]["infarction_dice"] == 0.0
    # one empty: the image's diagonal
    diagonal = np.sqrt((3 * 10.0) ** 2 + (14 * 1.4) ** 2 + (16 * 1.4) ** 2)
    assert rows["Case_P003"]["myocardium_hd_mm"] == pytest.approx(diagonal)


def test_one_case_has_no_deviation(tmp_path):
    emidec_truth(tmp_path / "truth", ["Case_P001"])
    save(tmp_path / "in" / "Case_P001.nii.gz", lge())
    score(tmp_path)
    assert metrics(tmp_path)["aggregates"]["infarction_dice"]["std"] == 0.0


def test_missing_and_extra_are_all_named_and_nothing_is_written(tmp_path):
    mnms2_truth(tmp_path / "truth", ["001", "002", "003"])
    folder = tmp_path / "in"
    jobs = [
        mnms2_job(folder, A, "001", roles=("SA_ED", "SA_ES", "LA_ED")),
        mnms2_job(folder, B, "007"),
    ]
    listing(folder, jobs)
    with pytest.raises(InputError) as caught:
        score(tmp_path)
    assert caught.value.problem == ("no prediction for 3: 001 LA_ES, 002, 003; no truth for 1: 007")
    assert not (tmp_path / "out").exists()


def test_a_job_without_its_mask_is_missing(tmp_path):
    emidec_truth(tmp_path / "truth")
    folder = tmp_path / "in"
    jobs = [emidec_job(folder, A, "Case_P001.mha", None), emidec_job(folder, B, "Case_N001", lge())]
    listing(folder, jobs)
    with pytest.raises(InputError, match="no prediction for 1: Case_P001 LGE"):
        score(tmp_path)
    listing(folder, [emidec_job(folder, "c", "Case_P001.mha", None)])
    with pytest.raises(InputError, match="no prediction for 2: Case_N001, Case_P001 LGE"):
        score(tmp_path)


def test_unfit_cases_are_all_named(tmp_path):
    emidec_truth(tmp_path / "truth", ["Case_N001", "Case_P001", "Case_P002"])
    save(tmp_path / "in" / "Case_N001.nii.gz", lge()[:2])
    save(tmp_path / "in" / "Case_P001.nii.gz", lge(), (10.0, 1.0, 1.0))
    save(tmp_path / "in" / "Case_P002.nii.gz", lge())
    with pytest.raises(InputError) as caught:
        score(tmp_path)
    assert "2 cannot be scored: case Case_N001: the prediction has 2 x 14" in str(caught.value)
    assert "case Case_P001: the prediction's voxels are 10 x 1 x 1 mm" in str(caught.value)
    (tmp_path / "in" / "Case_P002.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError, match="case Case_P002, LGE in the predictions: "):
        score(tmp_path)


def test_uploaded_names_of_ones_own(tmp_path):
    emidec_truth(tmp_path / "truth", ["Case_P001"])
    (tmp_path / "truth" / "cases.json").write_text('{"scan 7.mha": "Case_P001"}')
    folder = tmp_path / "in"
    listing(folder, [emidec_job(folder, A, "scan 7.mha", lge())])
    score(tmp_path)
    assert metrics(tmp_path)["results"][0]["case"] == "Case_P001"


def test_a_socket_table_of_ones_own(tmp_path):
    emidec_truth(tmp_path / "truth", ["Case_P001"])
    folder = tmp_path / "in"
    entry = emidec_job(folder, A, "Case_P001", lge())
    listing(folder, [json.loads(json.dumps(entry).replace("delayed-enhancement-mri", "lge"))])
    with pytest.raises(InputError, match=r"no job in predictions\.json has an image of emidec"):
        score(tmp_path)
    table = {
        "sockets": [{"slug": "lge", "role": "LGE", "mask": "delayed-enhancement-segmentation"}]
    }
    (tmp_path / "table.json").write_text(json.dumps(table))
    score(tmp_path, sockets=tmp_path / "table.json")
    assert len(metrics(tmp_path)["results"]) == 1


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda entry: entry | {"pk": "../elsewhere"},
            "job 1 in predictions.json is not understood",
        ),
        (lambda entry: entry | {"inputs": [{}]}, r"not understood \(KeyError\)"),
        (lambda entry: [], r"not understood \(TypeError\)"),
    ],
)
def test_listings_that_are_not_the_platforms(tmp_path, spoil, told):
    emidec_truth(tmp_path / "truth", ["Case_P001"])
    folder = tmp_path / "in"
    listing(folder, [spoil(emidec_job(folder, A, "Case_P001", lge()))])
    with pytest.raises(InputError, match=told):
        score(tmp_path)
    (folder / "predictions.json").write_text("{}")
    with pytest.raises(InputError, match=r"predictions\.json is no list"):
        score(tmp_path)


def test_two_jobs_of_one_case(tmp_path):
    emidec_truth(tmp_path / "truth", ["Case_P001"])
    folder = tmp_path / "in"
    listing(folder, [emidec_job(folder, pk, "Case_P001", lge()) for pk in (A, B)])
    with pytest.raises(InputError, match="two jobs have Case_P001 LGE"):
        score(tmp_path)
    save(folder / A / "output/images/delayed-enhancement-segmentation/more.mha", lge())
    with pytest.raises(InputError, match="Case_P001 LGE: the job wrote 2 masks"):
        score(tmp_path)


def test_truths_of_neither_challenge(tmp_path):
    (tmp_path / "truth").mkdir()
    with pytest.raises(InputError, match="neither emidec nor mnms2"):
        score(tmp_path)
    with pytest.raises(InputError, match="holds no labels of mnms2"):
        score(tmp_path, challenge="mnms2")
    (tmp_path / "truth").rmdir()
    with pytest.raises(InputError, match="the truth folder does not exist"):
        score(tmp_path)


def test_an_output_that_cannot_be_written(tmp_path):
    emidec_truth(tmp_path / "truth", ["Case_P001"])
    save(tmp_path / "in" / "Case_P001.nii.gz", lge())
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"metrics\.json cannot be written"):
        score(tmp_path)


def test_the_command_and_what_it_logs(tmp_path, capsys, caplog):
    emidec_truth(tmp_path / "truth")
    folder = tmp_path / "in"
    listing(folder, [emidec_job(folder, A, "Case_P001.nii.gz", lge())])
    arguments = ["--predictions", str(folder), "--truth", str(tmp_path / "truth")]
    arguments += ["--out", str(tmp_path / "out" / "metrics.json")]
    assert main(["evaluate-submission", *arguments]) == EXIT_INPUT
    last = capsys.readouterr().err.splitlines()[-1]
    assert "no prediction for 1: Case_N001. Submit" in last.replace("submit", "Submit")
    listing(
        folder, [emidec_job(folder, p, n, lge()) for p, n in ((A, "Case_P001"), (B, "Case_N001"))]
    )
    assert main(["evaluate-submission", "emidec", *arguments]) == EXIT_OK
    said = capsys.readouterr()
    assert "2 cases scored" in said.out
    assert ".mha" not in said.out + said.err + caplog.text
    assert ".nii" not in said.out + said.err + caplog.text
