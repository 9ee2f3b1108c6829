from __future__ import annotations

import json
from pathlib import Path

import pytest

from cmrseg.runtime.errors import OutputError, UsageError
from cmrseg_lab.studies.bench import table
from cmrseg_lab.studies.bench.table import BenchRow, Spread

FAST = BenchRow(recipe="-", figure="help", value=Spread.of([0.1, 0.2, 0.12]), unit="s", aim=0.3)
SLOW = BenchRow(recipe="emidec", figure="first mask", value=Spread.of([5, 7, 8]), unit="s", aim=6)
PLAIN = BenchRow(recipe="emidec", figure="peak", value=Spread.of([812.34]), unit="MB")


def test_aims() -> None:
    assert (FAST.met, SLOW.met, PLAIN.met) == (True, False, None)


def test_cells() -> None:
    cells = [row.cells() for row in (FAST, SLOW, PLAIN)]
    assert cells[0] == ("-", "help", "0.12 s", "0.1 s", "0.2 s", "3", "<= 0.3 s", "met")
    assert cells[1][-2:] == ("<= 6 s", "MISSED")
    assert cells[2][2:] == ("812 MB", "812 MB", "812 MB", "1", "", "")


def test_markdown_has_a_line_a_row_and_the_machine() -> None:
    lines = table.markdown([FAST, PLAIN], {"CPUs": 2, "torch": "2"}).splitlines()
    assert lines[2] == "CPUs: 2; torch: 2"
    assert lines[-2] == "| - | help | 0.12 s | 0.1 s | 0.2 s | 3 | <= 0.3 s | met |"
    assert len({line.count("|") for line in lines[4:]}) == 1


def test_json_keeps_every_measurement(tmp_path: Path) -> None:
    table.save_report([SLOW], {"CPUs": 2}, tmp_path / "new" / "bench.json")
    report = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert report["machine"] == {"CPUs": 2}
    assert report["rows"][0]["measurements"] == [5, 7, 8]
    assert (report["rows"][0]["median"], report["rows"][0]["met"]) == (7, False)


def test_reports_of_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.csv"):
        table.save_report([FAST], {}, tmp_path / "bench.csv")


def test_report_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="report"):
        table.save_report([FAST], {}, tmp_path / "file" / "bench.md")


def test_median_ignores_one_disturbed_round() -> None:
    spread = Spread.of([2, 1, 90, 3, 2])
    assert (spread.low, spread.median, spread.high) == (1, 2, 90)


def test_ratios_are_taken_round_by_round() -> None:
    # The second round ran on a machine ten times slower: the ratio does not see it.
    ratio = Spread.of([3.0, 30.0, 6.0]).per(Spread.of([1.0, 10.0, 3.0]))
    assert ratio.values == (3.0, 3.0, 2.0)
    assert ratio.times(100).values == (300.0, 300.0, 200.0)


def test_rounds_must_match() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Spread.of([1, 2]).per(Spread.of([1]))


def test_nothing_measured_is_no_spread() -> None:
    with pytest.raises(ValueError, match="measurement"):
        Spread.of([])
