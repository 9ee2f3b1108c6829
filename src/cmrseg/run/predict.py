"""The main job: a folder of images in, verified masks and measures out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmrseg import __version__, runtime
from cmrseg.cases.base import FileContract, ReportKind
from cmrseg.cases.case import Case, Result
from cmrseg.cases.labels import Challenge
from cmrseg.cases.ledger import Ledger
from cmrseg.models import bundle
from cmrseg.quality.selection import TIE
from cmrseg.run import batch
from cmrseg.runtime import Budget, Precision
from cmrseg.runtime.device import check_device
from cmrseg.runtime.errors import InputError, UsageError, WeightsError
from cmrseg.runtime.logs import Line, tell
from cmrseg.runtime.time_limit import USUAL_S

if TYPE_CHECKING:
    from cmrseg.cases.subjects import Subject
    from cmrseg.recipes.emidec import Emidec
    from cmrseg.recipes.mnms2 import Mnms2

Segment = Callable[[Case], Result]


def predict(
    challenge: Challenge,
    input_dir: str | Path,
    output_dir: str | Path,
    *,
    contract: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: Precision | None = None,
    labels: str | None = None,
    sockets: str | Path | None = None,
    frame: int | None = None,
    mirrors: int = 4,
    samples: int = 20,
    septum_deg: float | None = None,
    time_budget: float | None = None,
    refine_s: float = 0.0,
    tie: float = TIE,
    cohort: Collection[str] = (),
    resume: bool = False,
    shard: batch.Part | None = None,
    report: ReportKind | None = False,
    command: str = "",
    dicom_seg: bool = False,
    case_timeout: float | None = USUAL_S,
    save_uncertainty: bool = False,
    save_probabilities: bool = False,
    subjects: str | Path | None = None,
) -> int:
    """Segment every case of a folder; the models are loaded once.

    Args:
        challenge: the recipe, ``emidec`` or ``mnms2``.
        input_dir: cases in any layout of ``cmrseg.cases``.
        output_dir: where results go.
        contract: the layout's name; None to detect it.
        weights: a bundle; None for the usual places (``cmrseg.models.bundle``).
        device: ``auto``, ``cpu``, ``cuda``.
        precision: what networks compute in; None for the device's usual one.
        labels: label code of the masks; None for the layout's usual one.
        sockets: a Grand Challenge socket table.
        frame: which frame of the cines in a plain folder, from 0.
        mirrors: test-time mirror images: 1, 2 or 4.
        samples: Monte-Carlo dropout passes (emidec), shared by the networks; 0 for no uncertainty.
        time_budget: seconds a case may take, the first one's with start-up (``runtime.budget``).
        septum_deg: where the middle of the septum is in every case (emidec), from the image's
            right, counted upwards; None to find it.
        refine_s: seconds a case out of distribution may be refined (mnms2); 0 for never.
        tie: candidates within this of the best pDC are averaged (mnms2); 0 for the paper's rule,
            which takes one (``cmrseg.quality.selection``).
        cohort: what is taken from all cases together (mnms2): ``thresholds``, ``refine`` or both.
        resume: leave out what an earlier run did with the same images, weights and options.
        shard: which cases to take; None for all.
        report: a page for people with pictures beside it, or in it (``single-file``); None for
            True where that may lie in the output folder, which is not so on Grand Challenge.
        command: what the report says was called.
        dicom_seg: write masks of DICOM series as DICOM SEG objects too.
        case_timeout: seconds after which a case has failed; None for no limit.
        save_uncertainty: write uncertainty maps; on Grand Challenge its sockets decide.
        save_probabilities: write each structure's probabilities (uint8, 255 for 1).
        subjects: a table of heights, weights and sexes (mnms2, ``cases.subjects``); None for the
            input folder's ``dataset_information.csv``, if there is one.

    Returns:
        An exit code of :mod:`cmrseg.runtime.errors`.

    Raises:
        CmrsegError: nothing could be started (input, output, weights).
    """
    from cmrseg.cases.detect import open_contract

    started = time.perf_counter()
    runtime.share_cpus()
    check_device(device)
    opened = open_contract(
        challenge, input_dir, output_dir, contract, labels=labels, sockets=sockets, frame=frame
    )
    cases = batch.listed(opened)
    found = bundle.find(challenge, Path(weights) if weights else None)
    batch.announce(opened.title, cases)
    settings: dict[str, Any] = {"mirrors": mirrors, "samples": samples, "precision": precision}
    settings |= {"refine_s": refine_s} if refine_s else {}
    settings |= {} if septum_deg is None else {"septum_deg": septum_deg}
    settings |= _choose_files(opened, save_uncertainty, save_probabilities)
    people = _people(opened, Path(subjects) if subjects else None)
    settings |= {"subjects": repr(sorted(people.items()))} if people else {}
    settings |= {"tie": tie} if tie != TIE else {}
    if dicom_seg:
        _ask_for_seg(opened)
        settings["dicom_seg"] = True
    _check_cohort(opened, cohort, shard)
    _keep_account(opened, resume, shard, settings | {"time": time_budget, "bundle": found.digest})
    _check_report(opened, report)
    if opened.keeps_account and report is not False:
        # Its drawing libraries take a while to load.
        from cmrseg.report.run_report import RunReport

        opened.report = RunReport(
            output_dir=opened.output_dir,
            code=opened.code,
            weights=found,
            command=command,
            single_file=report == "single-file",
        )
    budget = Budget(time_budget)
    made = model(
        challenge,
        found,
        device=device,
        precision=precision,
        mirrors=mirrors,
        samples=samples,
        septum_deg=septum_deg,
        budget=budget,
        refine_s=refine_s,
        tie=tie,
    )
    tell(Line(f"Computing on {_how(made)}, weights {found.digest[:7]}"))
    if cohort:
        _settle(opened, made, cases, cohort)
    budget.start_up_s = 0.0 if cohort else time.perf_counter() - started
    segment = _with_bodies(made.segment, people) if people else made.segment
    return batch.run(opened, segment, cases=cases, shard=shard, case_timeout=case_timeout)


def recipe(challenge: Challenge, weights: bundle.Bundle, **how: Any) -> Segment:
    """A challenge's recipe with its networks loaded: case in, result out; see :func:`model`."""
    return model(challenge, weights, **how).segment


