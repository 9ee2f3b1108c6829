"""Real texture, known labels: an infarct put onto the myocardium of a real, labelled image.

Late enhancement keeps the image's own grey values: the infarct is as bright as the image's blood
and no-reflow as dark as its healthy muscle. Cine is first recoloured to look like late
enhancement, since its muscle is not nulled.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array, Volume
from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.infarct import Infarct, draw_infarct, no_reflow_inside
from cmrseg_lab.synthetic.texture import SIZE, Floats, Texture

CAVITY, MUSCLE, RV = 1, 2, 3
INFARCT, NO_REFLOW = 3, 4


def implant_infarct(
    image: Volume,
    label: Volume,
    *,
    seed: int,
    share: float,
    core_share: float = 0.0,
    source: Literal["late", "cine"] = "late",
) -> tuple[Volume, Volume]:
    """The image with an infarct in its myocardium, and EMIDEC labels.

    Args:
        image: (z, y, x) short-axis stack.
        label: 1 cavity, 2 healthy myocardium; in ``cine`` also 3 RV, which tells where the septum
            is. Infarcts that are already there (late: 3, 4) stay and are added to.
        seed: of the infarct.
        share: infarct over myocardium.
        core_share: no-reflow over infarct.
        source: what the image is.

    Returns:
        Image (float32) and labels (uint8: 1 cavity, 2 myocardium, 3 infarct, 4 no-reflow).

    Raises:
        InputError: the labels show no cavity with muscle around it.
    """
    rng = np.random.default_rng(seed)
    infarct = draw_infarct(rng, share, core_share)
    wall = label.array == MUSCLE
    if not wall.any() or not (label.array == CAVITY).any():
        raise InputError(
            "the labels show no cavity with muscle around it",
            "give short-axis labels with 1 cavity and 2 myocardium",
        )
    grey = image.array.astype(np.float32)
    emidec = label.array.astype(np.uint8)
    if source == "cine":
        grey = as_late(grey, label.array)
        emidec = np.where(label.array == RV, 0, emidec).astype(np.uint8)
    dead, core = _place(rng, infarct, label, wall, septum_known=source == "cine")
    blood, muscle = (float(np.median(grey[label.array == c])) for c in (CAVITY, MUSCLE))
    bright = muscle + (blood - muscle) * float(rng.uniform(0.85, 1.4))
    dark = muscle + (blood - muscle) * float(rng.uniform(0.1, 0.5))
    grey = _coloured(grey, muscle, ((dead & ~core, bright), (core, dark)))
    emidec[dead] = INFARCT
    emidec[core] = NO_REFLOW
    return image.like(grey), label.like(emidec)


def as_late(grey: Floats, label: Array) -> Floats:
    """Cine recoloured: muscle nulled, blood dimmed, all else as it was.

    Args:
        grey: (z, y, x) cine.
        label: M&Ms-2 codes.
    """
    blood, muscle = (float(np.median(grey[label == c])) for c in (CAVITY, MUSCLE))
    # one curve for the whole image, so that edges stay edges
    curve = np.interp(
        grey, [0.0, muscle, blood, 2 * blood], [0.0, 0.2 * muscle, 0.6 * blood, 1.6 * blood]
    )
    return np.asarray(curve, np.float32)


def _place(
    rng: np.random.Generator, infarct: Infarct, label: Volume, wall: Array, septum_known: bool
) -> tuple[Array, Array]:
    """Which voxels of the wall are dead, and which of these are no-reflow."""
    septum = _septum_angle(label) if septum_known else float(rng.uniform(-np.pi, np.pi))
    shown = np.flatnonzero(wall.any((1, 2)))
    sizes = [(label.array[z] > 0).sum() for z in (shown[0], shown[-1])]
    heights = np.linspace(0.05, 0.95, len(shown), dtype=np.float32)
    if sizes[0] < sizes[1]:
        heights = heights[::-1]
    dead, core = np.zeros_like(wall), np.zeros_like(wall)
    offset = int(rng.integers(SIZE**3))
    for z, height in zip(shown, heights, strict=True):
        if not (label.array[z] == CAVITY).any():
            continue
        angle, depth = _polar(label, int(z), wall[z])
        cosine, sine = np.cos(angle - septum), np.sin(angle - septum)
        window = infarct.window(cosine, sine, np.full_like(angle, height))
        reach = infarct.reach(window, _grain(label, int(z), offset))
        dead[z] = wall[z] & (depth < reach)
        if infarct.core > 0:
            core[z] = dead[z] & no_reflow_inside(infarct, window, reach, depth)
    return dead, core


def _polar(label: Volume, z: int, wall: Array) -> tuple[Floats, Floats]:
    """Angle around the cavity's middle, and depth in the wall (0 inside to 1 outside)."""
    cavity = label.array[z] == CAVITY
    pixel = label.spacing_mm[1:]
    cy, cx = ndimage.center_of_mass(cavity)
    y, x = np.indices(cavity.shape, np.float32)
    angle = np.arctan2(-(y - cy) * pixel[0], -(x - cx) * pixel[1])
    inner = ndimage.distance_transform_edt(~cavity, pixel)
    outer = ndimage.distance_transform_edt(cavity | wall, pixel)
    depth = inner / np.maximum(inner + outer, 1e-3)
    return angle.astype(np.float32), depth.astype(np.float32)


def _septum_angle(label: Volume) -> float:
    """Direction from the LV to the RV in the image, as :func:`_polar` counts angles."""
    lv = np.array(ndimage.center_of_mass(np.isin(label.array, (CAVITY, MUSCLE)))[1:])
    rv = np.array(ndimage.center_of_mass(label.array == RV)[1:])
    down, right = (rv - lv) * label.spacing_mm[1:]
    return float(np.arctan2(-down, -right))


def _grain(label: Volume, z: int, offset: int) -> Floats:
    pixel = label.spacing_mm[1:]
    y, x = (np.indices(label.array.shape[1:], np.float32) * np.array(pixel)[:, None, None]).astype(
        np.float32
    )
    depth = np.full_like(x, 0.35 * z * label.spacing_mm[0])
    return Texture.at(x, y, depth, 0.75, offset).middle()


def _coloured(grey: Floats, muscle: float, parts: tuple[tuple[Array, float], ...]) -> Floats:
    """Tissues shifted to new grey values through soft edges; their texture stays."""
    out = grey.copy()
    for where, value in parts:
        soft = ndimage.gaussian_filter(where.astype(np.float32), (0, 0.6, 0.6))
        out += soft * np.float32(value - muscle)
    return out
