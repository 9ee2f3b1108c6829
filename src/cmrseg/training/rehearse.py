"""Drawing the labelled slices that travel with a bundle for refinement."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cmrseg.errors import InputError
from cmrseg.quality.rehearsal import Rehearsal
from cmrseg.quality.window import centre
from cmrseg.training import cache
from cmrseg.training.augment import crop
from cmrseg.training.sources import is_synthetic


def draw_rehearsal(
    cache_dir: Path,
    recipe: str,
    *,
    slices: int = 48,
    size: int = 128,
    seed: int = 0,
    synthetic_only: bool = True,
) -> Rehearsal:
    """Slices with a heart in them, from as many volumes as there are, around the heart.

    Args:
        cache_dir: made by ``cmrseg preprocess``.
        recipe: whose cache it is.
        slices: how many.
        size: in-plane voxels of each; beyond an image its edge value goes on.
        seed: decides which.
        synthetic_only: take drawn hearts alone, so that no patient's image leaves with the bundle.

    Raises:
        InputError: no cache of the recipe, or no suitable volume in it.
    """
    entries = cache.read_index(cache_dir, recipe)
    if synthetic_only:
        entries = [entry for entry in entries if is_synthetic(entry.source)]
    if not entries:
        raise InputError(
            "the cache holds no synthetic hearts to rehearse on",
            "preprocess some into it: `cmrseg synthesize`, then `cmrseg preprocess`",
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
