"""Quality thresholds of one view, fitted on hearts that the networks judged on them never met.

Candidates are made as in use: each network's mean over its mirror images. What is fitted is frozen
into the bundle's manifest, with the measures themselves (reports lay a run's values beside them),
and with how far sizes lay from the experts': the intervals of those to come, where candidates held
out the same patients (:mod:`cmrseg_lab.training.calibration.mnms2_folds`). Beside it go labelled
slices for refinement, of the hearts that the caller chooses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast

import numpy as np

from cmrseg.imaging.postprocess import ventricles
from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.models import bundle
from cmrseg.models.bundle import Bundle
from cmrseg.models.ensemble import Segmenter
from cmrseg.quality.control import QualityControl
from cmrseg.quality.pseudo_metrics import DECISIVE, Pseudo
from cmrseg.quality.selection import choose
from cmrseg.quality.thresholds import Thresholds, fit
from cmrseg.quality.uncertainty.conformal import FEWEST, ErrorBand
from cmrseg.recipes.mnms2_volumes import EJECTION, STRUCTURES, ejection_fractions, sizes
from cmrseg.runtime import Progress, use_device
from cmrseg_lab.training import cache
from cmrseg_lab.training.calibration.mnms2_folds import Dealt, deal
from cmrseg_lab.training.pack import record_quality
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


def calibrate(
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
            or the networks met none of the cache's patients whose slices are asked for.
        WeightsError: the bundle has no segmenter or no autoencoder of the view.
    """
    found = bundle.find("mnms2", weights)
    entries = cache.read_index(cache_dir, recipe)
    own = deal(found, recipe, entries)
    rehearsable = _rehearsable(entries, own.entries, rehearse)
    # Those that the networks learned from were asked for by name: where there are none it is told.
    asked = rehearsable or rehearse == "learned"
    rehearsed = draw_rehearsal(cache_dir, rehearsable) if asked else None
    seen = _seen(found, recipe, cache_dir, own, mirrors, device)
    measures = _by_role(seen)
    thresholds = fit(measures)
    expected = bands(seen, thresholds) if own.together else {}
    record_quality(
        found.folder,
        recipe,
        thresholds,
        rehearsed,
        own.in_words() + TRAVELLING * (rehearse == "learned"),
        candidates=own.of_each(),
        population=population(measures),
        bands={
            role: {name: band.as_dict() for name, band in by_name.items()}
            for role, by_name in expected.items()
        },
    )
    older = found.manifest.get("quality", {}).get(recipe, {}).get("rehearsal")
    if older and not rehearsed:
        (found.folder / older).unlink(missing_ok=True)
    return _table(thresholds)


def without_refinement(weights: Path | None = None) -> str:
    """What is to be told of a calibrated bundle that has no slices to rehearse; else nothing."""
    quality = bundle.find("mnms2", weights).manifest.get("quality", {})
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


def bands(seen: Sequence[Seen], thresholds: Thresholds) -> dict[str, dict[str, ErrorBand]]:
    """Errors to expect: of sizes by role and structure, and of ejection fractions.

    Sizes are those of the candidates that quality control takes; where it takes two, their mean.
    Where images are fewer than a band needs there is none.
    """
    pairs: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    hearts: dict[str, dict[str, tuple[Sizes, Sizes]]] = defaultdict(dict)
    for one in seen:
        chosen = choose(one.pseudo, thresholds.of(one.role)).candidates
        ours = {n: float(np.mean([one.sizes[i][n] for i in chosen])) for n in one.true}
        hearts[one.patient][one.role] = ours, one.true
        for name, true in one.true.items():
            pairs[one.role][name].append((ours[name], true))
    for images in hearts.values():
        fractions = [
            ejection_fractions({role: {"volume_ml": both[i]} for role, both in images.items()})
            for i in (0, 1)
        ]
        found, expert = (told.get(EJECTION, {}) for told in fractions)
        for name in found.keys() & expert.keys():
            pairs[EJECTION][name].append((found[name], expert[name]))
    return {
        role: {n: ErrorBand.fit(*zip(*both, strict=True)) for n, both in sorted(own.items())}
        for role, own in sorted(pairs.items())
        if min(map(len, own.values())) >= FEWEST
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What candidates said of one image.

    Attributes:
        role: ``SA_ED``, ``LA_ES``, ...
        patient: whose, with the source.
        pseudo: the decisive structure's pseudo-measures, one a candidate.
        sizes: structure -> mL (SA) or cm2 (LA), one a candidate.
        true: the expert's.
    """

    role: str
    patient: str
    pseudo: list[Pseudo]
    sizes: list[Sizes]
    true: Sizes


def _by_role(seen: Sequence[Seen]) -> dict[str, list[Pseudo]]:
    """Role -> pseudo-measures of all candidates of all images."""
    found: dict[str, list[Pseudo]] = defaultdict(list)
    for one in seen:
        found[one.role] += one.pseudo
    return dict(found)


def _rehearsable(
    entries: Sequence[cache.Entry], held: Sequence[cache.Entry], rehearse: Rehearse
) -> list[cache.Entry]:
    """Volumes whose slices may travel in the bundle; never of whom thresholds are fitted on."""
    if rehearse == "synthetic":
        return [e for e in entries if is_synthetic(e.source)]
    if rehearse == "learned":
        return [e for e in entries if not is_synthetic(e.source) and e not in held]
    return []


def _seen(
    found: Bundle, recipe: str, cache_dir: Path, own: Dealt, mirrors: int, device: str
) -> list[Seen]:
    """What candidates say of the images they are judged on, on the recipe's grid."""
    place = use_device(device)
    seen = []
    with Progress(len(own.entries), "images") as progress:
        for part in own.parts:
            networks = part.of(found)
            control = QualityControl.from_bundle(networks, f"{recipe}-qc", STRUCTURES, place)
            segmenter = Segmenter.from_bundle(networks, recipe, place)
            look = partial(_look, segmenter, cast(QualityControl, control), recipe, mirrors)
            for entry in part.entries:
                seen.append(look(entry, cache.load(cache_dir, entry)))
                progress.show(len(seen))
    return seen


def _look(
    segmenter: Segmenter,
    control: QualityControl,
    recipe: str,
    mirrors: int,
    entry: cache.Entry,
    sample: cache.Sample,
) -> Seen:
    image = Volume(sample.image, Geometry(sample.image.shape, sample.spacing_mm))
    maps = segmenter.candidates(segmenter.mirrored(image, mirrors))
    masks = [ventricles(one) for one in maps]
    return Seen(
        role=_role(recipe, entry),
        patient=f"{entry.source} {entry.patient}",
        pseudo=[control.measure(mask, sample.spacing_mm)[DECISIVE] for mask in masks],
        sizes=[_sizes(recipe, image.like(mask)) for mask in masks],
        true=_sizes(recipe, image.like(sample.label)),
    )


def _sizes(recipe: str, mask: Volume) -> Sizes:
    (found,) = sizes(recipe[-2:].upper(), mask).values()
    return found


def _role(recipe: str, entry: cache.Entry) -> str:
    """The role an image stands for: slices cut out of short-axis stacks are long-axis images."""
    return f"{recipe[-2:].upper()}_{entry.role[-2:]}"


def _table(thresholds: Thresholds) -> str:
    lines = [
        f"{role}: in range from pDC {fences.th_low:.3f} to pHD {fences.th_up_mm:.1f} mm "
        f"({fences.measures} pseudo-measures)"
        for role, fences in sorted(thresholds.by_role.items())
    ]
    return "\n".join(lines)
