"""What the commands that lead to a bundle tell."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from cmrseg_lab.cli import main


def test_synthesize_counts_the_cpu_time_of_its_processes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.times()
    arguments = ["synthesize", "emidec", str(tmp_path), "--patients", "2", "--jobs", "2"]
    assert main.main(arguments) == 0
    after = os.times()
    last = capsys.readouterr().out.splitlines()[-1]
    told = re.fullmatch(
        r"2 patients in [\d.]+ s: [\d.]+ a second and process, ([\d.]+) CPU seconds a patient", last
    )
    assert told
    in_children = after[2] + after[3] - before[2] - before[3]
    rounding = 0.02
    assert 0 < in_children <= 2 * float(told[1]) + rounding
    assert 2 * float(told[1]) <= sum(after[:4]) - sum(before[:4]) + rounding
