"""How large hearts are and how much they eject, with the errors to expect and by body surface area
(M&Ms-2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from cmrseg.cases.case import Measures
from cmrseg.cases.subjects import Sex, Subject
from cmrseg.imaging.orient import slice_axis
from cmrseg.imaging.volume import Volume
from cmrseg.models.manifest import Manifest
from cmrseg.quality.uncertainty import conformal
from cmrseg.quality.uncertainty.conformal import ErrorBand
from cmrseg.quality.uncertainty.dice_bound import DiceBound
from cmrseg.quality.uncertainty.interval import Interval
from cmrseg.runtime.errors import WeightsError

STRUCTURES = {"LV": (1,), "MYO": (2,), "RV": (3,)}
EJECTION = "ejection_fraction_percent"
MASS, STROKE = "mass_g", "stroke_volume_ml"
MYOCARDIUM_G_ML = 1.05
"""Density of myocardium (Kawel-Boehm et al., J Cardiovasc Magn Reson 2020;22:87)."""

USEFUL = {
    EJECTION: {"LV": (6.0, 0.0), "RV": (9.0, 0.0)},
    "volume_ml": {"LV": (0.0, 0.10), "MYO": (0.0, 0.15), "RV": (0.0, 0.15)},
}
"""Half the width of an interval that is of use, in the measure's unit and as a share of it. One of
more than twice that says that nothing reliable was measured."""


def sizes(view: str, mask: Volume) -> dict[str, dict[str, float]]:
    """Volumes in mL of a short-axis stack; areas in cm2 of the one long-axis slice."""
    counts = {name: int(np.isin(mask.array, parts).sum()) for name, parts in STRUCTURES.items()}
    if view == "SA":
        ml = mask.geometry.voxel_ml
        return {"volume_ml": {name: round(n * ml, 2) for name, n in counts.items()}}
    pixel_cm2 = mask.geometry.voxel_ml * 10 / mask.spacing_mm[slice_axis(mask.geometry)]
    return {"area_cm2": {name: round(n * pixel_cm2, 2) for name, n in counts.items()}}


def ejection_fractions(found: Mapping[str, Any]) -> Measures:
    """Short-axis ejection fractions in percent, where both phases are there.

    Where quality control flagged one of the two, a note beside each says so. Verdicts go by the RV
    (galati2021), but whoever's RV is wrong may have a wrong LV too.
    """
    if not {"SA_ED", "SA_ES"} <= found.keys():
        return {}
    diastole, systole = (found[role]["volume_ml"] for role in ("SA_ED", "SA_ES"))
    fractions = {
        name: round(100 * (1 - systole[name] / diastole[name]), 1)
        for name in ("LV", "RV")
        if diastole[name]
    }
    flagged = [
        role
        for role in ("SA_ED", "SA_ES")
        if found[role].get("quality", {}).get("out_of_distribution")
    ]
    if not flagged:
        return {EJECTION: fractions}
    said = f"not to be trusted: quality control flagged {' and '.join(flagged)}"
    return {EJECTION: fractions, f"{EJECTION}_note": dict.fromkeys(fractions, said)}


def ejection_difficulty(dices: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Structure -> how hard an ejection fraction is: the Dice missing in all images it comes of.

    Args:
        dices: one an image, structure -> Dice to expect; empty where it is not known.
    """
    known = set.intersection(*(set(one) for one in dices)) if dices else set()
    return {name: sum(1 - one[name] for one in dices) for name in sorted(known)}


