"""Devices and the measured precision."""

import pytest
import torch

from cmrseg.runtime import autocast, device, use_device, usual_precision
from cmrseg.runtime.errors import UsageError

CPU = torch.device("cpu")


def test_the_device_brings_its_threads(monkeypatch):
    monkeypatch.setattr(device, "cpu_limit", lambda: 3)
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
    ("amx", "avx512_bf16", "chosen"),
    [(True, True, "bf16"), (True, False, "bf16"), (False, True, "bf16"), (False, False, "fp32")],
)
def test_a_processor_always_gets_the_same_precision(monkeypatch, amx, avx512_bf16, chosen):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    assert {usual_precision(CPU) for _ in range(3)} == {chosen}


def test_a_gpu_is_asked(monkeypatch):
    for has_bf16, chosen in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, has=has_bf16: has
        )
        assert usual_precision(torch.device("cuda")) == chosen


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_autocast_computes_as_told(precision, dtype):
    a = torch.ones(4, 4)
    with autocast(CPU, precision):
        assert (a @ a).dtype == dtype
