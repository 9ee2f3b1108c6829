"""What networks answer where images shift: one pass each, no quality control, scored as stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cmrseg.bundle import Bundle
from cmrseg.challenges.mnms2 import RECIPES
from cmrseg.challenges.segmenter import Segmenter
from cmrseg.challenges.steps import ventricles
from cmrseg.evaluation.mnms2 import STRUCTURES, evaluate_case
from cmrseg.imaging.prepare import prepare
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Volume
from cmrseg.reproduce.augmentation.shifts import SHIFTS, Change, nothing
from cmrseg.reproduce.mnms2.hearts import unseen
from cmrseg.runtime import Precision, use_device
from cmrseg.training import datasets
from cmrseg.training.datasets import Labelled

SEED = 2021
"""Of the shifts; trainings draw from others."""
DRAWN = "drawn hearts"
SLICES = 3
"""Of each stack, evenly spread, to save time: these networks see slices one by one."""

Row = dict[str, float]
"""The challenge's metrics without the role in their names: ``rv_dice``, ``rv_hd_mm``, ..."""
Rows = dict[str, Row]
"""Patient's number -> metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Hearts shown in one way.

    Attributes:
        name: of the shift.
        patients: one image of each.
        change: what is done to them.
    """

    name: str
    patients: Sequence[Labelled]
    change: Change


def cohorts(data: Path, source: str, drawn: Path, bundles: Sequence[Bundle]) -> list[Cohort]:
    """Patients that no network learned from, shown in each way; then hearts drawn elsewhere.

    Args:
        data: short-axis patients in the M&Ms-2 layout.
        source: what the bundles call them.
        drawn: hearts of held-out styles that nothing learned from, in the same layout.
        bundles: whose networks are to be scored.

    Raises:
        InputError: no patient is left, or a folder holds none.
    """
    real = _by_patient(unseen(datasets.mnms2(data, "SA"), source, bundles))
    shown = [Cohort(name=name, patients=real, change=s.change) for name, s in SHIFTS.items()]
    others = _by_patient(datasets.mnms2(drawn, "SA"))
    return [*shown, Cohort(name=DRAWN, patients=others, change=nothing)]


def _by_patient(items: Sequence[Labelled]) -> list[Labelled]:
    """One phase of each patient, ED and ES by turns: patients count in tests, phases cost time."""
    names = dict.fromkeys(item.patient for item in items)
    phases = [[item for item in items if item.patient == name] for name in names]
    return [own[number % len(own)] for number, own in enumerate(phases)]


def measure(
    bundles: Mapping[str, Bundle],
    cohort: Cohort,
    work: Path,
    *,
    device: str = "auto",
    precision: Precision | None = None,
) -> dict[str, Rows]:
    """Every network's scores on one cohort: those that ``work`` keeps, the others computed.

    Args:
        bundles: network's name -> the bundle it is alone in.
        cohort: what to show.
        work: a file for each network and cohort is kept here.
        device: where to compute.
        precision: in what; None for the fastest, measured.

    Returns:
        Network -> patient -> metrics.
    """
    kept = {
        name: work / found.digest[:16] / f"{cohort.name.replace(' ', '-')}-{precision}.json"
        for name, found in bundles.items()
    }
    place, recipe = use_device(device), RECIPES["SA"].name
    lacking = {
        name: Segmenter.from_bundle(bundles[name], recipe, place, precision=precision)
        for name, path in kept.items()
        if not path.exists()
    }
    if lacking:
        for name, rows in _computed(lacking, cohort).items():
            kept[name].parent.mkdir(parents=True, exist_ok=True)
            kept[name].write_text(json.dumps(rows, allow_nan=False), encoding="utf-8")
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in kept.items()}


def _computed(segmenters: Mapping[str, Segmenter], cohort: Cohort) -> dict[str, Rows]:
    """All networks see the very same images."""
    found: dict[str, Rows] = {name: {} for name in segmenters}
    for number, item in enumerate(cohort.patients, start=1):
        rng = np.random.default_rng([SEED, number])
        stack = _thinned(read(item.image)), _thinned(read(item.label))
        image, truth = cohort.change(*stack, rng)
        prepared = prepare(image, RECIPES["SA"].grid)
        for name, segmenter in segmenters.items():
            maps = prepared.restore(segmenter.mirrored(prepared.image, 1)[0])
            mask = truth.like(ventricles(maps))
            found[name][str(number)] = _scores(item.role, mask, truth)
    return found


def _thinned(stack: Volume) -> Volume:
    """:data:`SLICES` slices, evenly spread; all of a stack that has no more."""
    own = stack.geometry
    every = max(own.shape[0] // SLICES, 1)
    array = stack.array[every // 2 :: every][:SLICES]
    spacing_mm = (own.spacing_mm[0] * every, *own.spacing_mm[1:])
    x, y, z = own.to_patient(np.array([[every // 2], [0], [0]]))[:, 0].tolist()
    place = replace(own, shape=array.shape, spacing_mm=spacing_mm, origin_mm=(x, y, z))
    return Volume(array, place)


def _scores(role: str, mask: Volume, truth: Volume) -> Row:
    found = evaluate_case({role: (mask, truth)}, tuple(STRUCTURES))
    marked = f"_{role.lower()}"
    return {name.replace(marked, ""): value for name, value in found.items() if marked in name}
