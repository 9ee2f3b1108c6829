"""Quality thresholds of one view, fitted on hearts that the networks judged on them never met.

Candidates are made as in use: each network's mean over its mirror images. What is fitted is frozen
into the bundle's manifest, with the measures themselves (reports lay a run's values beside them),
with what Dice goes with which signs of doubt, and with how far sizes lay from the experts': the
intervals of those to come. Where some patients
were held out by all candidates, those are judged by all; else each candidate is judged on its own,
and what compares candidates on one image cannot be fitted: there are no intervals then. Beside it
go labelled slices for refinement, of the hearts that the caller chooses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast

import numpy as np

from cmrseg.cases.challenge import MNMS2
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.postprocess import ventricles
from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.models import bundle
from cmrseg.models.bundle import Bundle
from cmrseg.models.ensemble import Segmenter
from cmrseg.models.manifest import HeldOut, NetworkEntry, QualityEntry
from cmrseg.models.roi_crop import Roi
from cmrseg.quality.control import QualityControl
from cmrseg.quality.pseudo_metrics import DECISIVE, Pseudo
from cmrseg.quality.replay import Rehearsal
from cmrseg.quality.selection import Thresholds, choose, fit_thresholds
from cmrseg.quality.uncertainty import dice_bound
from cmrseg.quality.uncertainty.conformal import FEWEST, ErrorBand
from cmrseg.quality.uncertainty.dice_bound import DiceBound, Signs
from cmrseg.quality.uncertainty.measures import dice_within_samples
from cmrseg.recipes.mnms2_volumes import (
    EJECTION,
    STRUCTURES,
    ejection_difficulty,
    ejection_fractions,
    sizes,
)
from cmrseg.runtime import Progress, use_device
from cmrseg.runtime.errors import InputError, WeightsError
from cmrseg_lab.training import cache
from cmrseg_lab.training.held_out import is_held_out
from cmrseg_lab.training.pack import record_quality
from cmrseg_lab.training.patches import other_phase
from cmrseg_lab.training.replay_slices import draw_rehearsal
from cmrseg_lab.training.sources import is_synthetic

Sizes = dict[str, float]
Rehearse = Literal["synthetic", "learned", "none"]
"""Whose slices travel in the bundle for refinement: of synthetic hearts where the cache has any, of
patients that the view's networks were trained with, or nobody's."""
TRAVELLING = "; slices of patients its networks were trained with travel in the bundle"
"""Put beside what thresholds were fitted on, where manifest and model card tell it."""
MOST = 200
"""So many values of a population are kept; of more, as many evenly spaced quantiles."""


def calibrate_mnms2(
    recipe: str,
    cache_dir: Path,
    weights: Path | None = None,
    *,
    mirrors: int = 4,
    device: str = "auto",
    rehearse: Rehearse = "synthetic",
) -> str:
    """Fit a view's thresholds, draw its rehearsal slices, and put them into the bundle.

    Beside the thresholds go the pseudo-measures that they were fitted on (:func:`population`).

    Args:
        recipe: ``mnms2-sa`` or ``mnms2-la``.
        cache_dir: the cache its networks learned from.
        weights: the bundle; None for the usual places.
        mirrors: test-time mirror images: 1, 2 or 4.
        device: where to compute.
        rehearse: whose labelled slices go into the bundle; an older calibration's are removed.

    Returns:
        The thresholds in words, a line a role.

    Raises:
        InputError: a candidate held out nobody to be judged on, or there are too few for quartiles;
            or the networks met none of the cache's patients whose slices are asked for; or they
            are older than the cache's way to prepare images.
        WeightsError: the bundle has no segmenter or no autoencoder of the view.
    """
    found = bundle.find(MNMS2.name, weights)
    patients = cache.read_index(cache_dir, recipe)
    parts = judged_patients(found, recipe, patients)
    together = len(parts[0].candidates) == len(_networks(found, recipe))
    rehearsed = _rehearsal(cache_dir, patients, parts, rehearse)
    seen = _seen(found, recipe, cache_dir, parts, mirrors, device)
    measures = _by_role(seen)
    thresholds = fit_thresholds(measures)
    bounds = dice_bounds(seen)
    expected = bands(seen, thresholds, bounds) if together else {}
    entry: QualityEntry = {
        "thresholds": thresholds.as_dict(),
        "rehearsal": None,
        "fitted_on": _in_words(parts, together) + TRAVELLING * (rehearse == "learned"),
        "candidates": _of_each(parts),
        "population": population(measures),
        "bands": {
            role: {name: band.as_dict() for name, band in by_name.items()}
            for role, by_name in expected.items()
        },
        "dice_bounds": {name: bound.as_dict() for name, bound in bounds.items()},
    }
    record_quality(found.folder, recipe, entry, rehearsed)
    before = found.manifest.get("quality", {})
    older = before[recipe]["rehearsal"] if recipe in before else None
    if older and not rehearsed:
        (found.folder / older).unlink(missing_ok=True)
    return _table(thresholds)


def without_refinement(weights: Path | None = None) -> str:
    """What is to be told of a calibrated bundle that has no slices to rehearse; else nothing."""
    quality = bundle.find(MNMS2.name, weights).manifest.get("quality", {})
    views = [recipe for recipe, entry in sorted(quality.items()) if not entry["rehearsal"]]
    if not views:
        return ""
    return (
        f"refinement is not possible with this bundle (no labelled slices of {', '.join(views)} to "
        "rehearse); with `--rehearse learned` slices of training patients travel in it"
    )


def population(measures: Mapping[str, Sequence[Pseudo]]) -> dict[str, dict[str, list[float]]]:
    """Role -> ``pDC`` and ``pHD_mm``: quantiles 0 to 1, evenly spaced, of what fences come from.

    Up to :data:`MOST` of them these are the measures themselves, each list sorted by itself, so
    that no two values of a patient stand together. As in ``quality.thresholds.fences``, a measure
    that is not finite is left out.
    """
    told = {}
    for role, own in sorted(measures.items()):
        pairs = np.array([(pseudo.pdc, pseudo.phd_mm) for pseudo in own])
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        kept = np.quantile(pairs, np.linspace(0, 1, min(len(pairs), MOST)), axis=0)
        told[role] = {"pDC": kept[:, 0].round(4).tolist(), "pHD_mm": kept[:, 1].round(2).tolist()}
    return told


def dice_bounds(seen: Sequence[MeasuredImage]) -> dict[str, DiceBound]:
    """Structure -> the Dice to expect, of all candidates of all images on which it was drawn."""
    found = {}
    for name in STRUCTURES:
        known = [
            (doubts[name], dices[name], one.domain)
            for one in seen
            for doubts, dices in zip(one.doubts, one.dices, strict=True)
            if name in dices
        ]
        if len(known) >= dice_bound.FEWEST:
            found[name] = DiceBound.fit(*zip(*known, strict=True))
    return found


def bands(
    seen: Sequence[MeasuredImage], thresholds: Thresholds, bounds: Mapping[str, DiceBound]
) -> dict[str, dict[str, ErrorBand]]:
    """Errors to expect: of sizes by role and structure, and of ejection fractions.

    Sizes are those of the candidates that quality control takes; where it takes two, their mean.
    Widths go by the Dice to expect. Where images are fewer than a band needs there is none.
    """
    errors: dict[str, dict[str, list[tuple[float, float, float]]]]
    errors = defaultdict(lambda: defaultdict(list))
    hearts: dict[str, dict[str, tuple[Sizes, Sizes, Sizes]]] = defaultdict(dict)
    for one in seen:
        if one.true is None:
            continue
        chosen = choose(one.pseudo, thresholds.of(one.role)).candidates
        ours = {n: float(np.mean([one.sizes[i][n] for i in chosen])) for n in one.true}
        expected = {
            n: float(np.mean([bound.expected(one.doubts[i][n]) for i in chosen]))
            for n, bound in bounds.items()
        }
        hearts[one.patient][one.role] = ours, one.true, expected
        for name, true in one.true.items():
            if name in expected:
                errors[one.role][name].append((ours[name], true, 1 - expected[name]))
    for images in hearts.values():
        fractions = [
            ejection_fractions({role: {"volume_ml": each[i]} for role, each in images.items()})
            for i in (0, 1)
        ]
        found, expert = (told.get(EJECTION, {}) for told in fractions)
        hard = ejection_difficulty([each[2] for each in images.values()])
        for name in found.keys() & expert.keys() & hard.keys():
            errors[EJECTION][name].append((found[name], expert[name], hard[name]))
    return {
        role: {n: ErrorBand.fit(*zip(*each, strict=True)) for n, each in sorted(own.items())}
        for role, own in sorted(errors.items())
        if min(map(len, own.values())) >= FEWEST
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredImage:
    """What candidates said of one image.

    Attributes:
        role: ``SA_ED``, ``LA_ES``, ...
        patient: whose, with the source.
        pseudo: the decisive structure's pseudo-measures, one a candidate.
        sizes: structure -> mL (SA) or cm2 (LA), one a candidate.
        true: the expert's; None where not all structures were drawn.
        doubts: structure -> signs of doubt, one a candidate.
        dices: structure that was drawn -> Dice, one a candidate.
        domain: data set and vendor.
    """

    role: str
    patient: str
    pseudo: list[Pseudo]
    sizes: list[Sizes]
    true: Sizes | None
    doubts: list[dict[str, Signs]]
    dices: list[dict[str, float]]
    domain: str


def _by_role(seen: Sequence[MeasuredImage]) -> dict[str, list[Pseudo]]:
    """Role -> pseudo-measures of all candidates of all images."""
    found: dict[str, list[Pseudo]] = defaultdict(list)
    for one in seen:
        found[one.role] += one.pseudo
    return dict(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Patients that the same networks were never trained on.

    Attributes:
        candidates: segmenters that are judged on them.
        autoencoder: by whom: the first of the bundle that was not trained on them either.
        patients: whose images.
    """

    candidates: list[NetworkEntry]
    autoencoder: NetworkEntry
    patients: list[cache.Patient]

    def of(self, found: Bundle) -> Bundle:
        """The bundle with these networks alone."""
        return found.having([*self.candidates, self.autoencoder])


