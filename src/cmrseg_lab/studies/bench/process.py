"""Commands in fresh processes: seconds, the moment a file appears, and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmrseg.runtime.errors import CmrsegError

POLL_S = 0.005
MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one process took.

    Attributes:
        seconds: from start to end.
        cpu_s: processor time, which a busy machine changes little.
        first_file_s: from start until the watched file was there; None if none was watched.
        peak_mb: largest resident memory.
        stderr: what it said there.
    """

    seconds: float
    cpu_s: float
    first_file_s: float | None
    peak_mb: float
    stderr: str


def cmrseg(*arguments: str | Path) -> list[str]:
    """The command as a user types it: the script beside this Python, else the module."""
    script = Path(sys.executable).parent / "cmrseg"
    start = [str(script)] if script.is_file() else [sys.executable, "-m", "cmrseg.cli.main"]
    return [*start, *map(str, arguments)]


def timed_process(command: Sequence[str], watched: Path | None = None) -> Ran:
    """Run a command to its end, looking every 5 ms whether ``watched`` is there.

    Raises:
        CmrsegError: it ended with another code than 0, or without the file.
    """
    with tempfile.TemporaryFile() as told:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told)
        first, high_water, pid = None, 0.0, 0
        while not pid:
            high_water = _high_water_mb(child.pid) or high_water
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            seconds = time.perf_counter() - started
            if watched and first is None and watched.exists():
                first = seconds
            if not pid:
                time.sleep(POLL_S)
        child.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        stderr = told.read().decode("utf-8", "replace")
    if child.returncode or (watched and first is None):
        reason = (stderr.strip() or "it said nothing").splitlines()[-1]
        raise CmrsegError(
            f"'{Path(command[0]).name}' ended with code {child.returncode}: {reason}",
            "mend that first",
        )
    peak = high_water or usage.ru_maxrss * 1024 / MB
    cpu_s = usage.ru_utime + usage.ru_stime
    return Ran(seconds=seconds, cpu_s=cpu_s, first_file_s=first, peak_mb=peak, stderr=stderr)


def _high_water_mb(pid: int) -> float | None:
    """Peak resident memory of a living process, where the system tells.

    ``ru_maxrss`` alone would not do on Linux: a child inherits the peak of the process that
    started it, and this one has torch loaded.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
    return int(kilobytes) * 1024 / MB if kilobytes else None
