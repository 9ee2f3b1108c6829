"""Images spoiled until segmenters fail on them: errors that nobody designed, labels at hand."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array
from cmrseg_lab.synthetic.artefacts import IMAGE


def spoil(image: Array, rng: np.random.Generator) -> Array:
    """A copy with an artefact, blur, noise and another contrast, of strengths drawn at random.

    Args:
        image: (z, y, x) float32, robust z-score.
        rng: decides everything; slices have their artefacts in common, but not their noise.
    """
    strength = float(rng.uniform(0.3, 1.0))
    name = sorted(IMAGE)[int(rng.integers(len(IMAGE)))]
    spoiled = np.stack([IMAGE[name](s, strength, rng) for s in image.astype(np.float32)])
    if rng.random() < 0.5:
        sigma = rng.uniform(0, 3) * strength
        spoiled = ndimage.gaussian_filter(spoiled, (0, sigma, sigma))
    low, high = float(spoiled.min()), float(spoiled.max())
    share = (spoiled - low) / max(high - low, 1e-6)
    if rng.random() < 0.2 * strength:
        share = 1 - share  # blood dark, as no cine has it
    spoiled = low + (high - low) * share ** np.exp(strength * rng.uniform(-1, 1))
    noisy = spoiled + strength * rng.uniform(0, 1.5) * rng.standard_normal(spoiled.shape)
    return np.asarray(noisy, np.float32)
