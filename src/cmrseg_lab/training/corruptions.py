"""Wrong masks made of right ones, as segmenters go wrong: what a denoising autoencoder learns from.

Each error is a function (stack, rng) that changes a (z, y, x) uint8 label stack in place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array

Rng = np.random.Generator
Error = Callable[[Array, Rng], None]

AGAIN = 0.55
"""Chance that another error follows the last."""
GAP, FAR = 12, 40
"""Voxels between the heart and a stray piece: no less, no more."""


def corrupt(stack: Array, rng: Rng) -> Array:
    """A copy with one or more errors, of kinds and sizes drawn at random.

    Args:
        stack: (z, y, x) uint8 labels; an empty one comes back with false structures or as it was.
        rng: decides everything.
    """
    wrong = stack.copy()
    names = list(ERRORS)
    while True:
        ERRORS[names[int(rng.integers(len(names)))]](wrong, rng)
        if rng.random() > AGAIN:
            return wrong


def blunder(stack: Array, rng: Rng) -> Array:
    """A copy with a gross error, of either kind; as it was where there is no place for one.

    Args:
        stack: (z, y, x) uint8 labels.
        rng: decides everything.
    """
    wrong = stack.copy()
    BLUNDERS[sorted(BLUNDERS)[int(rng.integers(len(BLUNDERS)))]](wrong, rng)
    return wrong


def hole(stack: Array, rng: Rng) -> None:
    """A disc of a structure is missing."""
    label = _present(stack, rng)
    for z, disc in _discs(stack, label, rng, (2.0, 10.0)):
        stack[z][disc & (stack[z] == label)] = 0


def cut(stack: Array, rng: Rng) -> None:
    """All of a structure beyond a line is missing, or taken for another."""
    label, other = _present(stack, rng), _other(rng)
    slices = _some_slices(stack, label, rng)
    beyond = _half_plane(stack, label, slices, rng)
    for z in slices:
        stack[z][beyond & (stack[z] == label)] = other


def leak(stack: Array, rng: Rng) -> None:
    """A structure spills over its border, onto background or onto everything."""
    label = _present(stack, rng)
    over_all = rng.random() < 0.3
    for z, disc in _discs(stack, label, rng, (4.0, 16.0)):
        stack[z][disc & (over_all | (stack[z] == 0))] = label


def swap(stack: Array, rng: Rng) -> None:
    """A structure is taken for another in some slices."""
    label = _present(stack, rng)
    others = [c for c in (1, 2, 3) if c != label]
    other = others[int(rng.integers(2))]
    both_ways = rng.random() < 0.3
    for z in _some_slices(stack, label, rng):
        here, there = stack[z] == label, stack[z] == other
        stack[z][here] = other
        if both_ways:
            stack[z][there] = label


def drop(stack: Array, rng: Rng) -> None:
    """A structure, or the whole heart, is missing from some slices."""
    label = _present(stack, rng)
    everything = rng.random() < 0.3
    for z in _some_slices(stack, label, rng):
        stack[z][(stack[z] > 0) if everything else (stack[z] == label)] = 0


def island(stack: Array, rng: Rng) -> None:
    """A false piece away from the heart's centre."""
    label = int(rng.integers(1, 4))
    height, width = stack.shape[1:]
    y, x = _anywhere_near(stack, rng)
    radii = rng.uniform(2, 14, size=2)
    rows, columns = np.ogrid[:height, :width]
    piece = ((rows - y) / radii[0]) ** 2 + ((columns - x) / radii[1]) ** 2 <= 1
    first = int(rng.integers(len(stack)))
    for z in range(first, min(len(stack), first + int(rng.integers(1, 4)))):
        stack[z][piece & (stack[z] == 0)] = label


def spill(stack: Array, rng: Rng) -> None:
    """The heart goes on where it has ended: a slice beyond it repeats the last one."""
    filled = np.flatnonzero(stack.any(axis=(1, 2)))
    if not len(filled):
        return
    source, step = (int(filled[0]), -1) if rng.random() < 0.5 else (int(filled[-1]), 1)
    target = source + step
    if not 0 <= target < len(stack):
        target = source  # no slice beyond: the last one repeats the one before
        source = target - step
        if not 0 <= source < len(stack):
            return
    kept = stack[source] if rng.random() < 0.5 else np.where(stack[source] == 3, 3, 0)
    stack[target] = np.where(kept > 0, kept, stack[target])


def wobble(stack: Array, rng: Rng) -> None:
    """Borders waver: positions are displaced by smooth noise."""
    amplitude, smooth = rng.uniform(1.5, 6.0), rng.uniform(3.0, 10.0)
    height, width = stack.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    for z in _some_slices(stack, 0, rng):
        shifts = ndimage.gaussian_filter(
            rng.standard_normal((2, height, width)), (0, smooth, smooth)
        )
        shifts *= amplitude / (shifts.std() + 1e-9)
        stack[z] = ndimage.map_coordinates(
            stack[z], [rows + shifts[0], columns + shifts[1]], order=0, mode="constant"
        )


def resize(stack: Array, rng: Rng) -> None:
    """A structure is too thick or too thin by some voxels."""
    label, steps = _present(stack, rng), int(rng.integers(1, 6))
    grow = rng.random() < 0.5
    for z in _some_slices(stack, label, rng):
        here = stack[z] == label
        if grow:
            stack[z][ndimage.binary_dilation(here, iterations=steps) & (stack[z] == 0)] = label
        else:
            stack[z][here & ~ndimage.binary_erosion(here, iterations=steps)] = 0


