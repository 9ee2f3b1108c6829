"""Cine measures by body surface area, and beside published values of healthy adults.

Reference: Petersen et al., J Cardiovasc Magn Reson 2017;19:18 (UK Biobank, 368 men and 432 women of
45 to 74 years, papillary muscles in the cavity, as in our labels). Their abstract gives means and
standard deviations of two measures by sex; the limits here are mean ± 1.96 SD of those. No limit is
given of what it does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cmrseg.cases.subjects import Sex, Subject
from cmrseg.recipes.mnms2_volumes import EJECTION, MASS, STROKE

SOURCE = "Petersen 2017, UK Biobank, healthy adults of 45 to 74 years, mean ± 1.96 SD"
HEALTHY: dict[str, dict[Sex, tuple[float, float]]] = {
    EJECTION: {"male": (58.0, 5.0), "female": (61.0, 5.0)},
    "mass_g_per_m2": {"male": (53.0, 9.0), "female": (42.0, 7.0)},
}
"""LV measure -> sex -> mean and SD."""
PER_M2 = {MASS: "mass_g_per_m2", STROKE: "stroke_volume_ml_per_m2"}
"""Measure of the patient -> what it is called by body surface area."""


def by_body_size(found: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
    """``bsa_m2``, ``indexed`` and ``reference`` of a patient's measures, as far as they go.

    Args:
        found: measures of the mnms2 recipe.
        subject: what is known of the patient.

    Returns:
        ``indexed``: ``SA_ED``, ``SA_ES`` -> structure -> mL/m2, and the patient's measures by
        :data:`PER_M2`. ``reference``: LV measure -> value, low, high and position (``below``,
        ``within``, ``above``), with the source.
    """
    told: dict[str, Any] = {}
    if area := subject.bsa_m2:
        volumes = {role: found[role]["volume_ml"] for role in ("SA_ED", "SA_ES") if role in found}
        volumes |= {name: found[measure] for measure, name in PER_M2.items() if measure in found}
        told["bsa_m2"] = round(area, 3)
        told["indexed"] = {
            name: {structure: round(value / area, 1) for structure, value in values.items()}
            for name, values in volumes.items()
        }
    if subject.sex:
        measured = {EJECTION: found.get(EJECTION, {}), **told.get("indexed", {})}
        placed = {
            name: _placed(measured[name]["LV"], *limits[subject.sex])
            for name, limits in HEALTHY.items()
            if "LV" in measured.get(name, {})
        }
        told |= {"reference": {**placed, "source": SOURCE}} if placed else {}
    return told


def _placed(value: float, mean: float, deviation: float) -> dict[str, Any]:
    low, high = round(mean - 1.96 * deviation, 1), round(mean + 1.96 * deviation, 1)
    position = "below" if value < low else "above" if value > high else "within"
    return {"value": value, "low": low, "high": high, "position": position}
