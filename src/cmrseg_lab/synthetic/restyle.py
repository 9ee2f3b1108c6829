"""A real image as a scanner of another style would have shown it: the labels stay true."""

from __future__ import annotations

import numpy as np

from cmrseg.imaging.volume import Volume
from cmrseg_lab.synthetic.scanner import Scanner
from cmrseg_lab.synthetic.styles import Style
from cmrseg_lab.synthetic.texture import Floats

BLOOD_PERCENTILE = 98.0
"""In cine this share of the voxels is no brighter than blood, fat apart."""


def restyle(image: Volume, style: Style, rng: np.random.Generator) -> Volume:
    """Resolution, noise, contrast curve, unevenness and grey scale of ``style``.

    The geometry is kept, and so are the patient and the sequence: this is the part of a change of
    scanner that can be had without one.

    Args:
        image: (z, y, x) cine stack, grey values from zero.
        style: whose ranges the settings are drawn from.
        rng: the randomness.

    Returns:
        (z, y, x) int16 on the same grid.
    """
    blood = max(float(np.percentile(image.array, BLOOD_PERCENTILE)), 1e-6)
    scanner = Scanner.draw(rng, style, {})
    light = uneven_light(image.array.shape[1:], float(rng.uniform(*style.bias)), rng)
    slices = [
        scanner.image(rng, rng, signal.astype(np.float32) / np.float32(blood) * light)
        for signal in image.array
    ]
    return image.like(np.stack(slices))


def uneven_light(shape: tuple[int, ...], strength: float, rng: np.random.Generator) -> Floats:
    """How well a coil on one side of the body hears each pixel, 1 in the middle.

    Args:
        shape: (rows, columns).
        strength: fall of the logarithm over the field of view, as :attr:`Style.bias`.
        rng: from where the coil listens.
    """
    angle = rng.uniform(0, 2 * np.pi)
    y, x = (np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in shape)
    distance = np.float32(np.sin(angle)) * y[:, None] + np.float32(np.cos(angle)) * x[None, :]
    return np.asarray(np.exp(-np.float32(strength) * distance), np.float32)
