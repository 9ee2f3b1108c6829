"""What all contracts share: verified writing by role, and the summary of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from cmrseg.cases.case import CINE, Case, Cine, Contract, ImageSource, Prediction, Result
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.folders import PassedOver, in_kinds
from cmrseg.cases.labels import label_code
from cmrseg.cases.ledger import Ledger
from cmrseg.cases.staging import OUTPUT, Piece, deliver, plain_words
from cmrseg.cases.summary import (
    closing,
    curves_csv,
    details_csv,
    run_summary,
    summary_csv,
    summary_json,
)
from cmrseg.cases.trust import own_file
from cmrseg.imaging.volume import Volume
from cmrseg.imaging.write import packed_cine
from cmrseg.runtime.errors import CmrsegError, InputError, OutputError

ReportKind = bool | Literal["single-file"]
"""Whether there is a page with pictures beside it, or one that holds them."""


class Report(Protocol):
    """What is drawn for people; :class:`cmrseg.report.run_report.RunReport` is the one there is."""

    def picture(
        self, case: Case, result: Result, images: Mapping[str, Volume]
    ) -> tuple[Result, list[Piece]]:
        """Draw a case: the result with the seconds it took, and the files."""
        ...

    def without(self, result: Result, reason: str) -> Result:
        """The result, with a warning that it has no picture."""
        ...

    def picture_path(self, case_id: str) -> PurePath:
        """Where a case's picture goes, relative to the output folder."""
        ...

    def publish(self, stem: str, summary: Mapping[str, Any]) -> str:
        """Write the run's page; why that failed, or nothing."""
        ...


