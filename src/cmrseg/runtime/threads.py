"""How many threads: as many as the container, the job or the user allows."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from cmrseg.runtime import memory

SPINS = "10000"
"""How often a waiting thread of torch's looks again before it sleeps (``GOMP_SPINCOUNT``)."""


def cpu_limit(root: Path = memory.ROOT, own: Path = memory.OWN) -> int:
    """CPUs this process may use: affinity, and the quota of its control groups (v2 or v1)."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    shares = [quota for quota in _quotas(root, own) if quota]
    return max(1, min([count or 1, *map(round, shares)]))


def share_cpus() -> None:
    """Keep torch's threads from burning the CPUs they wait for; call before torch is imported.

    Left to itself a thread spins for milliseconds at the end of every layer. Beside another busy
    process the thread it waits for has then no CPU to finish on, and a pass takes many times as
    long. Soon asleep instead, it wakes a little later. What the user set is kept.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def _quotas(root: Path, own: Path) -> list[float]:
    """CPUs' worth of time each control group allows; those without a limit are left out."""
    quotas = []
    for folder in memory.v2_folders(root, own):
        with contextlib.suppress(OSError, ValueError):
            limit_us, period_us = map(int, (folder / "cpu.max").read_text().split())
            quotas.append(limit_us / period_us)
    for folder in memory.v1_folders("cpu", root, own):
        limit = memory.number_in(folder / "cpu.cfs_quota_us")
        period = memory.number_in(folder / "cpu.cfs_period_us")
        if limit and period and limit > 0:
            quotas.append(limit / period)
    return quotas
