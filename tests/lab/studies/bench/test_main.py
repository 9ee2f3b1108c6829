"""The whole benchmark, small: two tiny networks' bundles, one round, two cases."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from cmrseg_lab.studies.bench import ceiling
from cmrseg_lab.studies.bench.__main__ import main


def test_one_challenge(
    weights: Path,
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(ceiling.SIDES, "cpu", 128)
    out = tmp_path / "bench.json"
    options = ["--only", "mnms2", "--rounds", "1", "--cases", "2", "--device", "cpu"]
    places = ["--samples", str(samples), "--weights-mnms2", str(weights), "--out", str(out)]
    assert main([*options, *places]) == 0
    report = json.loads(out.read_text())
    rows = {(row["recipe"], row["figure"].strip()): row for row in report["rows"]}
    assert rows["mnms2", "cold process to first mask"]["aim"] == 6
    assert {recipe for recipe, _ in rows} == {"-", "mnms2", "mnms2-sa", "mnms2-la"}
    for row in rows.values():
        assert math.isfinite(row["median"])
        assert row["lowest"] <= row["median"] <= row["highest"]
    shares = [rows["mnms2", step]["median"] for step in ("read", "network", "write", "rest")]
    assert 0 < sum(shares) < 100
    assert "cold process to first mask" in capsys.readouterr().out


def test_missing_weights_end_it_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--only", "emidec", "--weights-emidec", str(tmp_path)]) == 6
    assert "no weights for emidec" in capsys.readouterr().err


def test_a_report_of_an_unknown_kind_is_refused_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--out", "bench.txt"]) == 2
    assert ".json" in capsys.readouterr().err