def mass_and_stroke(found: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """LV mass in g, of the myocardium at ED, and stroke volumes in mL, as far as known."""
    ml = {role: found[role]["volume_ml"] for role in ("SA_ED", "SA_ES") if role in found}
    if "SA_ED" not in ml:
        return {}
    told = {MASS: {"LV": round(ml["SA_ED"]["MYO"] * MYOCARDIUM_G_ML, 1)}}
    if "SA_ES" in ml:
        told[STROKE] = {n: round(ml["SA_ED"][n] - ml["SA_ES"][n], 1) for n in ("LV", "RV")}
    return told


def intervals(
    measure: str,
    values: Mapping[str, float],
    bands: Mapping[str, ErrorBand],
    highest: float = np.inf,
    difficulty: Mapping[str, float] | None = None,
) -> Measures:
    """``<measure>_interval``: around each value what held-out patients' errors let expect.

    Beside it ``<measure>_note`` where that is too wide to be of use (:data:`USEFUL`).

    Args:
        measure: what is measured.
        values: structure -> value.
        bands: structure -> errors to expect; nothing is told of the others.
        highest: what no value can be above.
        difficulty: structure -> how hard the images were (:meth:`ErrorBand.around`).
    """
    known = {name: bands[name] for name in values if name in bands}
    if not known:
        return {}
    told, notes = {}, {}
    for name, band in known.items():
        hard = (difficulty or {}).get(name)
        low, high = band.around(values[name], highest=highest, difficulty=hard)
        found = Interval(mean=values[name], low=low, high=high).rounded(2)
        told[name] = found | {"level": round(band.level, 2)}
        points, share = USEFUL.get(measure, {}).get(name, (np.inf, 0.0))
        if max(high - values[name], values[name] - low) > 2 * (points + share * values[name]):
            notes[name] = "not measured reliably"
    beside = {f"{measure}_note": notes} if notes else {}
    return {f"{measure}_interval": told, "interval": conformal.bands_in_words(known), **beside}


def bounds_of(manifest: Manifest) -> dict[str, dict[str, DiceBound]]:
    """View (``SA``) -> structure -> what Dice to expect, as `cmrseg-lab calibrate` found.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        return {
            recipe[-2:].upper(): {
                name: DiceBound.from_dict(bound)
                for name, bound in entry.get("dice_bounds", {}).items()
            }
            for recipe, entry in manifest.get("quality", {}).items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise WeightsError(
            "the Dice to expect cannot be read", "calibrate the bundle anew"
        ) from error


def bands_of(manifest: Manifest) -> dict[str, dict[str, ErrorBand]]:
    """What `cmrseg-lab calibrate` put into a bundle; empty if nothing.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        return {
            role: {name: ErrorBand.from_dict(band) for name, band in own.items()}
            for entry in manifest.get("quality", {}).values()
            for role, own in entry.get("bands", {}).items()
        }
    except (AttributeError, TypeError) as error:
        raise WeightsError(
            "the errors to expect of sizes cannot be read", "calibrate the bundle anew"
        ) from error


SOURCE = "Petersen 2017, UK Biobank, healthy adults of 45 to 74 years, mean ± 1.96 SD"


class Placed(TypedDict):
    """A measure beside the limits of healthy people: ``below``, ``within`` or ``above`` them."""

    value: float
    low: float
    high: float
    position: str


HEALTHY: dict[str, dict[Sex, tuple[float, float]]] = {
    EJECTION: {"male": (58.0, 5.0), "female": (61.0, 5.0)},
    "mass_g_per_m2": {"male": (53.0, 9.0), "female": (42.0, 7.0)},
}
"""LV measure -> sex -> mean and SD."""
PER_M2 = {MASS: "mass_g_per_m2", STROKE: "stroke_volume_ml_per_m2"}
"""Measure of the patient -> what it is called by body surface area."""


def by_body_size(found: Mapping[str, Any], subject: Subject) -> Measures:
    """``bsa_m2``, ``indexed`` and ``reference`` of a patient's measures, as far as they go.

    Args:
        found: measures of the mnms2 recipe.
        subject: what is known of the patient.

    Returns:
        ``indexed``: ``SA_ED``, ``SA_ES`` -> structure -> mL/m2, and the patient's measures by
        :data:`PER_M2`. ``reference``: LV measure -> value, low, high and position (``below``,
        ``within``, ``above``), with the source.
    """
    told: Measures = {}
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


def _placed(value: float, mean: float, deviation: float) -> Placed:
    low, high = round(mean - 1.96 * deviation, 1), round(mean + 1.96 * deviation, 1)
    position = "below" if value < low else "above" if value > high else "within"
    return {"value": value, "low": low, "high": high, "position": position}
