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
    blood=0.39,
    blood_right=0.385,
    blood_vein=0.385,
    myocardium=0.1,
    muscle=0.03,
    fat=0.74,
    lung=0.02,
    vessel=0.5,
    liver=0.33,
    spleen=0.2,
    kidney=0.42,
    bone=0.26,
    cortex=-0.02,
    fluid=-0.6,
    gut=-0.12,
    skin=0.3,
    infarct=0.43,
    no_reflow=0.21,
)
"""Zero is air and about what healthy muscle is nulled to: grey where the phase is kept."""

NOT_RECOVERING = ("fat", "bone", "lung", "vessel", "cortex", "skin", "air")
"""Tissues whose signal does not hang on when after the inversion they are read."""

INVERSION = 0.07
"""How much more or less than planned other tissues have recovered then (deviation)."""


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


def draw_late(rng: np.random.Generator, spread: float) -> Contrast:
    """A patient's own table of late enhancement.

    The time after the inversion is chosen by eye: read a little early or late, all tissues that
    still recover are darker or brighter together, and blood stays brighter than healthy muscle.

    Args:
        rng: all randomness.
        spread: as for :func:`draw_contrast`.
    """
    table = draw_contrast(rng, LGE, spread)
    late = float(rng.normal(0, INVERSION))
    names = [each.name for each in fields(table) if each.name not in NOT_RECOVERING]
    table = replace(table, **{name: getattr(table, name) + late for name in names})
    brighter = max(table.myocardium + 0.17 - table.blood, 0.0)
    pools = ("blood", "blood_right", "blood_vein", "infarct")
    return replace(table, **{name: getattr(table, name) + brighter for name in pools})
