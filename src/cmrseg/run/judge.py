"""``cmrseg judge``: a folder of cases and others' masks of them in, the best masks out, judged.

Like ``predict`` but for where masks come from: the same layouts, the same verified writing, the
same summary and report. Sizes come without intervals, which tell of a bundle's own networks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cmrseg.cases.case import Case, Prediction, Result
from cmrseg.cases.challenge import MNMS2
from cmrseg.imaging.prepare import Prepared
from cmrseg.imaging.volume import Array, Volume
from cmrseg.models import bundle
from cmrseg.models.manifest import FencesEntry
from cmrseg.quality.inspector import Inspector
from cmrseg.quality.pseudo_metrics import DECISIVE, Pseudo
from cmrseg.quality.uncertainty.measures import predictive_entropy
from cmrseg.recipes.mnms2 import RECIPES, SHORT_AXIS, ImageAnswer, seems_other
from cmrseg.recipes.mnms2_cohort import Say, with_thresholds
from cmrseg.recipes.mnms2_judge import assessed, inspectors_of, judged, one_hot
from cmrseg.recipes.mnms2_volumes import EJECTION, STRUCTURES, ejection_fractions, sizes
from cmrseg.recipes.phases import alike, image_digest, lone_slice
from cmrseg.recipes.steps import prepared_image, within_role
from cmrseg.run.external_masks import GivenMasks, MaskLedger, joint_error
from cmrseg.run.folder_run import FolderRun
from cmrseg.run.settings import Settings
from cmrseg.runtime import use_device
from cmrseg.runtime.errors import CmrsegError, InputError, MemoryLimitError, WeightsError
from cmrseg.runtime.logs import Line, tell

WHOLE = {label for parts in STRUCTURES.values() for label in parts}
"""Labels of masks of the whole heart; of a part alone no shape is known."""


def judge(
    input_dir: str | Path,
    output_dir: str | Path,
    candidates: Mapping[str, Path],
    settings: Settings | None = None,
    **changed: Any,
) -> int:
    """Judge the masks of every case of a folder, and write the chosen ones.

    Args:
        input_dir: cases in any layout of ``cmrseg.cases`` that M&Ms-2 has.
        output_dir: where chosen masks and the summary go.
        candidates: name -> folder of masks (:class:`~cmrseg.run.external_masks.GivenMasks`).
        settings: how; of a ``cohort`` its ``thresholds`` can be taken.
        changed: single settings by name (:class:`~cmrseg.run.settings.Settings`).

    Returns:
        An exit code of :mod:`cmrseg.runtime.errors`.

    Raises:
        CmrsegError: nothing could be started (input, output, weights, a candidate's folder).
    """
    settings = replace(settings or Settings(), **changed)
    settings = replace(settings, labels=settings.labels or "all")
    run = FolderRun.begin(MNMS2.name, input_dir, output_dir, settings)
    run.opened.with_maps = True
    given = GivenMasks(candidates, run.opened)
    given.check(run.cases)
    judging = Judge(run.weights, given, use_device(settings.device))
    run.keep_log({"command": "judge"}, partial(MaskLedger, given=given))
    if settings.cohort:
        run.note_cohort(judging.settle(run.cases, tell))
    run.draw_report(_of_judges(run.weights))
    return run.go(judging.judge)


class Judge:
    """Quality control of given masks, case by case.

    Args:
        weights: the bundle whose autoencoders and thresholds judge.
        given: where the masks are.
        device: where autoencoders compute.
    """

    def __init__(self, weights: bundle.Bundle, given: GivenMasks, device: torch.device) -> None:
        self.inspectors, self.given = inspectors_of(weights, device), given
        self.computed = {
            "device": str(device),
            "precision": "fp32",
            "threads": torch.get_num_threads(),
            "bundle": weights.digest,
            "candidates": ", ".join(given.folders),
        }

    def judge(self, case: Case) -> Result:
        """The chosen mask of each of a patient's images, verdicts and volumes.

        Raises:
            InputError: no image, or no mask of it, can be used.
            MemoryLimitError: no image fits.
            WeightsError: there is no quality control for any of the images.
        """
        answers: dict[str, ImageAnswer] = {}
        failed: dict[str, CmrsegError] = {}
        for role, inspector in self._served(case):
            try:
                with within_role(role):
                    answers[role] = self._image(case, role, inspector)
            except (InputError, MemoryLimitError) as error:
                failed[role] = error
        if failed and not answers:
            raise joint_error(list(failed.values()))
        unserved = [role for role in case.images if role not in (*answers, *failed)]
        if not answers:
            raise WeightsError(
                f"the bundle has no quality control for {', '.join(unserved)}",
                "give one that has it",
            )
        said = "not judged, the bundle has no quality control for it"
        warnings = [f"{role}: {one}" for role, answer in answers.items() for one in answer.warnings]
        review = [f"{role}: {one}" for role, answer in answers.items() for one in answer.review]
        found = {role: answer.measures for role, answer in answers.items()}
        twins = alike({role: answer.digest for role, answer in answers.items()})
        ejected = {} if SHORT_AXIS & set(twins) else ejection_fractions(found)
        return Result(
            predictions={role: answer.prediction for role, answer in answers.items()},
            failed=failed,
            measures=found | ejected,
            computed=self.computed,
            warnings=(*warnings, *(f"{role}: {said}" for role in unserved), *_grown(ejected)),
            review=(*review, *twins.values()),
        )

    def settle(self, cases: Sequence[Case], say: Say) -> dict[str, dict[str, FencesEntry]]:
        """Take thresholds from the masks of all cases, as the paper does (section 2.3).

        Args:
            cases: the whole cohort; images that cannot be judged are left out here, and told of
                when their case's turn comes.
            say: takes progress lines and warnings.

        Returns:
            The thresholds by view, JSON-ready.
        """
        seen: dict[str, dict[str, list[Sequence[Pseudo]]]] = defaultdict(lambda: defaultdict(list))
        for number, case in enumerate(cases, 1):
            for role, inspector in self._served(case):
                try:
                    _, prepared, given = self._read(case, role)
                    measures = assessed(inspector, role, prepared, given).measures
                except (InputError, MemoryLimitError):
                    continue
                seen[role[:2]][role].append([one[DECISIVE] for one in measures])
            say(Line(f"looked at ({number}/{len(cases)})", case=case.log_name))
        for view, own in seen.items():
            if judging := self.inspectors[view]:
                self.inspectors[view] = with_thresholds(judging, own, say)
        settled = self.inspectors.items()
        return {view: one.thresholds.as_dict() for view, one in settled if one and view in seen}

    def _served(self, case: Case) -> Iterator[tuple[str, Inspector]]:
        """The images that there is quality control for."""
        for role in case.images:
            inspector = self.inspectors.get(role[:2])
            if inspector is not None and role in inspector.thresholds.by_role:
                yield role, inspector

    def _read(self, case: Case, role: str) -> tuple[Volume, Prepared, dict[str, Array]]:
        """An image as stored and as prepared, and its masks by candidate."""
        volume, prepared = prepared_image(case.images[role], RECIPES[role[:2]].grid)
        return volume, prepared, self.given.read(case, role, volume.geometry)

    def _image(self, case: Case, role: str, inspector: Inspector) -> ImageAnswer:
        """One image: its chosen mask, and what is to be told of it."""
        volume, prepared, given = self._read(case, role)
        found = judged(inspector, role, prepared, given)
        mask = volume.like(found.mask)
        maps = {}
        if len(given) > 1:
            shares = np.mean([one_hot(one) for one in given.values()], axis=0)
            maps["entropy"] = volume.like(predictive_entropy(shares).astype(np.float32))
        prediction = Prediction(mask, maps, lambda: volume.like(found.expected))
        told = sizes(role[:2], mask) | {"quality": found.told}
        warnings = (*volume.warnings, *found.warnings)
        whole = set(np.unique(found.mask)) >= WHOLE
        review = (
            *volume.review,
            *lone_slice(role, volume),
            *(seems_other(role, volume, found.mask) if whole else ()),
        )
        return ImageAnswer(
            prediction=prediction,
            measures=told,
            warnings=warnings,
            review=review,
            digest=image_digest(volume),
        )


def _grown(ejected: Mapping[str, Any]) -> Iterator[str]:
    """A warning where a ventricle is larger when it has contracted than before."""
    for name, percent in ejected.get(EJECTION, {}).items():
        if percent < 0:
            yield f"the {name} is larger at ES than at ED: is a mask wrong, or the phases swapped?"


def _of_judges(weights: bundle.Bundle) -> bundle.Bundle:
    """A bundle as a report on others' masks is to name it: its autoencoders alone."""
    kept = weights.having([one for one in weights.networks if one["recipe"].endswith("-qc")])
    sources = {source for one in kept.networks for source in one["training"]["sources"]}
    manifest = kept.manifest.copy()
    manifest["data"] = {n: data for n, data in manifest["data"].items() if n in sources}
    manifest.pop("scores_out_of_fold", None)
    return replace(kept, manifest=manifest)
