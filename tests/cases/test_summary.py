import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from cmrseg import __version__
from cmrseg.cases import summary as summary_module
from cmrseg.cases.case import Result
from cmrseg.cases.detect import open_contract
from cmrseg.cases.folders import PassedOver
from cmrseg.cases.summary import (
    Records,
    closing,
    curves_csv,
    details_csv,
    run_summary,
    summary_csv,
    summary_json,
    to_json,
)

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


def rows_of(lines):
    return list(csv.DictReader(io.StringIO("".join(lines))))


def as_json(results, passed_over=()):
    return json.loads("".join(summary_json(run_summary("mnms2", "folder", results, passed_over))))


def test_json_comes_case_by_case_and_looks_as_if_at_once():
    for results in (RESULTS, {}):
        told = run_summary("mnms2", "folder", results)
        assert "".join(summary_json(told)) == to_json(told | {"cases": list(told["cases"])})
    assert len(list(summary_json(run_summary("mnms2", "folder", RESULTS)))) == len(RESULTS) + 2


def test_details_have_a_line_a_case_and_a_column_a_measure():
    rows = rows_of(details_csv(Records(RESULTS)))
    assert list(rows[0]) == [
        *("case", "status", "error", "seconds", "warnings", "review", "notes"),
        *("sa_ed.rv_ml", "sa_ed.flagged", "lv_ef"),
    ]
    assert rows[0]["warnings"] == 'LA missing | a "quoted", word'
    assert [row["case"] for row in rows] == list(RESULTS)
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert [row["sa_ed.rv_ml"] for row in rows] == ["81.5", "", "2.0"]
    assert (rows[0]["lv_ef"], rows[0]["seconds"]) == ("", "1.25")
    assert rows[1]["error"] == "SA_ED: truncated. export again."


def phase(lv, flagged):
    return {
        "volume_ml": {"LV": lv, "RV": 90.0},
        "volume_ml_interval": {"LV": {"low": 1.0}},
        "agreement": {"LV": 0.9},
        "quality": {"out_of_distribution": flagged, "answer": {"RV": {"pHD_mm": 3.0}}},
    }


def test_the_summary_has_what_people_use_with_two_decimals():
    heart = {"SA_ED": phase(150.126, False), "SA_ES": phase(60.0, True)}
    results = {
        "a": Result(measures=heart | {"ejection_fraction_percent": {"LV": 60.03}}),
        "b": Result(measures={"SA_ED": phase(1.0, False)}, review=("odd",)),
        "c": Result(measures={"quality": {"out_of_distribution": True}}),
        "d": Result(error="lost"),
    }
    rows = rows_of(summary_csv(Records(results)))
    assert list(rows[0]) == [
        *("case", "status", "flagged", "review", "error", "ejection_fraction_percent.LV"),
        *("SA_ED.volume_ml.LV", "SA_ED.volume_ml.RV", "SA_ES.volume_ml.LV", "SA_ES.volume_ml.RV"),
    ]
    assert rows[0]["SA_ED.volume_ml.LV"] == "150.13"
    assert [row["flagged"] for row in rows] == ["SA_ES", "no", "yes", ""]
    assert [row["review"] for row in rows] == ["", "odd", "", ""]
    assert rows[3]["error"] == "lost"


def test_curves_have_a_line_a_frame():
    cine = {"frames": 2, "volume_ml": {"LV": [9.0, 4.5], "RV": [8.0, 7.0]}}
    found = rows_of(curves_csv(Records({"a": Result(measures={"cine": cine}), "b": Result()})))
    assert found == [
        {"case": "a", "frame": "0", "LV": "9.0", "RV": "8.0"},
        {"case": "a", "frame": "1", "LV": "4.5", "RV": "7.0"},
    ]


SCHEMA = json.loads((Path(summary_module.__file__).parent / "summary.schema.json").read_text())
KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "null": type(None),
    "integer": int,
    "number": int | float,
    "boolean": bool,
}


def faults(value, schema, at=""):
    """What contradicts a JSON Schema, of the keywords that ours uses."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, KINDS[kind]) for kind in kinds):
        yield f"{at} is no {kinds}"
    elif value not in schema.get("enum", [value]):
        yield f"{at} is {value}"
    elif isinstance(value, dict):
        yield from (f"{at} lacks {key}" for key in schema.get("required", ()) if key not in value)
        for key, inner in value.items():
            own = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            yield from faults(inner, own, f"{at}.{key}")
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from faults(inner, schema.get("items", {}), f"{at}[{n}]")


def test_the_summary_is_as_its_schema_says():
    heart = {"SA_ED": phase(150.1, False), "ejection_fraction_percent": {"LV": 60.0}}
    results = RESULTS | {"h": Result(measures=heart, notes=("n",), masks={"SA_ED": "a.nii.gz"})}
    told = as_json(results, [PassedOver("x.zip", ".zip")])
    assert list(faults(told, SCHEMA)) == []
    record = SCHEMA["$defs"]["record"]
    assert set(told["cases"][0]) <= set(record["properties"])
    assert set(told) <= set(SCHEMA["properties"])
    told["cases"][0]["status"] = "fine"
    told["cases"][1]["warnings"] = "one"
    del told["review"]
    assert len(list(faults(told, SCHEMA))) == 3


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
    assert tree(tmp_path / "out") == ["details.csv", "summary.csv", "summary.json"]
    (told,) = json.loads((tmp_path / "out/summary.json").read_text())["cases"]
    assert told["measures"]["volume_ml"]["LGE"] > 0
    (row,) = csv.DictReader((tmp_path / "out/summary.csv").open())
    assert float(row["volume_ml.LGE"]) == told["measures"]["volume_ml"]["LGE"]


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+1", "-cmd", "\tx"])
def test_no_cell_is_a_formula(name):
    text = "".join(details_csv(Records({name: Result(measures={"change_ml": -1.5})})))
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


def test_mass_by_body_surface_is_a_column_and_limits_of_healthy_adults_are_not():
    limits = {"value": 50.0, "low": 35.4, "high": 70.6, "position": "within"}
    measures = {
        "mass_g": {"LV": 100.0},
        "indexed": {"mass_g_per_m2": {"LV": 50.0}},
        "reference": {"mass_g_per_m2": limits, "ejection_fraction_percent": limits},
    }
    text = "".join(summary_csv(Records({"a": Result(measures=measures)})))
    (row,) = csv.DictReader(io.StringIO(text))
    assert list(row)[5:] == ["mass_g.LV", "indexed.mass_g_per_m2.LV"]
