"""Real patients with one thing changed: pixels alone, or contrast alone. The labels stay true.

Held-out styles (:mod:`cmrseg.synthetic.styles`) change all at once that a scanner decides; when
they harm, nobody knows what did. Each of these changes one thing of an image, as a scanner would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from cmrseg.imaging.volume import Array, Volume
from cmrseg.synthetic.restyle import BLOOD_PERCENTILE, restyle, uneven_light
from cmrseg.synthetic.scanner import acquire
from cmrseg.synthetic.styles import HELD_OUT_STYLES, choose_style

Shift = Callable[[Volume, np.random.Generator], Volume]
PIXELS_MM = (2.2, 2.8)
"""Acquired pixels of ``resolution``: as coarse as cine is anywhere, and coarser than ACDC's."""
LIKE = "ge-1.5t"
"""Whose contrast curve and unevenness ``contrast`` has: the strongest of those held out."""


def resolution(image: Volume, rng: np.random.Generator) -> Volume:
    """Acquired with square pixels of :data:`PIXELS_MM`, filled up to the matrix it has.

    K-space is cut where such pixels end; nothing is added, the grey scale stays.

    Args:
        image: (z, y, x) slices.
        rng: the pixels' size.
    """
    pixel_mm = float(rng.uniform(*PIXELS_MM))
    rows, columns = (min(1.0, own / pixel_mm) for own in image.spacing_mm[1:])
    seen = [acquire(rng, one.astype(np.float32), (rows, columns), noise=0.0) for one in image.array]
    return _grey(image, np.abs(np.stack(seen)))


def contrast(image: Volume, rng: np.random.Generator) -> Volume:
    """Another contrast curve, and coils that hear one side better; blood stays as bright in all.

    Args:
        image: (z, y, x) slices, grey values from zero.
        rng: curve, unevenness and where the coils listen.
    """
    style = HELD_OUT_STYLES[LIKE]
    blood = max(float(np.percentile(image.array, BLOOD_PERCENTILE)), 1e-6)
    gamma = float(rng.uniform(*style.gamma))
    light = uneven_light(image.array.shape[1:], float(rng.uniform(*style.bias)), rng)
    signal = np.abs(image.array.astype(np.float32)) / np.float32(blood) * light
    return _grey(image, signal ** np.float32(gamma) * np.float32(blood))


ONE_THING: dict[str, Shift] = {"resolution": resolution, "contrast": contrast}
"""Shifts of one thing, by name; beside them stand the names of styles."""


def shifted_patients(names: Iterable[str]) -> str:
    """What was done to real patients in shifts of these names; nothing for none."""
    names = tuple(names)
    styles = [name for name in names if name not in ONE_THING]
    told = {
        "resolution": f"with pixels acquired at {PIXELS_MM[0]:g} to {PIXELS_MM[1]:g} mm and "
        "nothing else changed (resolution)",
        "contrast": f"with the contrast curve and unevenness of {LIKE} and nothing else changed "
        "(contrast)",
    }
    parts = [words for name, words in told.items() if name in names]
    if styles:
        scanners = "as scanners of held-out styles would show them: resolution, noise, contrast "
        parts = [f"{scanners}curve, unevenness, grey scale ({', '.join(styles)})", *parts]
    return f"patients {'; '.join(parts)}" if parts else ""


def shift(name: str) -> Shift:
    """A shift of real images by name: one of :data:`ONE_THING`, or a style.

    Raises:
        UsageError: no such style.
    """
    if name in ONE_THING:
        return ONE_THING[name]
    choose_style(np.random.default_rng(0), "mnms2", name)
    return lambda image, rng: restyle(image, choose_style(rng, "mnms2", name)[1], rng)


def _grey(image: Volume, values: Array) -> Volume:
    """Whole grey values, as images are stored."""
    return image.like(np.minimum(np.rint(values), np.iinfo(np.int16).max).astype(np.int16))
