"""The main job: a folder of images in, verified masks and measures out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmrseg.cases.base import FileContract
from cmrseg.cases.case import Case, Result
from cmrseg.cases.challenge import EMIDEC, SPECS, Challenge
from cmrseg.models import bundle
from cmrseg.run.folder_run import FolderRun, Segment
from cmrseg.run.settings import Settings
from cmrseg.runtime import Budget
from cmrseg.runtime.errors import InputError, UsageError, WeightsError
from cmrseg.runtime.logs import Line, tell

if TYPE_CHECKING:
    from cmrseg.cases.subjects import Subject
    from cmrseg.recipes.emidec import Emidec
    from cmrseg.recipes.mnms2 import Mnms2
    from cmrseg.recipes.mnms2_cohort import Settled


def predict(
    challenge: Challenge,
    input_dir: str | Path,
    output_dir: str | Path,
    settings: Settings | None = None,
    **changed: Any,
) -> int:
    """Segment every case of a folder; the models are loaded once.

    Args:
        challenge: the recipe, ``emidec`` or ``mnms2``.
        input_dir: cases in any layout of ``cmrseg.cases``.
        output_dir: where results go.
        settings: how; None for the usual ones.
        changed: single settings by name (:class:`~cmrseg.run.settings.Settings`), ``mirrors=1``.

    Returns:
        An exit code of :mod:`cmrseg.runtime.errors`.

    Raises:
        CmrsegError: nothing could be started (input, output, weights).
    """
    settings = replace(settings or Settings(), **changed)
    started = time.perf_counter()
    run = FolderRun.begin(challenge, input_dir, output_dir, settings)
    people = _people(run.opened, Path(settings.subjects) if settings.subjects else None)
    run.keep_log({"subjects": repr(sorted(people.items()))} if people else {})
    run.draw_report()
    budget = Budget(settings.time_budget)
    made = model(challenge, run.weights, settings, budget)
    tell(Line(f"Computing on {_how(made)}, weights {run.weights.digest[:7]}"))
    if settings.cohort:
        run.note_cohort(_settled(made, run))
    budget.start_up_s = 0.0 if settings.cohort else time.perf_counter() - started
    return run.go(_with_bodies(made.segment, people) if people else made.segment)


def model(
    challenge: Challenge,
    weights: bundle.Bundle,
    settings: Settings | None = None,
    budget: Budget | None = None,
    **changed: Any,
) -> Emidec | Mnms2:
    """A challenge's recipe with its networks loaded.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        weights: its bundle.
        settings: device, precision, mirrors, samples, septum_deg, refine_s and tie matter.
        budget: the time each case may take; None for as long as it takes.
        changed: single settings by name.

    Raises:
        WeightsError: the bundle has no network of the challenge, or one that does not fit.
        UsageError: there is no such device.
    """
    settings = replace(settings or Settings(), **changed)
    if not weights.networks:
        raise WeightsError(
            f"the bundle in {weights.folder} has no network", "pack a trained one into it"
        )
    from cmrseg.models.ensemble import Segmenter
    from cmrseg.quality.inspector import Inspector
    from cmrseg.recipes.emidec import ANY_CONTRAST, RECIPE, Emidec
    from cmrseg.recipes.mnms2 import RECIPES, Mnms2
    from cmrseg.recipes.mnms2_volumes import STRUCTURES, bands_of, bounds_of
    from cmrseg.runtime import use_device

    place, budget = use_device(settings.device), budget or Budget()

    def load(name: str) -> Segmenter:
        precision = settings.precision
        return Segmenter.from_bundle(weights, name, place, precision=precision, budget=budget)

    if challenge == EMIDEC.name:
        from cmrseg.quality.uncertainty.trust import Trust
        from cmrseg.recipes.emidec_rules import Rules

        return Emidec(
            load(RECIPE.name),
            Rules.from_manifest(weights.manifest),
            Trust.from_manifest(weights.manifest),
            mirrors=settings.mirrors,
            samples=settings.samples,
            septum_deg=settings.septum_deg,
            fallback=load(ANY_CONTRAST),
        )
    names = {view: recipe.name for view, recipe in RECIPES.items()}
    return Mnms2(
        {view: load(name) for view, name in names.items()},
        mirrors=settings.mirrors,
        budget=budget,
        inspectors={
            view: Inspector.from_bundle(weights, name, STRUCTURES, place, settings.tie)
            for view, name in names.items()
        },
        refine_s=settings.refine_s,
        bands=bands_of(weights.manifest),
        bounds=bounds_of(weights.manifest),
    )


def _settled(made: Emidec | Mnms2, run: FolderRun) -> Settled:
    """What all cases together decide, looked at before the first is answered."""
    from cmrseg.recipes.mnms2 import Mnms2
    from cmrseg.recipes.mnms2_cohort import settle

    return settle(made, run.cases, run.settings.cohort, tell) if isinstance(made, Mnms2) else {}


def _people(opened: FileContract, asked: Path | None) -> dict[str, Subject]:
    """What is known of the patients' bodies; what lies beside the cases is taken if it can be.

    Raises:
        InputError: the table that was asked for cannot be used.
        UsageError: the recipe has no use for it.
    """
    from cmrseg.cases.subjects import USUAL, read_subjects

    if not SPECS[opened.challenge].by_body_size:
        if asked:
            raise UsageError(f"--subjects: {opened.challenge} takes no table", "leave it out")
        return {}
    if asked:
        return read_subjects(asked)
    beside = [opened.input_dir / USUAL, *sorted(opened.input_dir.glob(f"*/{USUAL}"))]
    table = next((path for path in beside if path.is_file()), None)
    if table is None or not opened.keeps_account:
        return {}
    try:
        return read_subjects(table)
    except InputError as error:
        tell(Line(f"not indexed by body surface area: {error}", "warning"))
        return {}


def _with_bodies(segment: Segment, people: Mapping[str, Subject]) -> Segment:
    """A recipe whose measures are also told by body surface area, where it is known."""
    from cmrseg.cases.subjects import code
    from cmrseg.recipes.mnms2_volumes import by_body_size

    def segmented(case: Case) -> Result:
        result = segment(case)
        subject = people.get(code(case.id))
        if subject is None:
            return result
        measures = {**result.measures, **by_body_size(result.measures, subject)}
        return replace(result, measures=measures)

    return segmented


def _how(made: Emidec | Mnms2) -> str:
    """Device and precision, in words."""
    from cmrseg.recipes.mnms2 import Mnms2

    one = next(iter(made.segmenters.values())) if isinstance(made, Mnms2) else made.segmenter
    return f"{str(one.device).upper()}, {one.precision}"
