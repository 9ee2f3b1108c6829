"""Silence is for what libraries print within the block, and ends with it."""

import os
import sys
from pathlib import Path

from cmrseg.runtime.quiet import silenced


def test_stderr_is_dropped_inside_and_back_outside(capfd):
    print("before", file=sys.stderr)
    try:
        with silenced():
            os.write(2, b"/data/jane_doe.mha: not read completely\n")
            raise OSError
    except OSError:
        os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_handles_are_given_back():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with silenced():
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
