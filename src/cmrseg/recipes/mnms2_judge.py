"""Quality control of masks that anybody's segmenters made, and the choice among them (M&Ms-2).

What `predict` does with its own networks' answers (galati2021 section 2.3), for label maps or class
probabilities from elsewhere. They go to the recipe's grid and to the autoencoder as `predict`'s do,
but for one thing: nothing is taken away from them before. `predict` drops small stray pieces of its
own masks (:func:`~cmrseg.imaging.postprocess.ventricles`) and answers without them; others' masks
are answered voxel by voxel as they were given, so a stray piece has to show in pDC and pHD.

Of label maps the paper's fallback, the mean of two candidates' probabilities, is a vote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from cmrseg.cases.challenge import MNMS2
from cmrseg.imaging.orient import canonical
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.prepare import Prepared
from cmrseg.imaging.resample import labels_to_grid, probabilities_to
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.models import bundle
from cmrseg.quality.control import Assessment, QualityRecord
from cmrseg.quality.inspector import Inspector
from cmrseg.quality.pseudo_metrics import DECISIVE, recorded
from cmrseg.quality.selection import Choice, combine
from cmrseg.recipes.mask_checks import faults
from cmrseg.recipes.mnms2 import RECIPES, VIEWS
from cmrseg.recipes.mnms2_volumes import STRUCTURES
from cmrseg.runtime.errors import InputError, UsageError, WeightsError

CLASSES = 1 + max(label for labels in STRUCTURES.values() for label in labels)
"""Background included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What quality control made of one image's masks.

    Attributes:
        mask: (z, y, x) uint8, the chosen mask on the voxels that were given.
        expected: (z, y, x) uint8, what the autoencoder makes of it, on the same voxels.
        told: verdict, measures and choice, with candidates by name, and ``faults`` of each
            candidate that has any (:mod:`~cmrseg.recipes.mask_checks`).
        warnings: in words: the verdict where it is bad, and faults of the mask.
    """

    mask: Array
    expected: Array
    told: QualityRecord
    warnings: tuple[str, ...] = ()


def judge_masks(
    masks: Mapping[str, Array],
    role: str,
    spacing_mm: tuple[float, float, float],
    *,
    direction: Array | None = None,
    weights: str | Path | None = None,
) -> Judged:
    """Judge one image's masks, whatever made them, and take the best; for notebooks.

    Args:
        masks: candidate's name -> (z, y, x) labels (1 LV, 2 myocardium, 3 RV), or (4, z, y, x)
            class probabilities, background first; all on the same voxels. Of equals the first wins.
        role: ``SA_ED``, ``SA_ES``, ``LA_ED`` or ``LA_ES``.
        spacing_mm: of the voxels, (z, y, x).
        direction: (3, 3), column j the unit vector of array axis j in LPS (``Geometry``); None
            where rows run to the patient's back and columns to the left already.
        weights: a bundle with quality control; None for the usual places. It is loaded once.

    Raises:
        UsageError: no such role, or no mask.
        InputError: masks of different shapes, or that are none.
        WeightsError: no bundle, or none with quality control for the role.
    """
    if role not in MNMS2.roles or not masks:
        raise UsageError(
            "there is nothing to judge", f"give masks, and one of {', '.join(MNMS2.roles)}"
        )
    inspector = _loaded(Path(weights) if weights else None)[role[:2]]
    if inspector is None or role not in inspector.thresholds.by_role:
        raise WeightsError(f"the bundle has no quality control for {role}", "give one that has it")
    shape = np.shape(next(iter(masks.values())))[-3:]
    if len(shape) < 3:
        raise InputError(
            f"the mask of {next(iter(masks))} has {len(shape)} axes, not three",
            "give (z, y, x) labels; one slice is an array of one slice",
        )
    placed = Geometry(shape, spacing_mm)
    if direction is not None:
        placed = replace(placed, direction=direction)
    given = {name: checked_mask(mask, placed.shape, name) for name, mask in masks.items()}
    turned, orientation = canonical(Volume(np.zeros(shape, np.uint8), placed))
    on_grid = labels_to_grid(turned, RECIPES[role[:2]].grid)
    return judged(inspector, role, Prepared(on_grid, turned.geometry, orientation), given)


def judged(
    inspector: Inspector, role: str, prepared: Prepared, given: Mapping[str, Array]
) -> Judged:
    """Measures, verdict and choice for one image's masks.

    Args:
        inspector: of the role's view, with thresholds for the role.
        role: ``SA_ED``, ``LA_ES``, ...
        prepared: the image as a network would see it; only its voxels matter.
        given: name -> labels or class probabilities, as :func:`checked_mask` leaves them.

    Raises:
        InputError: a long axis of several slices.
    """
    found = assessed(inspector, role, prepared, given)
    mask = _answer(list(given.values()), found.choice)
    chosen = found.choice.candidates
    if len(chosen) == 1:
        measures, expected = found.measures[chosen[0]], found.expected[chosen[0]]
    else:
        on_grid = _on_grid(role, prepared, mask)
        measures, expected = inspector.control.look(on_grid, prepared.image.spacing_mm)
    record = _record(found, given)
    record["thresholds"] = "cohort" if role in inspector.of_cohort else "frozen"
    record["answer"] = recorded(measures)
    if len(given) > 1:
        record["candidates_agree"] = _agreement(mask, [_labels(one) for one in given.values()])
    natively = prepared.restore(one_hot(expected)).argmax(axis=0).astype(np.uint8)
    warnings = [f"quality control: {record['reason']}"] if found.verdict.ood else []
    wrong = {name: _faults(prepared, _labels(one)) for name, one in given.items()}
    record["faults"] = {name: list(words) for name, words in wrong.items() if words}
    warnings += _faults(prepared, mask)
    return Judged(mask=mask, expected=natively, told=record, warnings=tuple(warnings))


def assessed(
    inspector: Inspector, role: str, prepared: Prepared, given: Mapping[str, Array]
) -> Assessment:
    """What quality control says of each mask; see :func:`judged`."""
    slices = len(prepared.image.array)
    if role.startswith("LA") and slices > 1:
        raise InputError(
            f"a long-axis image has {slices} slices, not one",
            "give one 4-chamber slice, or name it SA if it is a short-axis stack",
        )
    masks = [_on_grid(role, prepared, one) for one in given.values()]
    fences = inspector.thresholds.of(role)
    return inspector.control.assess(masks, prepared.image.spacing_mm, fences)


def checked_mask(values: Array, shape: Sequence[int], name: str) -> Array:
    """A candidate's labels as uint8, or its class probabilities as float32.

    Args:
        values: (z, y, x) or (4, z, y, x).
        shape: (z, y, x) that they must have.
        name: the candidate's.

    Raises:
        InputError: another shape; or values that are neither labels nor probabilities.
    """
    array = np.asarray(values)
    if array.ndim == 4 and array.shape == (CLASSES, *shape):
        if (
            np.isfinite(array).all()
            and array.min() >= 0
            and np.allclose(array.sum(0), 1, atol=1e-2)
        ):
            return array.astype(np.float32)
        problem, remedy = "class probabilities that do not add up to one", "give them after softmax"
    elif array.shape != tuple(shape):
        problem = f"voxels {array.shape}, not {tuple(shape)} (z, y, x)"
        remedy = "write the mask with the header of its image"
    elif np.isin(array, range(CLASSES)).all():
        return array.astype(np.uint8)
    else:
        problem = f"values that are not labels (whole numbers from 0 to {CLASSES - 1})"
        remedy = "give 1 for LV, 2 for myocardium, 3 for RV, and write without interpolation"
    raise InputError(f"the mask of {name} has {problem}", remedy)


def one_hot(labels: Array) -> Array:
    """(z, y, x) labels to (C, z, y, x) float32 of zeros and ones."""
    classes = np.arange(CLASSES)[:, None, None, None]
    return np.asarray(labels[None] == classes, np.float32)


def inspectors_of(found: bundle.Bundle, device: torch.device) -> dict[str, Inspector | None]:
    """View -> its quality control, None where the bundle has none.

    Raises:
        WeightsError: it has none for any view, or what it has does not fit.
    """
    made = {
        view: Inspector.from_bundle(found, RECIPES[view].name, STRUCTURES, device) for view in VIEWS
    }
    if not any(made.values()):
        raise WeightsError(
            f"the bundle in {found.folder} has no quality control",
            "use one with an autoencoder and thresholds (`cmrseg-lab calibrate`)",
        )
    return made


@lru_cache(maxsize=2)
def _loaded(weights: Path | None) -> dict[str, Inspector | None]:
    return inspectors_of(bundle.find(MNMS2.name, weights), torch.device("cpu"))


def _on_grid(role: str, prepared: Prepared, one: Array) -> Array:
    """Labels on the recipe's grid (z, y, x), of labels or probabilities on the image's voxels."""
    turned = prepared.orientation.forth(one)
    if one.ndim == 3:
        return labels_to_grid(Volume(turned, prepared.turned), RECIPES[role[:2]].grid).array
    shares = probabilities_to(prepared.turned, turned, prepared.image.geometry)
    return np.asarray(shares.argmax(axis=0), np.uint8)


def _faults(prepared: Prepared, labels: Array) -> tuple[str, ...]:
    """Of labels on the image's voxels."""
    return faults(prepared.orientation.forth(labels), prepared.turned.spacing_mm)


