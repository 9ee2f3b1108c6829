"""One run over a folder of cases: what ``predict`` and ``judge`` have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmrseg import __version__, runtime
from cmrseg.cases.base import FileContract
from cmrseg.cases.case import Case, Result
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.detect import open_contract
from cmrseg.cases.ledger import Ledger
from cmrseg.models import bundle
from cmrseg.run import batch
from cmrseg.run.settings import Settings
from cmrseg.runtime.device import check_device
from cmrseg.runtime.errors import UsageError

Segment = Callable[[Case], Result]


@dataclass(slots=True)
class FolderRun:
    """A run that has begun: input and output are known to be usable.

    Attributes:
        settings: of the run.
        opened: where cases come from and results go.
        cases: all that the input folder holds.
        weights: the verified bundle.
    """

    settings: Settings
    opened: FileContract
    cases: Sequence[Case]
    weights: bundle.Bundle

    @classmethod
    def begin(
        cls,
        challenge: Challenge,
        input_dir: str | Path,
        output_dir: str | Path,
        settings: Settings,
    ) -> FolderRun:
        """Check everything that can be checked before networks are loaded.

        Raises:
            CmrsegError: nothing can be started (settings, input, output, weights).
        """
        runtime.share_cpus()
        check_device(settings.device)
        opened = open_contract(
            challenge,
            input_dir,
            output_dir,
            settings.contract,
            labels=settings.labels,
            sockets=settings.sockets,
            frame=settings.frame,
        )
        _check(opened, settings)
        if opened.keeps_account:
            opened.with_maps = settings.save_uncertainty
            opened.with_probabilities = settings.save_probabilities
            opened.dicom_seg = settings.dicom_seg
            opened.summary_stem += f"-{settings.shard.name}" if settings.shard else ""
        cases = batch.listed(opened)
        found = bundle.find(challenge, settings.bundle_folder)
        batch.announce(opened.title, cases)
        return cls(settings, opened, cases, found)

    def keep_log(self, decisive: Mapping[str, Any], ledger: Callable[..., Ledger] = Ledger) -> None:
        """Note what is done in the output folder, where anything but results may lie there.

        Args:
            decisive: what changes results beside the settings, JSON-ready.
            ledger: the kind of log.

        Raises:
            OutputError: the log cannot be written.
        """
        if not self.opened.keeps_account:
            return
        told = {
            "cmrseg": __version__,
            "challenge": self.opened.challenge,
            "contract": self.opened.name,
            "labels": self.opened.code.name,
            "bundle": self.weights.digest,
        }
        settings = {**self.settings.decisive(), **told, **decisive}
        self.opened.ledger = ledger(self.opened.output_dir, settings, self.settings.resume)
        self.opened.ledger.open()

    def draw_report(self, weights: bundle.Bundle | None = None) -> None:
        """Draw cases and write a page, unless the settings say otherwise.

        Args:
            weights: what the page names; None for the run's bundle.
        """
        if not self.opened.keeps_account or self.settings.report is False:
            return
        # Its drawing libraries take a while to load.
        from cmrseg.report.run_report import RunReport

        self.opened.report = RunReport(
            output_dir=self.opened.output_dir,
            code=self.opened.code,
            weights=weights or self.weights,
            command=self.settings.command,
            single_file=self.settings.report == "single-file",
        )

    def note_cohort(self, settled: Mapping[str, Any]) -> None:
        """What was done before is done only if it was under the same cohort's decisions."""
        if ledger := self.opened.ledger:
            ledger.settings = {**ledger.settings, "cohort": settled}

    def go(self, segment: Segment) -> int:
        """Segment and write all cases; the exit code."""
        shard, limit = self.settings.shard, self.settings.case_timeout
        return batch.run(self.opened, segment, cases=self.cases, shard=shard, case_timeout=limit)


def _check(opened: FileContract, settings: Settings) -> None:
    """Refuse settings that contradict each other or the layout.

    Raises:
        UsageError: they do, or a library is missing.
    """
    if not opened.keeps_account and (asked := list(_beyond_results(settings))):
        raise UsageError(
            f"{', '.join(asked)}: contract '{opened.name}' is one case a call, and all of its "
            "output folder is uploaded",
            "leave out what needs other files or other cases; sockets declare what is written",
        )
    if settings.cohort:
        _check_cohort(opened.challenge, settings.cohort, settings.shard)
    if settings.dicom_seg:
        from cmrseg.imaging.dicom_seg import check_available

        check_available()


def _beyond_results(settings: Settings) -> Iterator[str]:
    """Options that need more than one case, or files that are no results."""
    yield from (f"--{one} cohort" for one in sorted(settings.cohort))
    for option, wanted in (
        ("--report", settings.report),
        ("--resume", settings.resume),
        ("--shard or --cases", settings.shard),
        ("--dicom-seg", settings.dicom_seg),
        ("--save-uncertainty", settings.save_uncertainty),
        ("--save-probabilities", settings.save_probabilities),
    ):
        if wanted:
            yield option


def _check_cohort(challenge: Challenge, cohort: Collection[str], shard: batch.Part | None) -> None:
    asked = " and ".join(f"--{one} cohort" for one in sorted(cohort))
    if not SPECS[challenge].cohorts:
        raise UsageError(f"{asked}: there is none in {challenge}", "leave it out")
    if shard:
        raise UsageError(
            f"{asked}: a shard sees a part of the cohort", "leave --shard and --cases out"
        )
