"""Where to compute, and in which precision."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from cmrseg.runtime.errors import UsageError
from cmrseg.runtime.threads import cpu_limit

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16"]


def use_device(name: str = "auto") -> torch.device:
    """The device to compute on, with torch's threads set to the CPUs at hand.

    Args:
        name: ``auto`` (CUDA if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UsageError: no such device, or CUDA is asked for and not there.
    """
    check_device(name)
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


def check_device(name: str) -> None:
    """Refuse what names no device, without loading torch.

    Raises:
        UsageError: it is none.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise UsageError(f"there is no device {name}", "use auto, cpu, cuda or cuda:N")


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


def usual_precision(device: torch.device) -> Precision:
    """The precision to compute in where none is asked for: by what the processor has, not by time.

    A race of timings would answer differently on a busy machine, and masks with it. bf16 where the
    processor multiplies in it (CPUs with AMX or AVX-512 BF16, GPUs from Ampere on), fp16 on other
    GPUs, else fp32.
    """
    import torch

    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    cpu = torch.cpu
    return "bf16" if cpu._is_amx_tile_supported() or cpu._is_avx512_bf16_supported() else "fp32"
