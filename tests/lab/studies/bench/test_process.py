from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cmrseg.runtime.errors import CmrsegError
from cmrseg_lab.studies.bench import process


def test_the_moment_a_file_appears(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "time.sleep(0.1); pathlib.Path(sys.argv[1]).touch(); time.sleep(0.3)"
    )
    file = tmp_path / "mask"
    ran = process.timed_process([sys.executable, "-c", code, str(file)], file)
    assert ran.first_file_s is not None
    assert ran.first_file_s >= 0.1
    assert ran.seconds - ran.first_file_s >= 0.2


def test_peak_memory_is_the_child_own() -> None:
    here = np.ones(50_000_000)  # 400 MB that a child must not answer for
    code = "import time; a = b'x' * 100_000_000; del a; time.sleep(0.2)"
    ran = process.timed_process([sys.executable, "-c", code])
    assert here.nbytes == 400_000_000
    assert 100 < ran.peak_mb < 200


def test_a_failed_command_tells_its_last_line() -> None:
    code = "import sys; print('first\\nno weights', file=sys.stderr); sys.exit(6)"
    with pytest.raises(CmrsegError, match="code 6: no weights"):
        process.timed_process([sys.executable, "-c", code])


def test_a_file_that_never_comes_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(CmrsegError, match="code 0: it said nothing"):
        process.timed_process([sys.executable, "-c", ""], tmp_path / "mask")


def test_the_command_is_cmrseg() -> None:
    assert process.timed_process(process.cmrseg("--help")).seconds > 0
    with pytest.raises(CmrsegError, match="code 2"):
        process.timed_process(process.cmrseg("no-such-command"))