def _labels(one: Array) -> Array:
    return one if one.ndim == 3 else np.asarray(one.argmax(axis=0), np.uint8)


def _answer(given: Sequence[Array], choice: Choice) -> Array:
    """The chosen mask as it was given; or of two the mean, the others settling where both differ.

    The mean of two label maps is a tie wherever they differ. All candidates vote there on what the
    two say; if that is a tie again, the better by pDC decides.
    """
    if len(choice.candidates) == 1:
        return _labels(given[choice.candidates[0]])
    maps = [one_hot(one) if one.ndim == 3 else one for one in given]
    mean = combine(maps, choice)
    votes = np.mean(maps, axis=0) + maps[choice.candidates[0]] / (2 * len(maps))
    return np.asarray(np.where(mean == mean.max(axis=0), votes, -1).argmax(axis=0), np.uint8)


def _record(found: Assessment, given: Mapping[str, Array]) -> QualityRecord:
    """As `predict` records it, with names where it counts, and in words where an RV lacks."""
    names = list(given)
    parts = STRUCTURES[DECISIVE]
    lacking = {name: not np.isin(_labels(one), parts).any() for name, one in given.items()}
    chosen = [names[i] for i in found.choice.candidates]
    return {
        **found.record(),
        "reason": reason(found, lacking),
        "chosen": chosen,
        "chosen_because": because(found, chosen, lacking),
        "candidates": dict(zip(names, map(recorded, found.measures), strict=True)),
        "in_range": {
            name: found.fences.hold(measures[DECISIVE])
            for name, measures in zip(names, found.measures, strict=True)
        },
    }


