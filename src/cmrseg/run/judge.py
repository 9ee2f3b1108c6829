"""``cmrseg judge``: a folder of cases and others' masks of them in, the best masks out, judged.

Like ``predict`` but for where masks come from: the same layouts, the same verified writing, the
same summary and report. Sizes come without intervals, which tell of a bundle's own networks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from cmrseg import __version__, runtime
from cmrseg.cases.base import FileContract, ReportKind
from cmrseg.cases.case import Case, Prediction, Result
from cmrseg.cases.detect import open_contract
from cmrseg.imaging.prepare import Prepared
from cmrseg.imaging.volume import Array, Volume
from cmrseg.models import bundle
from cmrseg.quality.inspector import Inspector
from cmrseg.quality.pseudo_metrics import DECISIVE, Pseudo
from cmrseg.quality.thresholds import of_cohort
from cmrseg.quality.uncertainty.measures import predictive_entropy
from cmrseg.recipes.mnms2 import RECIPES, SHORT_AXIS, ImageAnswer
from cmrseg.recipes.mnms2_judge import assessed, inspectors_of, judged, one_hot
from cmrseg.recipes.mnms2_volumes import EJECTION, ejection_fractions, sizes
from cmrseg.recipes.phases import alike, image_digest, lone_slice
from cmrseg.recipes.steps import prepared_image, within_role
from cmrseg.report.run_report import RunReport
from cmrseg.run import batch
from cmrseg.run.external_masks import GivenMasks, MaskLedger, joint_error
from cmrseg.runtime import use_device
from cmrseg.runtime.errors import (
    CmrsegError,
    InputError,
    MemoryLimitError,
    UsageError,
    WeightsError,
)
from cmrseg.runtime.logs import Line, tell
from cmrseg.runtime.time_limit import USUAL_S

Say = Callable[[Line], None]


def judge(
    input_dir: str | Path,
    output_dir: str | Path,
    candidates: Mapping[str, Path],
    *,
    contract: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    labels: str = "all",
    sockets: str | Path | None = None,
    frame: int | None = None,
    thresholds: Literal["frozen", "cohort"] = "frozen",
    resume: bool = False,
    shard: batch.Part | None = None,
    report: ReportKind | None = False,
    command: str = "",
    case_timeout: float | None = USUAL_S,
) -> int:
    """Judge the masks of every case of a folder, and write the chosen ones.

    Args:
        input_dir: cases in any layout of ``cmrseg.cases`` that M&Ms-2 has.
        output_dir: where chosen masks and the summary go.
        candidates: name -> folder of masks (:class:`~cmrseg.run.external_masks.GivenMasks`).
        contract: the layout's name; None to detect it.
        weights: a bundle with quality control; None for the usual places
            (``cmrseg.models.bundle``).
        device: ``auto``, ``cpu``, ``cuda``.
        labels: label code of the chosen masks as they are written.
        sockets: a Grand Challenge socket table.
        frame: which frame of the cines in a plain folder, from 0.
        thresholds: the bundle's, or those of the masks at hand.
        resume: leave out what an earlier run did with the same images, masks, weights and options.
        shard: which cases to take; None for all.
        report: as of ``predict``.
        command: what the report says was called.
        case_timeout: seconds after which a case has failed; None for no limit.

    Returns:
        An exit code of :mod:`cmrseg.runtime.errors`.

    Raises:
        CmrsegError: nothing could be started (input, output, weights, a candidate's folder).
    """
    runtime.share_cpus()
    opened = open_contract(
        "mnms2", input_dir, output_dir, contract, labels=labels, sockets=sockets, frame=frame
    )
    _check_options(opened, report, resume, shard, thresholds == "cohort")
    found = bundle.find("mnms2", Path(weights) if weights else None)
    given = GivenMasks(candidates, opened)
    cases = batch.listed(opened)
    given.check(cases)
    batch.announce(opened.title, cases)
    judging = Judge(found, given, use_device(device))
    if thresholds == "cohort":
        judging.settle(cases, tell)
    if opened.keeps_account:
        _keep_account(opened, judging, resume)
        opened.summary_stem += f"-{shard.name}" if shard else ""
        if report is not False:
            opened.report = RunReport(
                output_dir=opened.output_dir,
                code=opened.code,
                weights=_of_judges(found),
                command=command,
                single_file=report == "single-file",
            )
    return batch.run(opened, judging.judge, cases=cases, shard=shard, case_timeout=case_timeout)


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

    def settle(self, cases: Sequence[Case], say: Say) -> None:
        """Take thresholds from the masks of all cases, as the paper does (section 2.3).

        Args:
            cases: the whole cohort; images that cannot be judged are left out here, and told of
                when their case's turn comes.
            say: takes progress lines and warnings.
        """
        seen: dict[str, dict[str, list[list[Pseudo]]]] = defaultdict(lambda: defaultdict(list))
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
                self.inspectors[view] = _of_cohort(judging, own, say)

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
        review = (*volume.review, *lone_slice(role, volume))
        return ImageAnswer(prediction, told, warnings, review, image_digest(volume))


def _of_cohort(
    inspector: Inspector, measures: Mapping[str, list[list[Pseudo]]], say: Say
) -> Inspector:
    """With the thresholds of the masks at hand, where they are many enough."""
    thresholds, warnings = of_cohort(measures, inspector.thresholds)
    for warning in warnings:
        say(Line(f"thresholds of the cohort: {warning}", "warning"))
    frozen = inspector.thresholds.by_role
    own = {role: one for role, one in thresholds.by_role.items() if one != frozen.get(role)}
    for role, fences in sorted(own.items()):
        said = f"{role} is in range from pDC {fences.th_low:.3f} to pHD {fences.th_up_mm:.1f} mm"
        say(Line(f"thresholds of the cohort: {said} ({fences.measures} pseudo-measures)"))
    return replace(inspector, thresholds=thresholds, of_cohort=frozenset(own))


def _grown(ejected: Mapping[str, Any]) -> Iterator[str]:
    """A warning where a ventricle is larger when it has contracted than before."""
    for name, percent in ejected.get(EJECTION, {}).items():
        if percent < 0:
            yield f"the {name} is larger at ES than at ED: is a mask wrong, or the phases swapped?"


def _check_options(
    opened: FileContract,
    report: ReportKind | None,
    resume: bool,
    shard: batch.Part | None,
    cohort: bool,
) -> None:
    """Refuse what contradicts itself.

    Raises:
        UsageError: a cohort, a report or an account of one case at a time; a cohort in parts.
    """
    if not opened.keeps_account and (report or resume or shard or cohort):
        raise UsageError(
            f"contract '{opened.name}' is one case a call: no cohort, no report, no account",
            "leave --thresholds cohort, --report, --resume and --shard out",
        )
    if cohort and shard:
        raise UsageError(
            "--thresholds cohort: a shard is a part of the cohort", "leave --shard out"
        )


def _keep_account(opened: FileContract, judging: Judge, resume: bool) -> None:
    """Note what is done in the output folder, and under which thresholds."""
    settings = {
        "cmrseg": __version__,
        "command": "judge",
        "contract": opened.name,
        "labels": opened.code.name,
        "bundle": judging.computed["bundle"],
        "thresholds": {
            role: (fences.th_low, fences.th_up_mm)
            for inspector in judging.inspectors.values()
            if inspector
            for role, fences in inspector.thresholds.by_role.items()
        },
    }
    opened.ledger = MaskLedger(opened.output_dir, settings, resume, given=judging.given)
    opened.ledger.open()


def _of_judges(weights: bundle.Bundle) -> bundle.Bundle:
    """A bundle as a report on others' masks is to name it: its autoencoders alone."""
    networks = [one for one in weights.networks if one["recipe"].endswith("-qc")]
    sources = {source for one in networks for source in one["training"]["sources"]}
    data = {name: told for name, told in weights.manifest["data"].items() if name in sources}
    kept = {k: v for k, v in weights.manifest.items() if k != "scores_out_of_fold"}
    return replace(weights, manifest=kept | {"networks": networks, "data": data})
