"""What goes wrong in a scanner, each with a strength from 0 (nothing) to 1 (hardly readable)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from scipy import fft

from cmrseg.imaging.volume import Array
from cmrseg_lab.synthetic.contrast import Contrast
from cmrseg_lab.synthetic.texture import Floats

FIELD_MARGIN = 3
"""Rows beside the heart that even the smallest field of view holds."""

Artefact = Callable[[Floats, float, np.random.Generator], Floats]


def ghosting(signal: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Faint copies along the phase-encoding direction (pulsation, breathing)."""
    rows = signal.shape[0]
    step = rows // int(rng.integers(3, 7))
    phase = np.float32(rng.uniform(-0.5, 0.5))
    copies = sum(np.roll(signal, k * step, 0) * (0.6 ** (abs(k) - 1)) for k in (-2, -1, 1, 2))
    return np.asarray(signal + np.float32(0.3 * strength) * (1 + phase) * copies, np.float32)


def banding(signal: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Dark stripes where balanced SSFP is off resonance."""
    rows, columns = signal.shape
    angle, period = rng.uniform(0, np.pi), rng.uniform(0.35, 0.7) * rows
    y = np.arange(rows, dtype=np.float32)[:, None] * np.float32(np.sin(angle) / period)
    x = np.arange(columns, dtype=np.float32)[None, :] * np.float32(np.cos(angle) / period)
    bend = np.float32(0.2) * np.sin(
        np.float32(3 * np.pi / rows) * np.arange(rows, dtype=np.float32)
    )
    wave = np.abs(np.sin(np.float32(np.pi) * (y + x + bend[:, None] + np.float32(rng.random()))))
    dark = np.maximum(1 - wave * np.float32(4.0), 0)
    return np.asarray(signal * (1 - np.float32(0.9 * strength) * dark), np.float32)


def motion(signal: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """The patient moved between lines of k-space: blur and smears."""
    k = fft.fft2(signal)
    lines = np.arange(signal.shape[0])
    breath = np.sin(2 * np.pi * lines / rng.uniform(25, 70) + rng.uniform(0, 6))
    shift = 2.6 * strength * (breath + 0.3 * rng.standard_normal(len(lines)))
    frequency = np.fft.fftfreq(len(lines))
    ramp = np.exp(-2j * np.pi * frequency * shift).astype(np.complex64)
    return np.asarray(fft.ifft2(k * ramp[:, None]).real, np.float32)


def field_of_view(shown: Array, strength: float) -> slice:
    """The rows that are acquired: all of them at strength 0, hardly more than the heart at 1.

    Args:
        shown: (slices, rows, columns) nonzero where the heart is.
        strength: how far the field of view is too small.
    """
    rows, count = np.flatnonzero(shown.any((0, 2))), shown.shape[1]
    if not len(rows):
        return slice(0, count)
    low, high = max(int(rows[0]) - FIELD_MARGIN, 0), min(int(rows[-1]) + 1 + FIELD_MARGIN, count)
    return slice(round(strength * low), count - round(strength * (count - high)))


def wrapped(signal: Floats, field: slice) -> Floats:
    """What a field of view smaller than the body shows: what lies outside folds onto the far edge.

    Along the phase-encoding direction a row cannot be told from those whole fields of view away,
    and their signals add up.

    Args:
        signal: (rows, columns) of everything.
        field: the rows that are acquired.

    Returns:
        (rows of the field, columns).
    """
    rows = field.stop - field.start
    folded = np.zeros((rows, signal.shape[1]), np.float32)
    for start in range(field.start % rows - rows, len(signal), rows):
        part = signal[max(start, 0) : start + rows]
        first = max(-start, 0)
        folded[first : first + len(part)] += part
    return folded


IMAGE: Mapping[str, Artefact] = {
    "ghosting": ghosting,
    "banding": banding,
    "motion": motion,
}
"""Artefacts of the image, but for wrap, which changes what is imaged."""


def noise_factor(strengths: Mapping[str, float]) -> float:
    """How much more noise there is."""
    return 1.0 + 5.0 * strengths.get("noise", 0.0)


def wrong_inversion(contrast: Contrast, strength: float) -> Contrast:
    """Late enhancement read too late: healthy muscle is not nulled, and the infarct pales."""
    grey = contrast.myocardium + strength * 0.75 * (contrast.blood - contrast.myocardium)
    pale = contrast.infarct - strength * 0.25 * (contrast.infarct - contrast.myocardium)
    return replace(contrast, myocardium=grey, infarct=pale)
