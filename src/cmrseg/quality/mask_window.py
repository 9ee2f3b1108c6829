"""The fixed field of view in which the autoencoder sees masks, the same in training and in use.

Its place follows from the mask alone, so a wrong mask moves it as it will in use: it is centred on
the middle between the 5th and the 95th percentile of the labelled voxels' positions, over all
slices together. Stray pieces hardly move it; an empty mask leaves it in the middle of the image.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cmrseg.imaging.volume import Array

SHARE = 0.05


def centre(mask: Array) -> tuple[int, int]:
    """Where the window of a (z, y, x) mask is centred, in voxels (y, x)."""
    found = []
    for axis in (1, 2):
        counts = np.count_nonzero(mask, axis=tuple(a for a in range(3) if a != axis))
        if not counts.any():
            found.append(mask.shape[axis] // 2)
            continue
        few = SHARE * counts.sum()
        low = np.searchsorted(counts.cumsum(), few)
        above = np.searchsorted(counts[::-1].cumsum(), few)
        found.append(int(low + len(counts) - above) // 2)
    return found[0], found[1]


def cut_window(mask: Array, at: tuple[int, int], size: int) -> Array:
    """The (z, size, size) window centred at ``at``; background beyond the image."""
    window = np.zeros((*mask.shape[:-2], size, size), mask.dtype)
    there, here = _overlap(mask.shape[-2:], at, size)
    window[..., *there] = mask[..., *here]
    return window


def paste(window: Array, at: tuple[int, int], onto: Array) -> Array:
    """The inverse of :func:`cut_window`: ``onto`` (..., y, x) with the window over it, in place."""
    there, here = _overlap(onto.shape[-2:], at, window.shape[-1])
    onto[..., *here] = window[..., *there]
    return onto


def one_hot(window: Array, classes: int, slices: int) -> Tensor:
    """What the autoencoder is given: every slice with its neighbours.

    Beyond the first and last slice every channel is zero, background's too: no slice is something
    else than an empty one.

    Args:
        window: (z, y, x) labels.
        classes: background included.
        slices: seen at once, odd.

    Returns:
        (z, slices * classes, y, x) float32, the slices one after the other.
    """
    labels = torch.from_numpy(np.ascontiguousarray(window)).long()
    stack = F.one_hot(labels, classes).movedim(-1, 1).float()
    reach = slices // 2
    padded = F.pad(stack, (0, 0, 0, 0, 0, 0, reach, reach))
    return torch.cat([padded[k : k + len(stack)] for k in range(slices)], dim=1)


def _overlap(
    shape: tuple[int, ...], at: tuple[int, int], size: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where window and image overlap: (y, x) slices of the window, and of the image."""
    there, here = [], []
    for total, middle in zip(shape, at, strict=True):
        start = middle - size // 2
        low, high = max(0, start), max(0, min(total, start + size))
        there.append(slice(low - start, max(low, high) - start))
        here.append(slice(low, max(low, high)))
    return (there[0], there[1]), (here[0], here[1])