def judged_patients(found: Bundle, recipe: str, patients: Sequence[cache.Patient]) -> list[Part]:
    """Which of a view's candidates are judged on which patients: never on one they were trained on.

    Synthetic hearts count only where the cache has no others: a threshold means real images.

    Raises:
        WeightsError: the bundle has no segmenter or no autoencoder of the view.
        InputError: a candidate held out nobody whom an autoencoder held out too.
    """
    segmenters, judges = _networks(found, recipe), _networks(found, f"{recipe}-qc")
    real = [p for p in patients if not is_synthetic(p.source)] or list(patients)
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for one in patients:
        groups[one.source][one.patient] = one.disease
    by_whom: dict[tuple[int, ...], list[cache.Patient]] = defaultdict(list)
    for one in real:
        new = partial(
            is_held_out, source=one.source, patient=one.patient, groups=groups[one.source]
        )
        own = [i for i, n in enumerate(segmenters) if new(n)]
        judge = [i for i, n in enumerate(judges) if new(n)]
        if own and judge:
            by_whom[*own, judge[0]].append(one)
    whole = {key: own for key, own in by_whom.items() if len(key) == len(segmenters) + 1}
    parts = [
        Part(
            candidates=[segmenters[i] for i in own],
            autoencoder=judges[judge],
            patients=some,
        )
        for (*own, judge), some in (whole or by_whom).items()
    ]
    if {n["file"] for p in parts for n in p.candidates} != {n["file"] for n in segmenters}:
        raise InputError(
            f"the cache has nobody whom both a segmenter and an autoencoder of {recipe} held out",
            "Use a cache of the data they were trained on, and pack for every fold of the "
            "segmenters an autoencoder trained with the same --fold",
        )
    return parts