def _agreement(mask: Array, given: Sequence[Array]) -> dict[str, float]:
    """Mean Dice of the answer and each candidate, by structure."""
    return {
        name: round(
            float(np.mean([dice(np.isin(mask, parts), np.isin(one, parts)) for one in given])), 4
        )
        for name, parts in STRUCTURES.items()
    }


def reason(found: Assessment, lacking: Mapping[str, bool]) -> str:
    """The verdict's, of candidates by name; of one without the decisive structure, just that.

    Args:
        found: what quality control says of the masks.
        lacking: name -> whether the mask lacks the decisive structure, in the same order.
    """
    names = list(lacking)

    def named(match: re.Match[str]) -> str:
        name = names[int(match[1]) - 1]
        return f"{name}: no {DECISIVE}" if lacking[name] else f"{name}: {match[2]}"

    said = re.sub(r"candidate (\d+): ([^;)]+)", named, found.verdict.reason)
    if len(names) > 1:
        return said
    return said.replace(" in all candidates", "").replace(" in 1 of 1 candidates", "")


def because(found: Assessment, chosen: Sequence[str], lacking: Mapping[str, bool]) -> str:
    """Why the chosen are taken, given by name; the other arguments as for :func:`reason`."""
    if len(lacking) == 1:
        return "the only mask given"
    if all(lacking.values()):
        return f"the first, as none has an {DECISIVE}"
    if len(chosen) == 1:
        return found.choice.reason
    return (
        f"{found.choice.reason}; where their labels differ all candidates vote, and {chosen[0]} "
        "settles a draw"
    )
