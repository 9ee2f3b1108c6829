"""Tissue tables: how bright each tissue is, in cine and in late enhancement.

Values are signed and relative to blood = 1. In balanced SSFP water and fat point in opposite
directions, so fat is negative: where a voxel holds both, they cancel, which draws the dark rims
around the heart that real images show once the magnitude is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Signal of each tissue relative to LV blood."""

    blood: float = 1.0
    blood_right: float = 0.84
    blood_vein: float = 0.9
    myocardium: float = 0.36
    muscle: float = 0.27
    fat: float = -0.86
    lung: float = 0.08
    vessel: float = 0.95
    liver: float = 0.36
    spleen: float = 0.42
    kidney: float = 0.6
    bone: float = -0.34
    cortex: float = 0.12
    fluid: float = 1.15
    gut: float = 0.5
    skin: float = 0.35
    infarct: float = 0.38
    no_reflow: float = 0.36
    air: float = 0.0


CINE = Contrast()

LGE = Contrast(
    blood=0.54,
    blood_right=0.53,
    blood_vein=0.53,
    myocardium=0.23,
    muscle=0.25,
    fat=0.98,
    lung=0.16,
    vessel=0.9,
    liver=0.42,
    spleen=0.3,
    kidney=0.6,
    bone=0.55,
    cortex=0.08,
    fluid=-0.75,
    gut=0.1,
    skin=0.5,
    infarct=0.59,
    no_reflow=0.33,
)


def draw_contrast(rng: np.random.Generator, table: Contrast, spread: float) -> Contrast:
    """A patient's own table: every tissue scaled by a log-normal factor.

    Args:
        rng: all randomness.
        table: typical values.
        spread: deviation of the factor's logarithm.
    """
    scales = np.exp(rng.normal(0, spread, len(fields(table))))
    pairs = zip(fields(table), scales, strict=True)
    drawn = {f.name: float(getattr(table, f.name) * s) for f, s in pairs}
    # blood is blood: its pools differ by flow and coil only
    for pool in ("blood_right", "blood_vein"):
        ratio = getattr(table, pool) / table.blood * float(np.exp(rng.normal(0, 0.1)))
        drawn[pool] = drawn["blood"] * ratio
    # fat shows as bright as the sequence and the coils make it
    drawn["fat"] *= float(np.exp(rng.normal(-0.1, 0.2)))
    drawn["lung"] *= float(np.exp(rng.normal(0, 0.3)))
    return replace(table, **drawn)
