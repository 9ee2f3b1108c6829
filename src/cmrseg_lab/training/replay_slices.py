"""Drawing the labelled slices that travel with a bundle for refinement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmrseg.quality.mask_window import centre
from cmrseg.quality.replay import Rehearsal
from cmrseg.runtime.errors import InputError
from cmrseg_lab.training import cache
from cmrseg_lab.training.augment import crop


def draw_rehearsal(
    cache_dir: Path,
    entries: Sequence[cache.Entry],
    *,
    slices: int = 48,
    size: int = 128,
    seed: int = 0,
) -> Rehearsal:
    """Slices with a heart in them, from as many volumes as there are, around the heart.

    Args:
        cache_dir: made by ``cmrseg-lab preprocess``.
        entries: the volumes to choose from: slices of them leave with the bundle.
        slices: how many.
        size: in-plane voxels of each; beyond an image its edge value goes on.
        seed: decides which.

    Raises:
        InputError: there are no volumes.
    """
    if not entries:
        raise InputError(
            "the cache holds none of the hearts that were to be rehearsed on",
            "preprocess synthetic ones into it, or choose others with --rehearse",
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(entries))
    images, labels = [], []
    for number in range(slices):
        sample = cache.load(cache_dir, entries[order[number % len(entries)]])
        filled = np.flatnonzero(sample.label.any(axis=(1, 2)))
        z = int(rng.choice(filled)) if len(filled) else len(sample.label) // 2
        at = (z, *centre(sample.label))
        images.append(crop(sample.image, at, (1, size, size))[0])
        labels.append(crop(sample.label, at, (1, size, size))[0])
    return Rehearsal(np.stack(images).astype(np.float32), np.stack(labels))
