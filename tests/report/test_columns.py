"""A run's columns: a number of every case, and a word where it is not to be trusted."""

import pytest

from cmrseg.evaluation.table import TextTable
from cmrseg.report.columns import COLUMNS, recorded_scores
from report.made import cine, enhanced, failed


def sized():
    """A cine case of known body surface."""
    found = cine("a")
    mass = {"mass_g": {"LV": 94.5}, "indexed": {"mass_g_per_m2": {"LV": 50.0}}}
    return {**found, "measures": {**found["measures"], **mass}}


@pytest.mark.parametrize(("challenge", "record"), [("emidec", enhanced("a")), ("mnms2", sized())])
def test_every_column_finds_its_number_and_none_in_a_failed_case(challenge, record):
    values = [column.value(record) for column in COLUMNS[challenge]]
    assert all(isinstance(value, int | float) for value in values)
    assert all(column.value(failed("b")) is None for column in COLUMNS[challenge])
    for one in (record, failed("b")):
        assert {column.doubt(one) for column in COLUMNS[challenge]} == {""}


def test_numbers_of_a_flagged_image_are_doubted_by_name():
    """The worst image of ``cine`` is SA_ES."""
    doubts = {c.title: c.doubt(cine("a", pdc=0.3)) for c in COLUMNS["mnms2"]}
    doubted = {title: words for title, words in doubts.items() if words}
    assert list(doubted) == ["LV EF", "RV EF", "LV, ES", "RV, ES"]
    assert all("flagged SA_ES" in words for words in doubted.values())


GRID = TextTable(
    header=["", "DC", "HD (mm)"],
    lines=[["RV SA ED", "0.928 (0.064)", "14.61 (9.06)"], ["RV SA ES", "-", "16.52 (9.54)"]],
)


def test_every_cell_comes_back():
    recorded = {"cases": 16, "command": "cmrseg validate mnms2", "table": GRID.markdown()}
    found = recorded_scores({"scores_out_of_fold": recorded})
    assert "16 held-out cases" in found.told
    assert list(found.header) == GRID.header
    assert [list(line) for line in found.lines] == GRID.lines, "a lone dash is a cell, not a rule"


def test_no_scores_are_no_table():
    assert recorded_scores({}) is None
