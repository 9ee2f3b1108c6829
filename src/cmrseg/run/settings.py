"""What a run can be told: one set of settings for the command line, the server and Python."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmrseg.quality.selection import TIE
from cmrseg.runtime.budget import USUAL_S
from cmrseg.runtime.errors import UsageError

if TYPE_CHECKING:
    from cmrseg.cases.base import ReportKind
    from cmrseg.run.batch import Part
    from cmrseg.runtime import Precision

CHANGES_RESULTS = (
    *("precision", "mirrors", "samples", "septum_deg", "time_budget", "refine_s", "tie"),
    *("dicom_seg", "save_uncertainty", "save_probabilities"),
)
"""Settings that change what is written for a case, beside layout and labels."""
FLIPS = (1, 2, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How cases are computed, which of them, and what is written.

    Attributes:
        weights: a bundle; None for the usual places (``cmrseg.models.bundle``).
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: what networks compute in; None for the device's usual one.
        mirrors: passes of test-time augmentation by flips: 1, 2 or 4.
        samples: Monte-Carlo dropout passes (emidec), shared by the networks; 0 for no uncertainty.
        septum_deg: where the middle of the septum is in every case (emidec), from the image's
            right, counted upwards; None to find it.
        time_budget: seconds a case may take, the first one's with start-up (``runtime.budget``).
        case_timeout: seconds after which a case has failed; None for no limit.
        refine_s: seconds a case out of distribution may be refined (mnms2); 0 for never.
        tie: candidates within this of the best pDC are averaged (mnms2); 0 for the paper's rule,
            which takes one (``cmrseg.quality.selection``).
        cohort: what is taken from all cases together (mnms2): ``thresholds``, ``refine`` or both.
        contract: the input layout's name; None to detect it.
        labels: label code of the masks; None for the layout's usual one.
        sockets: a Grand Challenge socket table.
        frame: which frame of the cines in a plain folder, from 0.
        resume: leave out what an earlier run did with the same images, weights and settings.
        shard: which cases to take; None for all.
        report: a page for people with pictures beside it, or in it (``single-file``); None for
            True where that may lie in the output folder, which is not so on Grand Challenge.
        command: what the report says was called.
        dicom_seg: write masks of DICOM series as DICOM SEG objects too.
        save_uncertainty: write uncertainty maps; on Grand Challenge its sockets decide.
        save_probabilities: write each structure's probabilities (uint8, 255 for 1).
        subjects: a table of heights, weights and sexes (mnms2, ``cases.subjects``); None for the
            input folder's ``dataset_information.csv``, if there is one.
    """

    weights: str | Path | None = None
    device: str = "auto"
    precision: Precision | None = None
    mirrors: int = 4
    samples: int = 20
    septum_deg: float | None = None
    time_budget: float | None = None
    case_timeout: float | None = USUAL_S
    refine_s: float = 0.0
    tie: float = TIE
    cohort: Collection[str] = ()
    contract: str | None = None
    labels: str | None = None
    sockets: str | Path | None = None
    frame: int | None = None
    resume: bool = False
    shard: Part | None = None
    report: ReportKind | None = False
    command: str = ""
    dicom_seg: bool = False
    save_uncertainty: bool = False
    save_probabilities: bool = False
    subjects: str | Path | None = None

    def __post_init__(self) -> None:
        if self.mirrors not in FLIPS:
            raise UsageError(f"Mirrors cannot be {self.mirrors}", "give 1, 2 or 4")
        if self.samples < 0:
            raise UsageError(f"Samples cannot be {self.samples}", "give 0 for none, or 2 and more")

    @property
    def bundle_folder(self) -> Path | None:
        """Where the weights are; None for the usual places."""
        return Path(self.weights) if self.weights else None

    def decisive(self) -> Mapping[str, Any]:
        """The settings that change a case's result, JSON-ready, for the resume log."""
        return {name: getattr(self, name) for name in CHANGES_RESULTS}
