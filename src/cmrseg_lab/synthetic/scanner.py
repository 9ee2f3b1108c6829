"""From signed signal to a grey image: artefacts, finite k-space, noise, contrast curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import fft

from cmrseg.imaging.volume import Array
from cmrseg_lab.synthetic import artefacts
from cmrseg_lab.synthetic.styles import Style
from cmrseg_lab.synthetic.texture import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """The settings of one examination.

    Attributes:
        resolution: acquired share of k-space along rows and columns.
        noise: deviation of the noise, in units of blood.
        gamma: contrast curve, 1 = linear.
        scale: grey value of unit signal.
        zero: grey value of no signal in phase-sensitive images; 0 takes the magnitude.
        slice_scale: how much the grey scale jumps from slice to slice (deviation).
        fat_shift_px: displacement of fat along the rows and columns.
        artefacts: name -> strength, of :data:`cmrseg_lab.synthetic.artefacts.IMAGE`.
    """

    resolution: tuple[float, float]
    noise: float
    gamma: float
    scale: float
    zero: float
    slice_scale: float
    fat_shift_px: tuple[int, int]
    artefacts: Mapping[str, float]

    @classmethod
    def draw(
        cls, rng: np.random.Generator, style: Style, strengths: Mapping[str, float]
    ) -> Scanner:
        """Settings drawn from a style's ranges."""
        rows, columns = style.resolution
        shift = round(float(rng.uniform(*style.fat_shift_px))) * int(rng.choice([-1, 1]))
        along_rows = bool(rng.random() < 0.5)
        return cls(
            resolution=(float(rng.uniform(*rows)), float(rng.uniform(*columns))),
            noise=float(rng.uniform(*style.noise)) * artefacts.noise_factor(strengths),
            gamma=float(rng.uniform(*style.gamma)),
            scale=float(rng.uniform(*style.scale)),
            zero=style.zero,
            slice_scale=style.slice_scale,
            fat_shift_px=(shift, 0) if along_rows else (0, shift),
            artefacts=strengths,
        )

    def image(
        self, rng: np.random.Generator, artefact_rng: np.random.Generator, signal: Floats
    ) -> Array:
        """The grey image of a slice.

        Args:
            rng: noise.
            artefact_rng: artefacts' own randomness, so that strength 0 changes nothing.
            signal: (rows, columns), signed.

        Returns:
            (rows, columns) int16.
        """
        if any(self.fat_shift_px):
            signal = shift_fat(signal, self.fat_shift_px)
        for name, strength in self.artefacts.items():
            if strength > 0 and name in artefacts.IMAGE:
                signal = artefacts.IMAGE[name](signal, strength, artefact_rng)
        seen = acquire(rng, signal, self.resolution, self.noise)
        jump = float(np.exp(rng.normal(0, self.slice_scale)))
        size = np.abs(seen) ** np.float32(self.gamma) * np.float32(self.scale * jump)
        if self.zero:
            size = np.clip(np.copysign(size, seen) + np.float32(self.zero), 1, 4095)
        return np.asarray(np.minimum(size, 32000).astype(np.int16))


FAT_FROM = 0.78
"""In late enhancement what is brighter than this is fat."""


def shift_fat(signal: Floats, shift_px: tuple[int, int]) -> Floats:
    """Chemical shift: fat seen beside its place, leaving a dark rim on one side."""
    fat = np.maximum(signal - np.float32(FAT_FROM), 0) * np.float32(1.6)
    return np.asarray(signal - fat + np.roll(fat, shift_px, (0, 1)))


def window(count: int, share: float) -> Floats:
    """Filter over ``count`` frequencies in FFT order: flat, then a soft edge at ``share``."""
    f = np.abs(np.fft.fftfreq(count)) * 2 / share
    edge = np.clip((1.06 - f) / 0.14, 0, 1)
    return np.asarray(edge * (1 - 0.35 * np.minimum(f, 1) ** 2), np.float32)


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
    grain = rng.standard_normal(signal.shape, dtype=np.float32)
    grain *= np.float32(noise / max(resolution[0] * resolution[1], 0.1) ** 0.5)
    grain += signal
    k = fft.rfft2(grain, overwrite_x=True)
    k *= rows[:, None]
    k *= columns[None, : signal.shape[1] // 2 + 1]
    return np.asarray(fft.irfft2(k, s=signal.shape, overwrite_x=True), np.float32)