def _networks(found: Bundle, recipe: str) -> list[NetworkEntry]:
    own = found.of(recipe)
    if not own:
        raise WeightsError(
            f"the bundle has no network {recipe}", "Pack one: `cmrseg-lab pack mnms2`"
        )
    return own


def _of_each(parts: Sequence[Part]) -> dict[str, HeldOut]:
    """Each candidate's file -> ``fold`` it held out (None for none) and ``patients``."""
    told: dict[str, HeldOut] = {}
    for part in parts:
        for network in part.candidates:
            fold = network["training"]["fold"]
            own = told.setdefault(network["file"], {"fold": fold, "patients": 0})
            own["patients"] += len(part.patients)
    return dict(sorted(told.items()))


def _in_words(parts: Sequence[Part], together: bool) -> str:
    """On whom, for manifest and model card."""
    patients = [patient for part in parts for patient in part.patients]
    sources = ", ".join(sorted({patient.source for patient in patients}))
    told = f"{len(patients)} held-out patients of {sources}"
    return told if together else f"{told}, each candidate on those whom it held out; no intervals"


def _rehearsal(
    cache_dir: Path, patients: Sequence[cache.Patient], parts: Sequence[Part], rehearse: Rehearse
) -> Rehearsal | None:
    """Slices that travel in the bundle; never of a patient whom thresholds are fitted on."""
    held = {p.file for part in parts for p in part.patients}
    if rehearse == "synthetic":
        chosen = [p for p in patients if is_synthetic(p.source)]
    elif rehearse == "learned":
        chosen = [p for p in patients if not is_synthetic(p.source) and p.file not in held]
    else:
        chosen = []
    # Those that the networks learned from were asked for by name: where there are none it is told.
    if not chosen and rehearse != "learned":
        return None
    samples = [
        s for p in chosen for s in cache.load_patient(cache_dir, p).values() if not s.partial
    ]
    return draw_rehearsal(samples)


