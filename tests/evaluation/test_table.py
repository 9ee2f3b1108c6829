import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmrseg.evaluation.table import (
    Column,
    Layout,
    TextTable,
    aggregate,
    cases_csv,
    cases_json,
    cohort_table,
)

ROWS = {
    "Case_A": {"heart_dice": 0.8, "heart_hd_mm": 4.0},
    "Case_B": {"heart_dice": 0.9, "scar_dice": 0.25},
}
LAYOUT = Layout(
    lines=[("Heart", "heart"), ("Scar", "scar"), ("Liver", "liver")],
    columns=[
        Column(title="DSC (%)", metric="dice", scale=100, decimals=1),
        Column(title="HD (mm)", metric="hd_mm"),
    ],
)


def test_aggregates_by_hand():
    found = aggregate([{"x": value} for value in (1.0, 2.0, 3.0, 6.0)])["x"]
    # mean 12 / 4; squared deviations 4, 1, 0, 9: sqrt(14 / 4)
    assert found.mean == 3.0
    assert found.std == pytest.approx(np.sqrt(3.5))
    assert (found.median, found.min, found.max, found.n) == (2.5, 1.0, 6.0, 4)


def test_a_metric_is_aggregated_over_the_cases_that_have_it():
    found = aggregate(ROWS.values())
    assert found["heart_dice"].n == 2
    assert found["scar_dice"].n == 1
    assert found["scar_dice"].std == 0.0
    assert aggregate([]) == {}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_aggregates_are_bounded(values):
    found = aggregate([{"x": value} for value in values])["x"]
    slack = 1e-9 * max(1.0, abs(found.min), abs(found.max))
    assert found.min - slack <= found.mean <= found.max + slack
    assert found.min <= found.median <= found.max
    assert 0.0 <= found.std <= found.max - found.min + slack


def test_the_grid_holds_mean_and_std_and_leaves_out_lines_without_any():
    table = cohort_table(aggregate(ROWS.values()), LAYOUT)
    assert list(table.header) == ["", "DSC (%)", "HD (mm)"]
    assert [list(line) for line in table.lines] == [
        ["Heart", "85.0 (5.0)", "4.00 (0.00)"],
        ["Scar", "25.0 (0.0)", "-"],
    ]


def test_text_is_aligned():
    table = TextTable(header=["", "DSC (%)"], lines=[["Heart", "85.0 (5.0)"], ["Scar", "-"]])
    assert table.text() == (
        "          DSC (%)\n"
        "-----  ----------\n"
        "Heart  85.0 (5.0)\n"
        "Scar            -"
    )  # fmt: skip


def test_markdown():
    table = TextTable(header=["", "DSC (%)"], lines=[["Heart", "85.0 (5.0)"]])
    assert table.markdown() == "|  | DSC (%) |\n| --- | ---: |\n| Heart | 85.0 (5.0) |"


def test_csv_has_a_line_a_case_and_reads_back_exactly():
    rows = {**ROWS, "Case_C": {"scar_dice": 1 / 3}}
    read = list(csv.DictReader(io.StringIO(cases_csv(rows))))
    assert [line["case"] for line in read] == ["Case_A", "Case_B", "Case_C"]
    assert float(read[2]["scar_dice"]) == 1 / 3
    assert read[0]["scar_dice"] == ""
    assert list(read[0]) == ["case", "heart_dice", "heart_hd_mm", "scar_dice"]


def test_json_has_cases_aggregates_and_more():
    document = json.loads(cases_json(ROWS, challenge="emidec"))
    assert document["challenge"] == "emidec"
    assert document["results"][1] == {"case": "Case_B", "heart_dice": 0.9, "scar_dice": 0.25}
    assert document["aggregates"]["heart_dice"]["mean"] == pytest.approx(0.85)
    assert document["aggregates"]["heart_dice"]["n"] == 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_holds_nan_or_infinity(value):
    with pytest.raises(ValueError, match=f"heart_hd_mm is {value}"):
        cases_json({"Case_A": {"heart_hd_mm": value}})