def shift(stack: Array, rng: Rng) -> None:
    """Some slices, or a structure in them, lie beside where they should.

    A whole heart that lies elsewhere is no wrong mask to an eye that sees the mask alone.
    """
    label = _present(stack, rng)
    move = tuple(int(m) for m in rng.integers(-12, 13, size=2))
    slices = _some_slices(stack, label, rng)
    everything = rng.random() < 0.5 and len(slices) < stack.any(axis=(1, 2)).sum()
    for z in slices:
        part = stack[z].copy() if everything else np.where(stack[z] == label, label, 0)
        moved = ndimage.shift(part, move, order=0)
        stack[z][part > 0] = 0
        stack[z] = np.where(moved > 0, moved, stack[z])


def empty(stack: Array, rng: Rng) -> None:
    """A slice inside the heart holds nothing, as where a segmenter missed it."""
    filled = np.flatnonzero(stack.any(axis=(1, 2)))
    if len(filled) > 2:
        stack[int(rng.integers(filled[0] + 1, filled[-1]))] = 0


def stray(stack: Array, rng: Rng) -> None:
    """A false piece far from the heart, in a slice of the heart and perhaps in the next ones."""
    filled = np.flatnonzero(stack.any(axis=(1, 2)))
    if not len(filled):
        return
    label, radius = int(rng.integers(1, 4)), float(rng.uniform(3, 12))
    away = ndimage.distance_transform_edt(~stack.any(axis=0)) - radius
    places = np.argwhere((away >= GAP) & (away <= FAR))
    if not len(places):
        return
    y, x = places[int(rng.integers(len(places)))]
    rows, columns = np.ogrid[: stack.shape[1], : stack.shape[2]]
    piece = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    first = int(filled[int(rng.integers(len(filled)))])
    stack[first : first + int(rng.integers(1, 4)), piece] = label


ERRORS: dict[str, Error] = {
    "hole": hole,
    "cut": cut,
    "leak": leak,
    "swap": swap,
    "drop": drop,
    "island": island,
    "spill": spill,
    "wobble": wobble,
    "resize": resize,
    "shift": shift,
}
"""All kinds of errors that :func:`corrupt` draws from, by name."""
BLUNDERS: dict[str, Error] = {"empty slice": empty, "stray piece": stray}
"""Gross errors that no eye would miss: a local look at the mask alone does."""


def _present(stack: Array, rng: Rng) -> int:
    """A structure of the stack, the right ventricle more often; any if it is empty."""
    labels = [c for c in (1, 2, 3, 3) if (stack == c).any()] or [1, 2, 3]
    return labels[int(rng.integers(len(labels)))]


def _other(rng: Rng) -> int:
    """What a wrong voxel is taken for: background, mostly."""
    return 0 if rng.random() < 0.7 else int(rng.integers(1, 4))


def _some_slices(stack: Array, label: int, rng: Rng) -> Array:
    """One slice with the structure, a run of them, or all; label 0 stands for any structure."""
    held = (stack == label) if label else (stack > 0)
    filled = np.flatnonzero(held.any(axis=(1, 2)))
    if not len(filled):
        return filled
    count = (1, int(rng.integers(1, len(filled) + 1)), len(filled))[int(rng.integers(3))]
    first = int(rng.integers(len(filled) - count + 1))
    chosen: Array = filled[first : first + count]
    return chosen


def _discs(
    stack: Array, label: int, rng: Rng, radii: tuple[float, float]
) -> list[tuple[int, Array]]:
    """(slice, disc) pairs: one disc around a voxel of the structure, in a few slices."""
    voxels = np.argwhere(stack == label)
    if not len(voxels):
        return []
    z, y, x = (int(v) for v in voxels[int(rng.integers(len(voxels)))])
    rows, columns = np.ogrid[: stack.shape[1], : stack.shape[2]]
    disc = (rows - y) ** 2 + (columns - x) ** 2 <= rng.uniform(*radii) ** 2
    reach = int(rng.integers(3))
    return [(k, disc) for k in range(max(0, z - reach), min(len(stack), z + reach + 1))]


def _half_plane(stack: Array, label: int, slices: Array, rng: Rng) -> Array:
    """(y, x): everything beyond a line at a random angle through a voxel of the structure."""
    height, width = stack.shape[1:]
    if not len(slices):
        return np.zeros((height, width), bool)
    voxels = np.argwhere(stack[slices[len(slices) // 2]] == label)
    y, x = voxels[int(rng.integers(len(voxels)))] if len(voxels) else (height // 2, width // 2)
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.ogrid[:height, :width]
    beyond: Array = (rows - y) * np.sin(angle) + (columns - x) * np.cos(angle) > 0
    return beyond


def _anywhere_near(stack: Array, rng: Rng) -> tuple[float, float]:
    """A position within 60 voxels of the labels' middle, inside the image."""
    voxels = np.argwhere(stack.any(axis=0))
    middle = voxels.mean(axis=0) if len(voxels) else np.array(stack.shape[1:]) / 2
    y, x = np.clip(middle + rng.uniform(-60, 60, size=2), 0, np.array(stack.shape[1:]) - 1)
    return float(y), float(x)
