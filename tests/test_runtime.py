"""The machine: CPUs at hand, devices, the measured precision, progress."""

import os
import re

import pytest
import torch

from cmrseg import runtime
from cmrseg.errors import UsageError
from cmrseg.runtime import Progress, autocast, cpu_limit, fastest_precision, use_device

CPU = torch.device("cpu")


@pytest.fixture
def many_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))


def limit(tmp_path, v2=None, v1=None):
    if v2 is not None:
        (tmp_path / "cpu.max").write_text(v2)
    if v1 is not None:
        (tmp_path / "cpu.cfs_quota_us").write_text(v1[0])
        (tmp_path / "cpu.cfs_period_us").write_text(v1[1])
    return cpu_limit(tmp_path / "cpu.max", tmp_path)


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
def test_a_containers_quota_limits_the_threads(many_cpus, tmp_path, v2, v1, cpus):
    assert limit(tmp_path, v2, v1) == cpus


def test_the_affinity_limits_too(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5})
    assert limit(tmp_path, "400000 100000") == 1


def test_the_device_brings_its_threads(monkeypatch):
    monkeypatch.setattr(runtime, "cpu_limit", lambda: 3)
    before = torch.get_num_threads()
    try:
        assert use_device("cpu") == CPU
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "meta", "", "cpu:0"])
def test_an_unknown_device_is_the_command_lines_fault(name):
    with pytest.raises(UsageError, match="there is no device"):
        use_device(name)


def test_cuda_must_be_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device is visible"):
        use_device("cuda")
    assert use_device("auto") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert use_device("auto") == torch.device("cuda")
    assert use_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UsageError, match="2 CUDA devices, no cuda:2"):
        use_device("cuda:2")


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"fp32": [9, 2, 3], "bf16": [9, 1, 3]}, "bf16"),
        ({"fp32": [9, 1, 3], "bf16": [0.1, 2, 3]}, "fp32"),
        ({"fp32": [9, 1, 2], "bf16": [9, 1, 2]}, "fp32"),
    ],
)
def test_the_best_run_after_a_warm_up_decides(monkeypatch, seconds, chosen):
    now, left = [0.0], {k: list(v) for k, v in seconds.items()}

    def work(precision):
        now[0] += left[precision].pop(0)

    monkeypatch.setattr(runtime.time, "perf_counter", lambda: now[0])
    assert fastest_precision(work, CPU) == chosen
    assert left == {"fp32": [], "bf16": []}


def test_a_gpu_is_asked_and_not_timed(monkeypatch):
    for has_bf16, chosen in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, has=has_bf16: has
        )
        assert fastest_precision(pytest.fail, torch.device("cuda")) == chosen


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_autocast_computes_as_told(precision, dtype):
    a = torch.ones(4, 4)
    with autocast(CPU, precision):
        assert (a @ a).dtype == dtype


def test_progress_is_whole_lines_now_and_then(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(runtime.time, "monotonic", lambda: now[0])
    progress = Progress(600, "emidec")
    for done in range(1, 601):
        now[0] += 0.125
        progress.show(done, "loss 1.5")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert re.fullmatch(r"emidec 120/600 loss 1.5 \(1 min left\)", lines[0])
    assert lines[-1] == "emidec 600/600 loss 1.5 (0 min left)"


def test_a_resumed_run_is_not_thought_faster_than_it_is(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(runtime.time, "monotonic", lambda: now[0])
    progress = Progress(1000, "emidec", every_s=0.0)
    for done in (901, 902):
        now[0] += 60
        progress.show(done)
    assert capsys.readouterr().out.splitlines()[-1].endswith("(98 min left)")