def _seen(
    found: Bundle,
    recipe: str,
    cache_dir: Path,
    parts: Sequence[Part],
    mirrors: int,
    device: str,
) -> list[MeasuredImage]:
    """What candidates say of the images they are judged on, on the recipe's grid."""
    place = use_device(device)
    seen = []
    patients = sum(len(part.patients) for part in parts)
    with Progress(patients, "patients") as progress:
        for part in parts:
            networks = part.of(found)
            control = QualityControl.from_bundle(networks, f"{recipe}-qc", STRUCTURES, place)
            segmenter = Segmenter.from_bundle(networks, recipe, place)
            if segmenter.preparation != "interior":
                raise InputError(
                    f"the networks {recipe} of this bundle expect images prepared in the old way",
                    "Train new ones: a cache holds what new networks expect",
                )
            look = partial(_look, segmenter, cast(QualityControl, control), recipe, mirrors)
            for done, patient in enumerate(part.patients, start=1):
                samples = cache.load_patient(cache_dir, patient)
                seen += [look(patient, name, samples) for name in samples]
                progress.show(done)
    return seen


def _look(
    segmenter: Segmenter,
    control: QualityControl,
    recipe: str,
    mirrors: int,
    patient: cache.Patient,
    name: str,
    images: dict[str, cache.Sample],
) -> MeasuredImage:
    """As in use: the heart's box, every candidate's mean over mirror images."""
    sample = images[name]
    geometry = Geometry(sample.image.shape, sample.spacing_mm)
    image, beside = Volume(sample.image.astype(np.float32), geometry), other_phase(images, name)
    companion = beside.image.astype(np.float32) if beside else None
    roi = Roi.localised(segmenter, image, companion)
    passes = segmenter.mirrored(roi.image, mirrors, companion=roi.companion)
    maps = passes.candidates
    masks = [ventricles(roi.probabilities(one)) for one in maps]
    pseudo = [control.measure(mask, sample.spacing_mm) for mask in masks]
    known = {n: parts for n, parts in STRUCTURES.items() if not sample.partial or n == "LV"}
    return MeasuredImage(
        role=f"{recipe[-2:].upper()}_{_phase(name)}",
        patient=f"{patient.source} {patient.patient}",
        pseudo=[by_structure[DECISIVE] for by_structure in pseudo],
        doubts=[
            dice_bound.signs(
                answer,
                dice_within_samples(answer, own, STRUCTURES),
                {n: p.pdc for n, p in by.items()},
                STRUCTURES,
            )
            for answer, own, by in zip(maps, np.split(passes.maps, len(maps)), pseudo, strict=True)
        ],
        dices=[
            {
                n: dice(np.isin(mask, parts), np.isin(sample.label, parts))
                for n, parts in known.items()
            }
            for mask in masks
        ],
        domain=f"{patient.source} {patient.vendor}",
        sizes=[_sizes(recipe, image.like(mask)) for mask in masks],
        true=None if sample.partial else _sizes(recipe, image.like(sample.label)),
    )


def _phase(name: str) -> str:
    """ED or ES; a frame of neither counts as ED, of which hearts are larger and fences wider."""
    return "ES" if name.startswith("ES") else "ED"


def _sizes(recipe: str, mask: Volume) -> Sizes:
    (found,) = sizes(recipe[-2:].upper(), mask).values()
    return found


def _table(thresholds: Thresholds) -> str:
    lines = [
        f"{role}: in range from pDC {fences.th_low:.3f} to pHD {fences.th_up_mm:.1f} mm "
        f"({fences.measures} pseudo-measures)"
        for role, fences in sorted(thresholds.by_role.items())
    ]
    return "\n".join(lines)
