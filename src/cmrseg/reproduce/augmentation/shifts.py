"""One thing at a time changed in a patient's images, as a scanner or a technician would.

Strengths are those of held-out styles (:mod:`cmrseg.synthetic.styles`) where these have one. Labels
change in ``cut tightly`` alone, which leaves out part of the image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cmrseg.imaging.volume import Array, Volume
from cmrseg.reproduce.mnms2.shifts import PIXELS_MM, resolution
from cmrseg.synthetic import artefacts
from cmrseg.synthetic.restyle import BLOOD_PERCENTILE, restyle, uneven_light
from cmrseg.synthetic.styles import HELD_OUT_STYLES

Change = Callable[[Volume, Volume, np.random.Generator], tuple[Volume, Volume]]
"""Image and labels of a stack, (z, y, x), and the randomness -> what is shown, and its labels."""

NOISY = "low-field"
LIKE = "ge-1.5t"
"""Whose curve and unevenness are the strongest of those held out."""
STRENGTH = 0.5
"""Of artefacts, from 0 to 1 (:mod:`cmrseg.synthetic.artefacts`): halfway to unreadable."""
AROUND_MM = 15.0
"""What ``cut tightly`` leaves around the heart."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A change of images.

    Attributes:
        words: what is done, as the page tells it.
        change: does it.
    """

    words: str
    change: Change


def nothing(image: Volume, truth: Volume, rng: np.random.Generator) -> tuple[Volume, Volume]:
    """The patient as he is."""
    del rng
    return image, truth


def noise(image: Volume, truth: Volume, rng: np.random.Generator) -> tuple[Volume, Volume]:
    """White noise of the deviation that a low-field scanner's has; magnitudes."""
    deviation = np.float32(rng.uniform(*HELD_OUT_STYLES[NOISY].noise) * _blood(image))
    grain = rng.standard_normal(image.array.shape, dtype=np.float32)
    return image.like(np.abs(image.array + deviation * grain)), truth


def curve(image: Volume, truth: Volume, rng: np.random.Generator) -> tuple[Volume, Volume]:
    """Another contrast curve; blood stays as bright as it is."""
    gamma = np.float32(rng.uniform(*HELD_OUT_STYLES[LIKE].gamma))
    blood = np.float32(_blood(image))
    return image.like((np.abs(image.array) / blood) ** gamma * blood), truth


def coarse(image: Volume, truth: Volume, rng: np.random.Generator) -> tuple[Volume, Volume]:
    """Acquired with larger pixels (:func:`cmrseg.reproduce.mnms2.shifts.resolution`)."""
    return resolution(image, rng), truth


def cut(image: Volume, truth: Volume, rng: np.random.Generator) -> tuple[Volume, Volume]:
    """All but the heart and :data:`AROUND_MM` around it cut off: the grey scale has less air in it.

    A stack without a heart stays whole.
    """
    del rng
    heart = np.argwhere(truth.array.any(axis=0))
    if not len(heart):
        return image, truth
    around = [round(AROUND_MM / mm) for mm in image.spacing_mm[1:]]
    low = np.maximum(heart.min(axis=0) - around, 0)
    high = heart.max(axis=0) + 1 + around
    window = np.s_[:, low[0] : high[0], low[1] : high[1]]
    return _part(image, window, low), _part(truth, window, low)


def spoilt(image: Volume, truth: Volume, rng: np.random.Generator) -> tuple[Volume, Volume]:
    """Coils hear one side better, the patient moves, and faint copies lie along the rows."""
    strength = float(rng.uniform(*HELD_OUT_STYLES[LIKE].bias))
    uneven = uneven_light(image.array.shape[1:], strength, rng)
    slices = []
    for one in image.array:
        moved = artefacts.motion(one.astype(np.float32) * uneven, STRENGTH, rng)
        slices.append(artefacts.ghosting(moved, STRENGTH, rng))
    return image.like(np.abs(np.stack(slices))), truth


def low_field(image: Volume, truth: Volume, rng: np.random.Generator) -> tuple[Volume, Volume]:
    """Resolution, noise, contrast curve and unevenness of 0.55 T together."""
    return restyle(image, HELD_OUT_STYLES[NOISY], rng), truth


SHIFTS: dict[str, Shift] = {
    "as they are": Shift("nothing is changed", nothing),
    "noise": Shift(f"white noise of {NOISY}'s deviation; nothing else", noise),
    "contrast curve": Shift(f"the contrast curve of {LIKE}; nothing else", curve),
    "cut tightly": Shift(
        f"all that is further than {AROUND_MM:g} mm from a box around the heart cut off, which "
        "changes what the grey scale is taken from",
        cut,
    ),
    "resolution": Shift(
        f"pixels acquired at {PIXELS_MM[0]:g} to {PIXELS_MM[1]:g} mm; nothing else", coarse
    ),
    "artefacts": Shift(
        f"the coils' unevenness of {LIKE}, motion and ghosts (strength {STRENGTH:g} of 1 each)",
        spoilt,
    ),
    "low-field": Shift(
        "resolution, noise, contrast curve and grey scale of a 0.55 T scanner, all together",
        low_field,
    ),
}
"""Real patients' shifts, by name; the first is none."""


def _blood(image: Volume) -> float:
    return max(float(np.percentile(image.array, BLOOD_PERCENTILE)), 1e-6)


def _part(volume: Volume, window: tuple[slice, ...], low: Array) -> Volume:
    """A window of every slice, in its place in the patient."""
    array = np.ascontiguousarray(volume.array[window])
    x, y, z = volume.geometry.to_patient(np.array([[0], [low[0]], [low[1]]]))[:, 0].tolist()
    return Volume(array, replace(volume.geometry, shape=array.shape, origin_mm=(x, y, z)))
