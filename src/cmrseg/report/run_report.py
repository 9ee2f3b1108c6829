"""The report of a run: a picture a case beside its masks, and a page that lists all cases.

Out, below the output folder::

    report.html                 all cases, worst first; of a shard ``report-IofN.html``;
                                of a large cohort ``report.2.html`` and so on go on with it
    report/<case>.png           one a case: slices with contours, uncertainty, the verdict
    report/<case>.slices.webp   every slice, for the page to leaf through
    report/<case>.lines.webp    the contours that the page lays over them
    labels.ctbl                 names and colours of the masks' labels, for 3D Slicer
    labels-itksnap.txt          the same for ITK-SNAP

With ``single_file`` the page holds all of it and can be mailed by itself.

Pictures go out with their masks, in one step. A report that fails costs no mask: it becomes a
warning, and what an earlier run drew is taken away.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, cast
from urllib.parse import quote

import numpy as np

from cmrseg.cases.case import Case, Result
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.labels import LabelCode
from cmrseg.cases.staging import Piece, deliver
from cmrseg.cases.summary import record, to_json
from cmrseg.cases.trust import own_file
from cmrseg.imaging.volume import Volume
from cmrseg.models.bundle import Bundle
from cmrseg.quality import two_views
from cmrseg.report.bullseye import segment_panels
from cmrseg.report.canvas import carried, data_uri, small_uri
from cmrseg.report.case_sheet import SheetView, case_sheet
from cmrseg.report.legend import ITK_SNAP, SLICER, itk_snap_table, slicer_table, written_labels
from cmrseg.report.overview import overview
from cmrseg.report.page import Picture, Weights, run_pages
from cmrseg.report.status import status_of
from cmrseg.report.viewer import leaves
from cmrseg.runtime.errors import DEBUG_VARIABLE, CmrsegError

FOLDER = "report"
SHEET, SLICES, LINES = ".png", ".slices.webp", ".lines.webp"
"""Ends of a case's pictures' names."""
LONGEST = 200
"""Bytes of a picture's name; file systems take 255, and some add to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """Draws what people look at.

    Attributes:
        output_dir: where results go.
        code: how labels are written.
        weights: what makes the masks, of which challenge.
        command: what was called, with no path in it; empty if nobody says so.
        single_file: whether the page holds its pictures.
    """

    output_dir: Path
    code: LabelCode
    weights: Bundle
    command: str = ""
    single_file: bool = False

    @property
    def challenge(self) -> Challenge:
        """Whose labels the results hold."""
        return SPECS[cast(Challenge, self.weights.manifest["challenge"])].name

    def picture(
        self, case: Case, result: Result, images: Mapping[str, Volume]
    ) -> tuple[Result, list[Piece]]:
        """Draw a case.

        Args:
            case: whose result it is.
            result: with at least one prediction.
            images: by role, as they were read.

        Returns:
            The result with the seconds it took, and the picture; without a picture but with a
            warning where it could not be drawn.
        """
        started = time.perf_counter()
        try:
            drawn = self._drawn(case, result, images)
        except Exception as error:  # no fault of a picture's may cost a mask
            return self.without(result, _fault(error)), []
        seconds = round(time.perf_counter() - started, 3)
        timed = replace(result, timings_s={**result.timings_s, "report": seconds})
        path = self.picture_path(case.id)
        return timed, [
            Piece(path=path.with_suffix(ending), what="picture", content=content)
            for ending, content in drawn.items()
        ]

    def without(self, result: Result, reason: str) -> Result:
        """The result, saying that it has no picture."""
        said = f"there is no picture of this case ({reason}); its masks are not touched by that"
        return replace(result, warnings=(*result.warnings, said))

    def picture_path(self, case_id: str) -> PurePath:
        """Where a case's picture goes, relative to the output folder."""
        name = os.fsencode(case_id)
        if len(name) > LONGEST:
            digest = hashlib.sha256(name).hexdigest()[:16]
            name = name[:LONGEST] + f"-{digest}".encode()
        return PurePath(FOLDER, os.fsdecode(name) + SHEET)

    def publish(self, stem: str, summary: Mapping[str, Any]) -> str:
        """Write the run's pages and the label descriptions.

        Args:
            stem: of the first page's name.
            summary: as ``summary.json`` has it; its cases are gone through several times.

        Returns:
            Why that failed; empty if it did not.
        """
        try:
            deliver(self._pages(stem, summary), self.output_dir)
        except CmrsegError as error:
            return f"there is no report: {error}"
        except Exception as error:  # nor may a page's fault make a run one that failed
            return f"there is no report: {_fault(error)}"
        return ""

    def _pages(self, stem: str, summary: Mapping[str, Any]) -> Iterator[Piece]:
        weights = Weights(digest=self.weights.digest, manifest=self.weights.manifest)
        labels = written_labels(SPECS[self.challenge].labels, self.code.written)
        texts = chain(
            run_pages(
                summary, self._picture, weights, stem, command=self.command, made=datetime.now(UTC)
            ),
            [(SLICER, slicer_table(labels)), (ITK_SNAP, itk_snap_table(labels))],
        )
        return (Piece(path=PurePath(n), what="report", content=t) for n, t in texts)

    def _picture(self, case_id: str) -> Picture | None:
        """A case's picture, if it is there."""
        path = self.picture_path(case_id)
        found = carried(self.output_dir / path)
        if found is None:
            return None
        slices, lines = (path.with_suffix(ending) for ending in (SLICES, LINES))
        return Picture(
            href=self._href(path),
            size=found.size,
            thumbnail=found.thumbnail,
            viewer=found.viewer,
            slices=self._href(slices) if found.viewer else "",
            lines=self._href(lines) if found.viewer else "",
        )

    def _href(self, path: PurePath) -> str:
        """Where the page finds a picture: beside it, or in itself."""
        if not self.single_file:
            return quote(os.fsencode(path))
        file = own_file(self.output_dir, path)
        if file is None:
            return ""
        return data_uri(file) if path.suffix == ".webp" else small_uri(file)

    def _drawn(self, case: Case, result: Result, images: Mapping[str, Volume]) -> dict[str, bytes]:
        """The pictures of a case, by the ending of their names."""
        told = json.loads(to_json(record(case.id, result)))
        views = [
            SheetView(
                role=role,
                image=images[role],
                mask=prediction.mask,
                maps=prediction.maps,
                expected=prediction.expected() if prediction.expected else None,
                trace=_trace(role, result),
            )
            for role, prediction in result.predictions.items()
        ]
        names = SPECS[self.challenge].labels
        found = leaves(views, names)
        sheet = case_sheet(
            case.id,
            views,
            names,
            verdict=status_of(told),
            overview=overview(told),
            below=segment_panels(told["measures"]),
            viewer=found.about,
        )
        return {SHEET: sheet, SLICES: found.slices, LINES: found.lines}


def _trace(role: str, result: Result) -> Volume | None:
    """The short axis's mask along a long axis's plane, where both are there and cross."""
    short = result.predictions.get(f"SA{role[2:]}")
    if short is None or not role.startswith("LA"):
        return None
    mask = result.predictions[role].mask
    both = two_views.cut(short.mask, mask)
    if both is None:
        return None
    return mask.like(np.where(both.trace == two_views.OUTSIDE, 0, both.trace))


def _fault(error: Exception) -> str:
    """A fault in words that name no file."""
    if os.environ.get(DEBUG_VARIABLE) == "1":
        traceback.print_exception(error)
    return f"an internal error, {type(error).__name__}; {DEBUG_VARIABLE}=1 shows where"
