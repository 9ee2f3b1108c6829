"""A stack of slices in as many pieces as the memory at hand asks for, with the same result.

A 2-D network sees every slice by itself. A 3-D one looks some slices up and down, no further
(:func:`reach`): a piece that brings these along gives its inner slices what the whole stack would.
Dropout is drawn piece by piece.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cmrseg.models.fusion import repeated
from cmrseg.models.unet import UNet, UNetConfig
from cmrseg.runtime import Precision, autocast
from cmrseg.runtime.memory import USABLE, bytes_text, memory_left, too_little

SLICES_AT_ONCE = 16
"""2-D networks see this many slices at a time: memory stays flat however long the stack."""
LIVE_MAPS = 11
"""A pass holds at most so many numbers a voxel at its peak, in units of the finest stage's width.

Measured: 5 to 10, the most with several dropout passes (2-D and 3-D, both sizes, all precisions).
"""
RESULT_COPIES = 3
"""How often a pass's result lies in memory at its end, in fp32: logits, softmax, turned back."""
NUMBER_BYTES: dict[Precision, int] = {"fp32": 4, "bf16": 2, "fp16": 2}


def number_bytes(device: torch.device, precision: Precision) -> int:
    """Bytes of a number in a pass; processors may compute half precision in fp32, and keep both."""
    return NUMBER_BYTES[precision] if device.type == "cuda" else NUMBER_BYTES["fp32"]


def reach(config: UNetConfig) -> int:
    """How many slices up and down a voxel's result depends on: one a 3-slice-deep block."""
    return 2 * (sum(config.across) + sum(config.across[:-1]))


def slices_that_fit(config: UNetConfig, x: Tensor, precision: Precision, passes: int = 1) -> int:
    """How many slices of ``x`` (1, 1, Z, Y, X) may be computed at once.

    What all of them come to is kept in memory beside the slices under way.

    Raises:
        MemoryLimitError: the CPU's memory does not even suffice for the smallest piece.
    """
    depth, halo = x.shape[2], reach(config)
    wanted = depth if halo else min(depth, SLICES_AT_ONCE)
    left = _left(x.device)
    if left is None:
        return wanted
    kept = RESULT_COPIES * 4 * passes * config.classes * x[0, 0].numel()
    left = max(0, left - kept)
    number = number_bytes(x.device, precision)
    slice_bytes = LIVE_MAPS * config.features[0] * number * x[0, 0, 0].numel()
    fitting = int(left * USABLE / slice_bytes)
    if fitting >= wanted:
        return wanted
    smallest = min(depth, 1 + 2 * halo)
    # A GPU says no by itself; a container would be killed.
    if x.device.type == "cpu" and left < smallest * slice_bytes:
        needed = kept + smallest * slice_bytes
        raise too_little(
            f"the image needs about {bytes_text(needed)} of memory, "
            f"{bytes_text(left + kept)} are left"
        )
    slices = max(1, fitting - 2 * halo)
    # Pieces that bring the whole stack along save nothing.
    return slices if slices + 2 * halo < depth else wanted


def in_pieces(network: UNet, x: Tensor, precision: Precision, passes: int, slices: int) -> Tensor:
    """Logits (passes, C, Z, Y, X) in fp32, ``slices`` at once and fewer if that is too much.

    If one slice at a time is too much as well, passes are computed one after the other.

    Args:
        network: in evaluation mode, its dropout layers on or off.
        x: (1, 1, Z, Y, X).
        precision: what to compute in.
        passes: over the same image.
        slices: that a piece contributes, beside those it brings along.

    Raises:
        RuntimeError, MemoryError: one pass over one slice is still too much.
    """
    halo, depth = reach(network.config), x.shape[2]
    while True:
        try:
            return _in_pieces(network, x, precision, passes, slices)
        except (RuntimeError, MemoryError) as error:
            fewer = _smaller(slices, halo, depth)
            if not out_of_memory(error) or (fewer is None and passes == 1):
                raise
        # Here, not above: the failed attempt's tensors are gone with the exception.
        if x.is_cuda:
            torch.cuda.empty_cache()
        if fewer is None:  # passes share what they have in common, which has to be kept
            alone = [in_pieces(network, x, precision, 1, slices) for _ in range(passes)]
            return torch.cat(alone)
        slices = fewer


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; on the CPU torch says so in words only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = ("can't allocate memory", "bad_alloc", "could not create a memory")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def _smaller(slices: int, halo: int, depth: int) -> int | None:
    """Half the slices at once, or fewer still, so that a piece really gets smaller."""
    size = min(depth, slices + 2 * halo)
    while slices > 1:
        slices = (slices + 1) // 2
        if min(depth, slices + 2 * halo) < size:
            return slices
    return None


@torch.inference_mode()
def _in_pieces(network: UNet, x: Tensor, precision: Precision, passes: int, slices: int) -> Tensor:
    depth, halo = x.shape[2], reach(network.config)
    logits = []
    for start in range(0, depth, slices):
        first, last = max(0, start - halo), min(depth, start + slices + halo)
        with autocast(x.device, precision):
            found = repeated(network, x[:, :, first:last], passes).float()
        logits.append(found[:, :, start - first : start - first + slices])
    return torch.cat(logits, dim=2)


def _left(device: torch.device) -> int | None:
    """Bytes left on a device; None if nobody knows."""
    if device.type != "cuda":
        return memory_left()
    free, _ = torch.cuda.mem_get_info(device)
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + reserved)