class FileContract(Contract, ABC):
    """Cases from files in an input folder, results to files in an output folder.

    A layout says where cases are found (``recognises``, ``cases``) and what files are called
    (``mask_path``, ``map_path``). With a ``ledger`` it keeps account of what is done, with a
    ``report`` it draws for people. Paths are kept as given and looked up at every call: a platform
    may re-point ``/input`` between two of them.

    Args:
        challenge: which recipe's labels are written.
        input_dir: where cases are looked for.
        output_dir: where results go.
        labels: label code (see ``ChallengeSpec.codes``); None for the layout's usual one.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """What the layout is called in words."""
    looked_for: ClassVar[str]
    challenges: ClassVar[tuple[Challenge, ...]]
    keeps_account: ClassVar[bool] = True
    """Whether anything but results may lie in the output folder."""
    summary_stem = "summary"
    ledger: Ledger | None = None
    report: Report | None = None
    with_maps: bool = True
    """Whether uncertainty maps are written."""
    with_probabilities: bool = False
    """Whether each structure's probabilities are written."""
    dicom_seg: bool = False
    """Whether masks of DICOM series are written as segmentation objects too."""
    passed_over: Sequence[PassedOver] = ()
    """What of the input folder no case is made of, known once the cases are listed."""

    def __init__(
        self,
        challenge: Challenge,
        input_dir: Path,
        output_dir: Path,
        *,
        labels: str | None = None,
    ) -> None:
        self.challenge = challenge
        self.input_dir = input_dir
        self.output_dir = output_dir
        self.code = label_code(challenge, labels or "all")

    @classmethod
    @abstractmethod
    def recognises(cls, input_dir: Path) -> bool:
        """Whether this layout lies in the input folder."""

    @abstractmethod
    def cases(self) -> Iterator[Case]:
        """The cases found, in a stable order."""

    @abstractmethod
    def mask_path(self, case: Case, role: str) -> PurePath:
        """Where a mask goes, relative to the output folder."""

    @abstractmethod
    def map_path(self, case: Case, role: str, name: str) -> PurePath | None:
        """Where a map goes, relative to the output folder; None if the layout has no place."""

    def notes(self) -> tuple[str, ...]:
        """What was passed over, by kind; the summary has the names."""
        kinds = in_kinds(self.passed_over)
        return (f"passed over in the input folder: {kinds}",) if kinds else ()

    def write(self, case: Case, result: Result) -> Result:
        """Put one verified result in its place: all its files, or none.

        Returns:
            The result, with what its picture took, or why there is none.

        Raises:
            OutputError: a file could not be written, or failed its verification.
            InputError: an input image could not be read again to compare with.
        """
        if not result.predictions:
            raise OutputError("there is no mask to write", "please report it as an internal error")
        pieces: list[Piece] = []
        images: dict[str, Volume] = {}
        if result.cine:
            source = case.images[CINE]
            phases = {r: ImageSource(source.path, n) for r, n in result.cine.frames.items()}
            case = replace(case, images={**case.images, **phases})
        for role, prediction in result.predictions.items():
            try:
                images[role] = case.images[role].read()
                pieces += self._pieces(case, role, prediction, images[role])
                if self.dicom_seg and source.path.is_dir():
                    result = self._add_seg(case, role, result, pieces)
            except CmrsegError as error:
                raise error.within(role) from error
        pieces += self.extras(case, result)
        roles = list(result.predictions)
        if result.cine:
            pieces.append(self._cine(case, result.cine, images))
            roles.append(CINE)
        masks = {role: self.mask_path(case, role).as_posix() for role in roles}
        result = replace(result, masks=masks)
        result, written = self._deliver(case, result, pieces, images)
        self._clear(self.outputs(case) - written)
        if self.ledger:
            self.ledger.note(case, result, sorted(written))
        return result

    def done(self, case: Case) -> Result | None:
        """The result that an earlier run left, if it is whole and would come out the same."""
        return self.ledger.done(case) if self.ledger else None

    def under_way(self, case: Case) -> AbstractContextManager[None]:
        """Within this block the account says that the case is being computed."""
        return self.ledger.under_way(case) if self.ledger else nullcontext()

    def was_killed(self, case: Case) -> bool:
        """Whether a run that is gone on with was killed at this case."""
        return bool(self.ledger and self.ledger.was_killed(case))

    def discard(self, case: Case) -> None:
        """Take away what an earlier run wrote for a case that has failed now.

        Raises:
            OutputError: it is still there.
        """
        self._clear(self.outputs(case))
        if self.ledger:
            with plain_words(OUTPUT):
                self.ledger.strike(case.id)

    def outputs(self, case: Case) -> set[PurePath]:
        """Where files of a case may lie that are not of this run."""
        noted = self.ledger.files(case.id) if self.ledger else []
        drawn = [self.report.picture_path(case.id)] if self.report else []
        return {self.mask_path(case, role) for role in case.images} | {*noted, *drawn}

    def account(self) -> str | None:
        """The summary's name."""
        return f"{self.summary_stem}.csv"

    def extras(self, case: Case, result: Result) -> list[Piece]:
        """Files that belong to a case beside masks and maps."""
        return []

    def companions(self) -> list[Piece]:
        """Files that belong to the whole run in this layout."""
        return []

    def finish(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        """Write ``summary.json``, ``summary.csv``, ``details.csv`` and the report.

        Returns:
            Why there is no report although one was asked for.

        Raises:
            OutputError: the summary could not be written.
        """
        told = run_summary(self.challenge, self.name, results, self.passed_over)
        texts: dict[str, Iterable[str]] = {
            f"{self.summary_stem}.json": summary_json(told),
            f"{self.summary_stem}.csv": summary_csv(told["cases"]),
            f"{self._stem('details')}.csv": details_csv(told["cases"]),
        }
        curves = PurePath(f"{self._stem('curves')}.csv")
        if any("cine" in result.measures for result in results.values()):
            texts[str(curves)] = curves_csv(told["cases"])
        else:
            self._clear([curves])
        deliver(
            [Piece(path=PurePath(n), what="summary", content=t) for n, t in texts.items()]
            + self.companions(),
            self.output_dir,
        )
        stem = self._stem("report")
        self._clear(self._further_pages(stem))
        problem = self.report.publish(stem, told) if self.report else ""
        if problem or not self.report:
            # An earlier run's page tells of other masks than those that lie here now.
            self._clear([PurePath(f"{stem}.html")])
        return (problem,) if problem else ()

    def closing(self, results: Mapping[str, Result]) -> str | None:
        """How many cases came to what, and where the report is; of one case a call nothing."""
        if not self.keeps_account:
            return None
        page = self.output_dir / f"{self._stem('report')}.html"
        told = f". Report: {page}" if self.report and page.is_file() else ""
        return closing(results) + told

    def _stem(self, what: str) -> str:
        """What a file beside the summary is called."""
        return self.summary_stem.replace("summary", what, 1)

    def _further_pages(self, stem: str) -> list[PurePath]:
        """The second and further pages of an earlier report."""
        return [PurePath(path.name) for path in self.output_dir.glob(f"{stem}.[0-9]*.html")]

    def _deliver(
        self, case: Case, result: Result, pieces: list[Piece], images: Mapping[str, Volume]
    ) -> tuple[Result, set[PurePath]]:
        """Put a case's files in their places, with its picture if that can be."""
        drawn, picture = self.report.picture(case, result, images) if self.report else (result, [])
        try:
            deliver([*pieces, *picture], self.output_dir)
        except OutputError as error:
            if not (self.report and picture):
                raise
            # The picture may have been too much, for the disk say.
            deliver(pieces, self.output_dir)
            drawn, picture = self.report.without(result, error.problem), []
        return drawn, {piece.path for piece in (*pieces, *picture)}

    def _clear(self, paths: Iterable[PurePath]) -> None:
        """Remove files below the output folder, and the folders that become empty by it.

        No link is followed, and nothing outside the folder is touched.
        """
        with plain_words(OUTPUT):
            for path in (own_file(self.output_dir, path) for path in paths):
                if path is None:
                    continue
                path.unlink(missing_ok=True)  # another run may have been quicker
                for folder in path.relative_to(self.output_dir).parents:
                    if folder == PurePath() or any((self.output_dir / folder).iterdir()):
                        break
                    (self.output_dir / folder).rmdir()

    def _add_seg(self, case: Case, role: str, result: Result, pieces: list[Piece]) -> Result:
        """Add a mask as a segmentation object of its DICOM series, all labels whatever the code.

        Returns:
            The result, with a warning where none could be made: that costs no mask.
        """
        from cmrseg.imaging.dicom_seg import encode_seg

        source, path = case.images[role], self.mask_path(case, role)
        mask, names = result.predictions[role].mask, SPECS[self.challenge].labels
        try:
            content = encode_seg(mask, names, source.path, source.frame)
        except InputError as error:
            return replace(result, warnings=(*result.warnings, f"{role}: {error}"))
        name = path.name.removesuffix(".nii.gz") + ".dcm"
        pieces.append(Piece(path=path.with_name(name), what=f"{role} DICOM SEG", content=content))
        return result

    def _cine(self, case: Case, cine: Cine, images: Mapping[str, Volume]) -> Piece:
        """The mask of all frames, on the voxels of any of them."""
        like = next(image for role, image in images.items() if role in cine.frames)
        labels = np.stack([self.code.encode(like.like(frame)).array for frame in cine.labels])
        content = packed_cine(labels, like)
        return Piece(path=self.mask_path(case, CINE), what="cine mask", content=content)

    def _pieces(
        self, case: Case, role: str, prediction: Prediction, image: Volume
    ) -> Iterator[Piece]:
        yield Piece(
            path=self.mask_path(case, role),
            what=f"{role} mask",
            content=replace(self.code.encode(prediction.mask), header=image.header),
            like=image.geometry,
            labels=self.code.allowed,
        )
        for name, volume in self._maps(prediction):
            path = self.map_path(case, role, name)
            if path is not None:
                content = replace(volume, header=image.header)
                what = f"{role} {name} map"
                yield Piece(path=path, what=what, content=content, like=image.geometry)

    def _maps(self, prediction: Prediction) -> Iterator[tuple[str, Volume]]:
        """What is written beside a mask, by name: uncertainty, and probabilities in 255ths."""
        if self.with_maps:
            for name, volume in prediction.maps.items():
                yield name, replace(volume, array=volume.array.astype(np.float32))
        if self.with_probabilities and prediction.probabilities:
            classes = prediction.probabilities()
            for label, name in SPECS[self.challenge].labels.items():
                share = np.rint(255 * classes[label]).astype(np.uint8)
                yield f"probability-{name.replace(' ', '-')}", prediction.mask.like(share)
