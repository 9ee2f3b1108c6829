"""Threads follow affinity and the quota of control groups."""

import os

import pytest

from cmrseg.runtime import cpu_limit


@pytest.fixture(autouse=True)
def sixteen_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))


@pytest.fixture
def limit(tmp_path):
    """The CPUs found, given the quota files of some folders and this process's groups."""

    def found(files=None, groups=""):
        for name, text in (files or {}).items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "own").write_text(groups)
        return cpu_limit(tmp_path / "cgroup", tmp_path / "own")

    return found


@pytest.mark.parametrize(
    ("v2", "v1", "cpus"),
    [
        (None, None, 16),
        ("max 100000", None, 16),
        ("200000 100000", None, 2),
        ("3200000 100000", None, 16),
        ("30000 100000", None, 1),
        (None, ("400000\n", "100000\n"), 4),
        (None, ("-1\n", "100000\n"), 16),
        ("garbage", None, 16),
    ],
)
def test_a_containers_quota_limits_the_threads(limit, v2, v1, cpus):
    files = {"cpu.max": v2} if v2 is not None else {}
    if v1 is not None:
        files |= {"cpu/cpu.cfs_quota_us": v1[0], "cpu/cpu.cfs_period_us": v1[1]}
    assert limit(files) == cpus


def test_the_affinity_limits_too(monkeypatch, limit):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5})
    assert limit({"cpu.max": "400000 100000"}) == 1


@pytest.mark.parametrize(
    ("files", "groups"),
    [
        ({"slurm/job/cpu.max": "max 100000", "slurm/cpu.max": "300000 100000"}, "0::/slurm/job\n"),
        (
            {"cpu/batch/cpu.cfs_quota_us": "300000", "cpu/batch/cpu.cfs_period_us": "100000"},
            "5:memory:/\n4:cpu,cpuacct:/batch\n",
        ),
    ],
)
def test_a_jobs_group_and_those_around_it_limit_too(limit, files, groups):
    assert limit(files, groups) == 3
