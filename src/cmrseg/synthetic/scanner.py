"""From signed signal to a grey image: coils, finite k-space, noise, magnitude, contrast curve."""

from __future__ import annotations

import numpy as np
from scipy import fft

from cmrseg.synthetic.texture import Floats


def window(count: int, share: float) -> Floats:
    """Filter over ``count`` frequencies in FFT order: flat, then a soft edge at ``share``."""
    f = np.abs(np.fft.fftfreq(count)) * 2 / share
    return np.asarray(
        np.clip((1.06 - f) / 0.14, 0, 1) * (1 - 0.35 * np.minimum(f, 1) ** 2), np.float32
    )


def acquire(
    rng: np.random.Generator, signal: Floats, resolution: tuple[float, float], noise: float
) -> Floats:
    """What k-space of finite size and noise leave of a slice.

    Args:
        rng: the noise.
        signal: (rows, columns), signed.
        resolution: acquired share of k-space along rows and columns.
        noise: deviation of the noise in the image.

    Returns:
        (rows, columns), signed (phase-sensitive).
    """
    rows, columns = (window(n, s) for n, s in zip(signal.shape, resolution, strict=True))
    noisy = signal + rng.standard_normal(signal.shape, dtype=np.float32) * np.float32(
        noise / max(resolution[0] * resolution[1], 0.1) ** 0.5
    )
    k = fft.rfft2(noisy) * rows[:, None] * columns[None, : signal.shape[1] // 2 + 1]
    return np.asarray(fft.irfft2(k, s=signal.shape), np.float32)
