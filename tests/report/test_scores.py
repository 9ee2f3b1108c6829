"""The bundle's scores, back from the Markdown that its manifest keeps."""

from cmrseg.evaluation.table import TextTable
from cmrseg.report.scores import recorded_scores

GRID = TextTable(
    header=["", "DC", "HD (mm)"],
    lines=[["RV SA ED", "0.928 (0.064)", "14.61 (9.06)"], ["RV SA ES", "-", "16.52 (9.54)"]],
)


def test_every_cell_comes_back():
    recorded = {"cases": 16, "command": "cmrseg validate mnms2", "table": GRID.markdown()}
    found = recorded_scores({"scores_out_of_fold": recorded})
    assert found.told == "16 held-out cases, measured by cmrseg validate mnms2"
    assert list(found.header) == GRID.header
    assert [list(line) for line in found.lines] == GRID.lines, "a lone dash is a cell, not a rule"


def test_no_scores_are_no_table():
    assert recorded_scores({}) is None
