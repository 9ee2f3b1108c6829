"""The machine: device, precision, threads, and one line of progress.

torch is imported inside functions, so that commands that compute nothing start at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from cmrseg.errors import UsageError

if TYPE_CHECKING:
    import rich.progress
    import torch

Precision = Literal["fp32", "bf16", "fp16"]
SPINS = "10000"
"""How often a waiting thread of torch's looks again before it sleeps (``GOMP_SPINCOUNT``)."""


def cpu_limit(
    v2: Path = Path("/sys/fs/cgroup/cpu.max"),
    v1: Path = Path("/sys/fs/cgroup/cpu"),
) -> int:
    """CPUs this process may use: affinity, and the container's quota (cgroup v2 or v1)."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _cgroup_quota(v2, v1)
    return max(1, min(count or 1, round(quota)) if quota else count or 1)


def _cgroup_quota(v2: Path, v1: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        limit, period = v2.read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    with contextlib.suppress(OSError, ValueError):
        limit_us = int((v1 / "cpu.cfs_quota_us").read_text())
        period_us = int((v1 / "cpu.cfs_period_us").read_text())
        return limit_us / period_us if limit_us > 0 else None
    return None


def share_cpus() -> None:
    """Keep torch's threads from burning the CPUs they wait for; call before torch is imported.

    Left to itself a thread spins for milliseconds at the end of every layer. Beside another busy
    process the thread it waits for has then no CPU to finish on, and a pass takes many times as
    long. Soon asleep instead, it wakes a little later. What the user set is kept.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def use_device(name: str = "auto") -> torch.device:
    """The device to compute on, with torch's threads set to the CPUs at hand.

    Args:
        name: ``auto`` (CUDA if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UsageError: no such device, or CUDA is asked for and not there.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise UsageError(f"there is no device {name}", "use auto, cpu, cuda or cuda:N")
    import torch

    torch.set_num_threads(cpu_limit())
    _keep_freed_memory()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("no CUDA device is visible to torch", "use --device cpu or auto")
    device = torch.device(name)
    if (device.index or 0) >= max(1, torch.cuda.device_count()):
        raise UsageError(
            f"there are {torch.cuda.device_count()} CUDA devices, no {name}", "use a lower number"
        )
    return device


def _keep_freed_memory() -> None:
    """Let glibc reuse what tensors free instead of handing it back to the system each time.

    Networks allocate and free hundreds of megabytes a pass, and zeroed pages cost time to fetch.
    Elsewhere than on glibc nothing changes.
    """
    m_trim_threshold, m_mmap_threshold = -1, -3
    with contextlib.suppress(OSError, AttributeError):
        glibc = ctypes.CDLL("libc.so.6")
        glibc.mallopt(m_mmap_threshold, 1 << 30)
        glibc.mallopt(m_trim_threshold, (1 << 31) - 1)


@contextlib.contextmanager
def autocast(device: torch.device, precision: Precision) -> Iterator[None]:
    """Matrix work in bf16 or fp16, or none of it."""
    import torch

    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    dtype = kinds.get(precision)
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
        yield


def fastest_precision(
    run: Callable[[Precision], object], device: torch.device, repeats: int = 2
) -> Precision:
    """The precision in which ``run`` is fastest here, measured: bf16 pays on some CPUs only.

    Args:
        run: does a representative piece of work in the precision given.
        device: on CUDA, bf16 where the chip has it and fp16 elsewhere, without measuring.
        repeats: timed runs after one warm-up; the best counts.
    """
    import torch

    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    seconds: dict[Precision, float] = {}
    for precision in ("fp32", "bf16"):
        timed = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            run(precision)
            timed.append(time.perf_counter() - start)
        seconds[precision] = min(timed[1:])
    return "bf16" if seconds["bf16"] < seconds["fp32"] else "fp32"


class Progress:
    """A bar on a terminal that has rich, a plain line every few seconds elsewhere."""

    def __init__(self, total: int, what: str, every_s: float = 15.0) -> None:
        self.total, self.what, self.every_s = total, what, every_s
        self.started = self.last = time.monotonic()
        self.first: int | None = None
        self.bar = _bar(total, what) if sys.stdout.isatty() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        if self.bar:
            self.bar.stop()  # gives the terminal its cursor back

    def show(self, done: int, note: str = "") -> None:
        """Report ``done`` of ``total``; frequent calls are cheap."""
        if self.bar:
            self.bar.update(self.bar.task_ids[0], completed=done, note=note)
            return
        now = time.monotonic()
        if self.first is None:
            self.first = done - 1
        if now - self.last < self.every_s and done < self.total:
            return
        self.last = now
        rate = (done - self.first) / max(now - self.started, 1e-6)
        left = (self.total - done) / rate / 60
        print(f"{self.what} {done}/{self.total} {note} ({left:.0f} min left)", flush=True)


def _bar(total: int, what: str) -> rich.progress.Progress | None:
    """A started bar with rate, time left and a note; None without rich."""
    try:
        from rich import progress
    except ImportError:
        return None
    columns = (
        progress.TextColumn(what),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[note]}"),
    )
    bar = progress.Progress(*columns)
    bar.add_task(what, total=total, note="")
    bar.start()
    return bar
