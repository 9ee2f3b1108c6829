"""The population: what each disease does to the heart.

The tables hold means and deviations over ACDC (Bernard et al., IEEE TMI 37(11), 2018) for NOR, LV
(its DCM), HCM, MINF and RV, and over EMIDEC (Lalande et al., Data 5(4):89, 2020) for N and P; the
congenital groups of M&Ms-2 follow the usual clinical picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmrseg.cases.challenge import EMIDEC, MNMS2

if TYPE_CHECKING:
    import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a disease does to the heart: (mean, deviation) of each quantity.

    Attributes:
        lv_edv_ml: LV cavity volume at end-diastole.
        lv_ef: LV ejection fraction.
        mass_ml: myocardial volume at end-diastole.
        rv_edv_ml: RV cavity volume at end-diastole.
        rv_ef: RV ejection fraction.
        slenderness: LV length over LV radius.
        septal: how much thicker the septum is than the rest (0 = even).
        flattening: how far the septum is pressed towards the LV, share of the radius.
        rv_wall_mm: thickness of the RV free wall.
        bulge: outward bulges of the RV free wall, share of its width.
        septal_gap_mm: hole between the atria.
        ra_scale: size of the right atrium.
    """

    lv_edv_ml: Range
    lv_ef: Range
    mass_ml: Range
    rv_edv_ml: Range
    rv_ef: Range
    slenderness: Range = (3.25, 0.25)
    septal: Range = (0.05, 0.06)
    flattening: Range = (0.03, 0.03)
    rv_wall_mm: Range = (2.4, 0.4)
    bulge: Range = (0.02, 0.015)
    septal_gap_mm: Range = (0.0, 0.0)
    ra_scale: Range = (1.0, 0.08)


GROUPS: dict[str, Group] = {
    "NOR": Group(
        lv_edv_ml=(138, 27), lv_ef=(0.605, 0.05), mass_ml=(103, 22),
        rv_edv_ml=(158, 34), rv_ef=(0.555, 0.06),
    ),
    "LV": Group(
        lv_edv_ml=(270, 55), lv_ef=(0.21, 0.09), mass_ml=(162, 30),
        rv_edv_ml=(172, 60), rv_ef=(0.33, 0.13), slenderness=(2.85, 0.2), septal=(-0.04, 0.05),
        flattening=(-0.02, 0.02), rv_wall_mm=(3.3, 0.5), ra_scale=(1.1, 0.12),
    ),
    "HCM": Group(
        lv_edv_ml=(132, 33), lv_ef=(0.69, 0.06), mass_ml=(172, 45),
        rv_edv_ml=(120, 33), rv_ef=(0.59, 0.06), slenderness=(3.4, 0.25), septal=(0.45, 0.25),
        rv_wall_mm=(4.0, 0.8),
    ),
    "MINF": Group(
        lv_edv_ml=(165, 37), lv_ef=(0.33, 0.08), mass_ml=(116, 20),
        rv_edv_ml=(120, 36), rv_ef=(0.54, 0.1), slenderness=(3.1, 0.22),
    ),
    "RV": Group(
        lv_edv_ml=(112, 36), lv_ef=(0.55, 0.08), mass_ml=(79, 22),
        rv_edv_ml=(198, 52), rv_ef=(0.32, 0.1), flattening=(0.14, 0.07), rv_wall_mm=(4.5, 1.0),
        ra_scale=(1.25, 0.15),
    ),
    "ARR": Group(
        lv_edv_ml=(140, 30), lv_ef=(0.55, 0.07), mass_ml=(95, 20),
        rv_edv_ml=(215, 48), rv_ef=(0.38, 0.09), flattening=(0.06, 0.04), rv_wall_mm=(2.0, 0.4),
        bulge=(0.06, 0.025), ra_scale=(1.12, 0.12),
    ),
    "FALL": Group(
        lv_edv_ml=(130, 30), lv_ef=(0.56, 0.06), mass_ml=(92, 20),
        rv_edv_ml=(235, 60), rv_ef=(0.46, 0.08), flattening=(0.13, 0.06), rv_wall_mm=(5.5, 1.2),
        bulge=(0.045, 0.02), ra_scale=(1.2, 0.15),
    ),
    "CIA": Group(
        lv_edv_ml=(108, 25), lv_ef=(0.6, 0.06), mass_ml=(82, 18),
        rv_edv_ml=(225, 55), rv_ef=(0.53, 0.07), flattening=(0.1, 0.05), rv_wall_mm=(3.8, 0.7),
        septal_gap_mm=(16, 6), ra_scale=(1.35, 0.15),
    ),
    "TRI": Group(
        lv_edv_ml=(125, 30), lv_ef=(0.57, 0.07), mass_ml=(90, 20),
        rv_edv_ml=(220, 55), rv_ef=(0.47, 0.09), flattening=(0.1, 0.05), rv_wall_mm=(3.6, 0.7),
        ra_scale=(1.5, 0.2),
    ),
    "N": Group(
        lv_edv_ml=(90, 24), lv_ef=(0.63, 0.06), mass_ml=(103, 24),
        rv_edv_ml=(125, 30), rv_ef=(0.57, 0.06), slenderness=(3.1, 0.25),
    ),
    "P": Group(
        lv_edv_ml=(118, 36), lv_ef=(0.48, 0.1), mass_ml=(109, 28),
        rv_edv_ml=(125, 32), rv_ef=(0.54, 0.08), slenderness=(3.0, 0.25),
    ),
}  # fmt: skip

MNMS2_MIX = {"NOR": 0.2, "LV": 0.16, "HCM": 0.16, "ARR": 0.1, "FALL": 0.11, "CIA": 0.1,
             "RV": 0.12, "TRI": 0.05}  # fmt: skip
"""How often each M&Ms-2 group is drawn."""

EMIDEC_MIX = {"N": 0.33, "P": 0.67}
"""How often each EMIDEC group is drawn: normal and pathological, as in its training set."""

NAMES: dict[str, tuple[str, ...]] = {
    EMIDEC.name: tuple(EMIDEC_MIX),
    MNMS2.name: (*MNMS2_MIX, "MINF"),
}
"""Groups that can be asked for. ACDC's old infarcts are no group of M&Ms-2, but the practice data
in its layout have them."""


def draw_group(rng: np.random.Generator, mix: dict[str, float]) -> str:
    """A group drawn by weight."""
    total = sum(mix.values())
    return str(rng.choice(list(mix), p=[weight / total for weight in mix.values()]))