def model(
    challenge: Challenge,
    weights: bundle.Bundle,
    *,
    device: str = "auto",
    precision: Precision | None = None,
    mirrors: int = 4,
    samples: int = 20,
    septum_deg: float | None = None,
    budget: Budget | None = None,
    refine_s: float = 0.0,
    tie: float = TIE,
) -> Emidec | Mnms2:
    """A challenge's recipe with its networks loaded.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        weights: its bundle.
        device: ``auto``, ``cpu``, ``cuda``.
        precision: None for the device's usual one.
        mirrors: test-time mirror images: 1, 2 or 4.
        samples: Monte-Carlo dropout passes (emidec), shared by the networks.
        septum_deg: where the middle of the septum is (emidec); None to find it.
        budget: the time each case may take; None for as long as it takes.
        refine_s: seconds a case out of distribution may be refined (mnms2); 0 for never.
        tie: candidates within this of the best pDC are averaged (mnms2).

    Raises:
        WeightsError: the bundle has no network of the challenge, or one that does not fit.
        UsageError: there is no such device.
    """
    if not weights.networks:
        raise WeightsError(
            f"the bundle in {weights.folder} has no network", "pack a trained one into it"
        )
    from cmrseg.models.ensemble import Segmenter
    from cmrseg.quality.inspector import Inspector
    from cmrseg.recipes.emidec import Emidec
    from cmrseg.recipes.mnms2 import VIEWS, Mnms2
    from cmrseg.recipes.mnms2_volumes import STRUCTURES, bands_of, bounds_of
    from cmrseg.runtime import use_device

    place, budget = use_device(device), budget or Budget()

    def load(name: str) -> Segmenter:
        return Segmenter.from_bundle(weights, name, place, precision=precision, budget=budget)

    if challenge == "emidec":
        from cmrseg.quality.uncertainty.trust import Trust
        from cmrseg.recipes.emidec_rules import Rules

        rules = Rules.from_manifest(weights.manifest)
        trust = Trust.from_manifest(weights.manifest)
        how = {"mirrors": mirrors, "samples": samples}
        return Emidec(load("emidec"), rules, trust, **how, septum_deg=septum_deg)
    names = {view: f"mnms2-{view.lower()}" for view in VIEWS}
    return Mnms2(
        {view: load(name) for view, name in names.items()},
        mirrors=mirrors,
        budget=budget,
        inspectors={
            view: Inspector.from_bundle(weights, name, STRUCTURES, place, tie)
            for view, name in names.items()
        },
        refine_s=refine_s,
        bands=bands_of(weights.manifest),
        bounds=bounds_of(weights.manifest),
    )


