"""Everything that the tables say of one patient.

**Brier score.** The paper does not say over which voxels
(:mod:`~cmrseg_lab.studies.emidec_paper.reliability`). Told are both: ``_whole``, every voxel of the
image, and ``_near``, the box around the expert's heart and :data:`NEAR_MM` beyond in plane, which
does not depend on what a network finds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg.evaluation.emidec import STRUCTURES, evaluate_case
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.postprocess import labels
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.quality.uncertainty.interval import interval
from cmrseg.quality.uncertainty.measures import agreement
from cmrseg.recipes.emidec import JUDGED, volumes
from cmrseg.recipes.emidec_rules import Rules
from cmrseg_lab.studies.emidec_paper.positions import certainty_by_position, dice_by_position
from cmrseg_lab.studies.emidec_paper.reliability import (
    Reliability,
    brier_scores,
    structure_reliability,
)
from cmrseg_lab.training.calibration.emidec_out_of_fold import Held

NEAR_MM = 20.0

Row = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One patient's part of the tables.

    Attributes:
        patient: the case's name.
        group: its pathology group.
        fold: held out in.
        row: metric -> value.
        reliability: structure -> reliability bins near the heart.
    """

    patient: str
    group: str
    fold: int
    row: Row
    reliability: dict[str, Reliability]


def score(held: Held) -> Scored:
    """All metrics of the mask as the networks give it, and of their doubt."""
    near = near_heart(held.truth, held.spacing_mm)
    mask = labels(held.probabilities)
    row = official(held, mask) | dice_by_position(mask, held.truth, STRUCTURES)
    for name, region in (("whole", None), ("near", near)):
        found = brier_scores(held.probabilities, held.truth, STRUCTURES, region)
        row |= {f"{metric}_{name}": value for metric, value in found.items()}
    if len(held.samples):
        row |= doubt(held)
    return Scored(
        patient=held.patient,
        group=held.group,
        fold=held.fold,
        row=row,
        reliability={
            name: structure_reliability(_one(held.probabilities), held.truth, values, near)
            for name, values in STRUCTURES.items()
        },
    )


def official(held: Held, mask: Array) -> Row:
    """The challenge's metrics of a mask on the image's voxels."""
    geometry = Geometry(held.truth.shape, held.spacing_mm)
    return evaluate_case(Volume(mask, geometry), Volume(held.truth, geometry))


def ruled(held: Held, rules: Rules) -> Row:
    """The challenge's metrics of the mask after anatomical rules."""
    mask = rules.apply(labels(held.probabilities), held.probabilities, held.voxel_ml)
    return official(held, mask)


def doubt(held: Held) -> Row:
    """What samples say: image-level uncertainty, agreement, and whether intervals hold the truth.

    ``<structure>_interval_holds`` is 1 where the 95 % interval of the samples' volumes holds the
    expert's volume on the same grid, else 0; ``_interval_ml`` is its width. ``_agreement`` is what
    verdicts go by.
    """
    row = {"image_level": held.image_level}
    for name, values in STRUCTURES.items():
        central = np.isin(held.central, values)
        row[f"{name}_certainty"] = float(
            np.mean([dice(central, np.isin(one, values)) for one in held.samples])
        )
    agreed = agreement(held.samples, (len(held.samples),), JUDGED)
    row |= {f"{name}_agreement": value for name, value in agreed.items()}
    row |= certainty_by_position(held.central, held.samples, held.grid_truth, STRUCTURES)
    truth = volumes(held.grid_truth, held.grid_voxel_ml)["volume_ml"]
    each = [volumes(one, held.grid_voxel_ml)["volume_ml"] for one in held.samples]
    for name in STRUCTURES if len(each) > 1 else ():
        found = interval([one[name] for one in each])
        row[f"{name}_interval_holds"] = float(found.holds(truth[name]))
        row[f"{name}_interval_ml"] = found.high - found.low
    return row


def near_heart(truth: Array, spacing_mm: tuple[float, float, float]) -> Array:
    """Bool (z, y, x): the box around the expert's heart; everything where there is none."""
    region = np.zeros(truth.shape, bool)
    box = []
    for axis, spacing in ((1, spacing_mm[1]), (2, spacing_mm[2])):
        there = np.flatnonzero((truth > 0).any(axis=(0, 3 - axis)))
        if not len(there):
            return ~region
        margin = round(NEAR_MM / spacing)
        box.append(slice(max(0, there[0] - margin), there[-1] + margin + 1))
    region[:, box[0], box[1]] = True
    return region


def _one(probabilities: Array) -> Array:
    """Probabilities that sum to one again after half precision, none above it."""
    whole: Array = probabilities / probabilities.sum(axis=0)
    return whole
