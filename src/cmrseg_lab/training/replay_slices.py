"""Drawing the labelled slices that travel with a bundle for refinement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cmrseg.imaging.volume import Array
from cmrseg.quality.mask_window import centre
from cmrseg.quality.replay import Rehearsal
from cmrseg.runtime.errors import InputError
from cmrseg_lab.training.cache import Sample


def draw_rehearsal(
    samples: Sequence[Sample], *, slices: int = 48, size: int = 128, seed: int = 0
) -> Rehearsal:
    """Slices with a heart in them, from as many volumes as there are, around the heart.

    Args:
        samples: the volumes to choose from: slices of them leave with the bundle.
        slices: how many.
        size: in-plane voxels of each; beyond an image its edge value goes on.
        seed: decides which.

    Raises:
        InputError: there are no volumes.
    """
    if not samples:
        raise InputError(
            "the cache holds none of the hearts that were to be rehearsed on",
            "Prepare synthetic ones into it, or choose others with --rehearse",
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(samples))
    images, labels = [], []
    for number in range(slices):
        sample = samples[order[number % len(samples)]]
        filled = np.flatnonzero(sample.label.any(axis=(1, 2)))
        z = int(rng.choice(filled)) if len(filled) else len(sample.label) // 2
        at = centre(sample.label)
        images.append(_around(sample.image[z], at, size))
        labels.append(_around(sample.label[z], at, size))
    return Rehearsal(np.stack(images).astype(np.float32), np.stack(labels))


def _around(plane: Array, at: tuple[int, int], size: int) -> Array:
    """A (size, size) window of a plane around (y, x), its edge values going on beyond it."""
    rows, columns = (
        np.clip(np.arange(size) + middle - size // 2, 0, n - 1)
        for middle, n in zip(at, plane.shape, strict=True)
    )
    return plane[np.ix_(rows, columns)]