def _choose_files(
    opened: FileContract, save_uncertainty: bool, save_probabilities: bool
) -> dict[str, bool]:
    """Tell the layout what to write beside masks; what of it changes results, for the account.

    Raises:
        UsageError: it has no place for that.
    """
    if not opened.keeps_account:
        if save_uncertainty or save_probabilities:
            raise UsageError(
                f"--save-uncertainty, --save-probabilities: contract '{opened.name}' writes what "
                "its sockets declare",
                "leave them out, or name sockets for maps in a socket table",
            )
        return {}
    opened.with_maps, opened.with_probabilities = save_uncertainty, save_probabilities
    chosen = {"uncertainty": save_uncertainty, "probabilities": save_probabilities}
    return {name: True for name, wanted in chosen.items() if wanted}


def _people(opened: FileContract, asked: Path | None) -> dict[str, Subject]:
    """What is known of the patients' bodies; what lies beside the cases is taken if it can be.

    Raises:
        InputError: the table that was asked for cannot be used.
        UsageError: the recipe has no use for it.
    """
    from cmrseg.cases.subjects import USUAL, read_subjects

    if opened.challenge != "mnms2":
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
    from cmrseg.recipes.body_size import by_body_size

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


def _check_cohort(opened: FileContract, cohort: Collection[str], shard: batch.Part | None) -> None:
    """Refuse what is no cohort.

    Raises:
        UsageError: one case at a time, a part of the cases, or another challenge.
    """
    if not cohort:
        return
    asked = " and ".join(f"--{one} cohort" for one in sorted(cohort))
    if opened.challenge != "mnms2":
        raise UsageError(f"{asked}: there is none in {opened.challenge}", "leave it out")
    if not opened.keeps_account:
        raise UsageError(
            f"{asked}: contract '{opened.name}' is one case a call, which is no cohort",
            "leave it out: the bundle's frozen thresholds are for this",
        )
    if shard:
        raise UsageError(
            f"{asked}: a shard sees a part of the cohort", "leave --shard and --cases out"
        )


def _settle(
    opened: FileContract, made: Emidec | Mnms2, cases: Sequence[Case], cohort: Collection[str]
) -> None:
    """Look at all cases before the first is answered; what was done is done under the same only."""
    from cmrseg.recipes.mnms2 import Mnms2
    from cmrseg.recipes.mnms2_cohort import settle

    if not isinstance(made, Mnms2):
        return
    settled = settle(made, cases, cohort, tell)
    if opened.ledger:
        opened.ledger.settings = {**opened.ledger.settings, "cohort": settled}


def _ask_for_seg(opened: FileContract) -> None:
    """Have masks of DICOM series written as segmentation objects too.

    Raises:
        UsageError: everything in the output folder would be uploaded, or a library is missing.
    """
    from cmrseg.imaging.dicom_seg import check_available

    if not opened.keeps_account:
        raise UsageError(
            f"--dicom-seg: contract '{opened.name}' takes nothing but its own results",
            "leave it out",
        )
    check_available()
    opened.dicom_seg = True


def _check_report(opened: FileContract, wanted: ReportKind | None) -> None:
    """Refuse a report where everything in the output folder would be uploaded.

    Raises:
        UsageError: it is asked for.
    """
    if wanted and not opened.keeps_account:
        raise UsageError(
            f"contract '{opened.name}' leaves nothing but results behind: all of the output folder "
            "is uploaded",
            "leave --report out",
        )


def _keep_account(
    opened: FileContract, resume: bool, shard: batch.Part | None, settings: dict[str, Any]
) -> None:
    """Note what is done in the output folder, where anything but results may lie there.

    Raises:
        UsageError: it may not, and cannot be gone on with or shared.
    """
    if not opened.keeps_account:
        if resume or shard:
            raise UsageError(
                f"contract '{opened.name}' is one case a call and keeps no account of it",
                "leave --resume, --shard and --cases out",
            )
        return
    told = {
        "cmrseg": __version__,
        "challenge": opened.challenge,
        "contract": opened.name,
        "labels": opened.code.name,
    }
    opened.ledger = Ledger(opened.output_dir, settings | told, resume)
    opened.ledger.open()
    if shard:
        opened.summary_stem = f"summary-{shard.name}"
