"""What goes wrong in a scanner, each with a strength from 0 (nothing) to 1 (hardly readable)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from scipy import fft

from cmrseg.synthetic.contrast import Contrast
from cmrseg.synthetic.texture import Floats

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


def wrap(signal: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """A field of view too small: one edge of the body folded onto the other."""
    rows = signal.shape[0]
    over = max(int(0.3 * strength * rows), 1)
    folded = signal.copy()
    if rng.random() < 0.5:
        folded[:over] += signal[rows // 2 : rows // 2 + over]
    else:
        folded[-over:] += signal[rows // 2 - over : rows // 2]
    return folded


IMAGE: Mapping[str, Artefact] = {
    "ghosting": ghosting,
    "banding": banding,
    "motion": motion,
    "wrap": wrap,
}
"""Artefacts of the image."""


def noise_factor(strengths: Mapping[str, float]) -> float:
    """How much more noise there is."""
    return 1.0 + 5.0 * strengths.get("noise", 0.0)


def wrong_inversion(contrast: Contrast, strength: float) -> Contrast:
    """Late enhancement read too late: healthy muscle is not nulled, and the infarct pales."""
    grey = contrast.myocardium + strength * 0.75 * (contrast.blood - contrast.myocardium)
    pale = contrast.infarct - strength * 0.25 * (contrast.infarct - contrast.myocardium)
    return replace(contrast, myocardium=grey, infarct=pale)
