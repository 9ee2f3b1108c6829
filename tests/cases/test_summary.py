import csv
import io
import json

import numpy as np
import pytest

from cmrseg import __version__
from cmrseg.cases.case import Result
from cmrseg.cases.detect import open_contract
from cmrseg.cases.folders import PassedOver
from cmrseg.cases.summary import Records, closing, run_summary, summary_csv, summary_json, to_json

from .tools import save, threshold, tree

RESULTS = {
    "001": Result(
        measures={"sa_ed": {"rv_ml": 81.5, "flagged": False}, "lv_ef": float("nan")},
        timings_s={"network": 0.5, "total": 1.25},
        warnings=("LA missing", 'a "quoted", word'),
    ),
    "Ä 2": Result(error="SA_ED: truncated. export again.", timings_s={"total": 0.1}),
    "003": Result(measures={"sa_ed": {"rv_ml": np.float32(2), "curve": [1, 2]}}),
}


def as_csv(results):
    return "".join(summary_csv(Records(results)))


def as_json(results, passed_over=()):
    return json.loads("".join(summary_json(run_summary("mnms2", "folder", results, passed_over))))


def test_json_comes_case_by_case_and_looks_as_if_at_once():
    for results in (RESULTS, {}):
        told = run_summary("mnms2", "folder", results)
        assert "".join(summary_json(told)) == to_json(told | {"cases": list(told["cases"])})
    assert len(list(summary_json(run_summary("mnms2", "folder", RESULTS)))) == len(RESULTS) + 2


def test_csv_has_a_line_a_case_and_a_column_a_measure():
    rows = list(csv.DictReader(io.StringIO(as_csv(RESULTS))))
    assert list(rows[0]) == [
        *("case", "status", "error", "seconds", "warnings", "review"),
        *("sa_ed.rv_ml", "sa_ed.flagged", "lv_ef"),
    ]
    assert rows[0]["warnings"] == 'LA missing | a "quoted", word'
    assert [row["case"] for row in rows] == list(RESULTS)
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert [row["sa_ed.rv_ml"] for row in rows] == ["81.5", "", "2.0"]
    assert (rows[0]["lv_ef"], rows[0]["seconds"]) == ("", "1.25")
    assert rows[1]["error"] == "SA_ED: truncated. export again."


def test_json_tells_everything():
    told = as_json(RESULTS)
    assert {key: told[key] for key in told if key != "cases"} == {
        "cmrseg": __version__,
        "challenge": "mnms2",
        "contract": "folder",
        "done": 2,
        "partial": 0,
        "failed": 1,
        "review": 0,
        "passed_over": [],
    }
    assert [case["case"] for case in told["cases"]] == list(RESULTS)
    assert told["cases"][0]["measures"] == {
        "sa_ed": {"rv_ml": 81.5, "flagged": False},
        "lv_ef": None,
    }
    assert told["cases"][0]["timings_s"] == {"network": 0.5, "total": 1.25}
    assert told["cases"][2]["measures"]["sa_ed"]["curve"] == [1, 2]


def test_numbers_of_numpy_and_none_of_nan():
    value = {"a": np.array([1.5, np.inf]), 2: np.bool_(True), "t": (np.int8(-1), float("nan"))}
    assert json.loads(to_json(value)) == {"a": [1.5, None], "2": True, "t": [-1, None]}


def test_what_json_cannot_hold_is_a_fault():
    with pytest.raises(TypeError):
        to_json({"a": object()})


def test_finish_writes_both_into_the_output_folder(tmp_path):
    save(tmp_path / "in/Case_1/Images/Case_1.nii.gz")
    contract = open_contract("emidec", tmp_path / "in", tmp_path / "out")
    (case,) = contract.cases()
    contract.finish({"not \udce4 text": Result()})
    assert '"not \\udce4 text"' in (tmp_path / "out/summary.json").read_text()
    contract.finish({case.id: threshold(case)})
    assert tree(tmp_path / "out") == ["summary.csv", "summary.json"]
    (told,) = json.loads((tmp_path / "out/summary.json").read_text())["cases"]
    assert told["measures"]["volume_ml"]["LGE"] > 0
    (row,) = csv.DictReader((tmp_path / "out/summary.csv").open())
    assert float(row["volume_ml.LGE"]) == told["measures"]["volume_ml"]["LGE"]


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+1", "-cmd", "\tx"])
def test_no_cell_is_a_formula(name):
    text = as_csv({name: Result(measures={"change_ml": -1.5})})
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["case"] == f"'{name}"
    assert row["change_ml"] == "-1.5", "numbers stay numbers"


def test_what_needs_review_is_a_field():
    flagged = {"SA_ED": {"quality": {"out_of_distribution": True}}}
    results = {
        "a": Result(review=("guessed",), warnings=("guessed",)),
        "b": Result(),
        "c": Result(measures=flagged),
        "d": Result(error="lost", review=("guessed",)),
    }
    assert closing(results) == "3 done, 2 need review, 1 failed"
    told = as_json(results, [PassedOver("x.zip", ".zip")])
    assert told["review"] == 2
    assert [case["review"] for case in told["cases"]] == [["guessed"], [], [], ["guessed"]]
    assert told["passed_over"] == [{"name": "x.zip", "kind": ".zip"}]
