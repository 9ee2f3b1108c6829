"""An evaluation method for a challenge's platform: evalutils' walk, our metrics.

In: a submission (:mod:`cmrseg.evaluation.evalutils_jobs`, or the challenge's own folders of
:mod:`cmrseg.evaluation.pairs`) and the expert labels. Out: ``metrics.json``, ``results`` by case
and ``aggregates`` by metric, strict JSON. Unlike ``cmrseg evaluate`` this scores all cases or none:
a mean over fewer cases than other participants' is no score, so what is missing, too much or unfit
ends it with every name told.

What evalutils 0.4.2 does that segmentations must not suffer, and so is done otherwise here:

- its walk offers every file to the loader and logs the names of those it refuses: only files known
  to belong to a case are loaded;
- ``UniquePathIndicesValidator`` takes the first number of a name for the case (``Case_P001`` and
  ``Case_N001`` would be one), ``UniqueImagesValidator`` forbids equal images, which two empty masks
  are: cases are joined by name, and neither is used;
- its standard deviation of a single case is NaN, which is no JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from evalutils import ClassificationEvaluation
from evalutils.exceptions import ValidationError
from evalutils.io import ImageLoader
from evalutils.validators import DataFrameValidator, ExpectedColumnNamesValidator
from pandas import DataFrame

from cmrseg import __version__
from cmrseg.cases.challenge import EMIDEC, SPECS, Challenge
from cmrseg.evaluation.evalutils_jobs import LISTING, index_jobs
from cmrseg.evaluation.pairs import Index, index, lacking
from cmrseg.evaluation.run import LAYOUTS, finished, score_case, write_files
from cmrseg.evaluation.table import aggregate, cohort_table
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Volume
from cmrseg.runtime.errors import CmrsegError, InputError

COLUMNS = ("hash", "path", "image", "case", "role")


class VolumeLoader(ImageLoader):
    """Our reader behind evalutils' interface: real NIfTI spacing, and errors that name no file."""

    @staticmethod
    def load_image(fname: Path) -> Volume:
        """The volume at a path.

        Raises:
            InputError: it cannot be read.
        """
        return read(fname)

    @staticmethod
    def hash_image(image: Volume) -> str:
        """Digest of the voxels, the same in every process."""
        return hashlib.sha256(image.array.tobytes()).hexdigest()


class UniqueNamesValidator(DataFrameValidator):
    """No image of a case comes twice."""

    def validate(self, *, df: DataFrame) -> None:
        """Raise ValidationError, with names, if one does."""
        twice = sorted(set(df["image"][df["image"].duplicated()]))
        if twice:
            raise ValidationError(f"these come twice: {', '.join(twice)}")


class SegmentationEvaluation(ClassificationEvaluation):
    """Both challenges' metrics over a whole submission.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        predictions: case -> role -> predicted mask.
        truths: case -> role -> expert mask.
        output_file: where ``metrics.json`` goes.
    """

    def __init__(
        self, *, challenge: Challenge, predictions: Index, truths: Index, output_file: Path
    ) -> None:
        self.challenge = challenge
        self.rows: dict[str, dict[str, float]] = {}
        self._indices = {Path("predictions"): predictions, Path("truths"): truths}
        super().__init__(
            predictions_path=Path("predictions"),
            ground_truth_path=Path("truths"),
            file_loader=VolumeLoader(),
            validators=(ExpectedColumnNamesValidator(expected=COLUMNS), UniqueNamesValidator()),
            join_key="image",
            output_file=output_file,
        )

    def _load_cases(self, *, folder: Path) -> DataFrame:
        """A row an image; reading each now tells all that are unfit before any is scored."""
        rows: list[Mapping[str, object]] = []
        unfit: list[CmrsegError] = []
        for case, images in self._indices[folder].items():
            for role, path in images.items():
                try:
                    (row,) = self._file_loader.load(fname=path)
                except CmrsegError as error:
                    unfit.append(error.within(f"case {case}, {role} in the {folder}"))
                else:
                    rows.append(row | {"image": f"{case} {role}", "case": case, "role": role})
        _all_fit(unfit)
        return DataFrame(rows, columns=list(COLUMNS))

    def cross_validate(self) -> None:
        """Every truth has a prediction and the other way round.

        Raises:
            InputError: not so; it names all of both kinds.
        """
        predictions, truths = self._indices.values()
        missing, extra = lacking(truths, predictions), lacking(predictions, truths)
        told = [f"no prediction for {len(missing)}: {', '.join(missing)}"] if missing else []
        told += [f"no truth for {len(extra)}: {', '.join(extra)}"] if extra else []
        if told:
            raise InputError(
                "; ".join(told), "submit one prediction for each case, named as the truth names it"
            )

    def score(self) -> None:
        """All cases, each from its images' rows.

        Raises:
            InputError: some cannot be compared; it names each with the reason.
        """
        labels: set[float] = set()
        unfit: list[CmrsegError] = []
        rows: dict[str, dict[str, float]] = {}
        for number, (case, images) in enumerate(self._cases.groupby("case_ground_truth")):
            try:
                rows[case], found = self.score_case(idx=number, case=images)
                labels |= found
            except CmrsegError as error:
                unfit.append(error.within(f"case {case}"))
        _all_fit(unfit)
        self.rows = finished(self.challenge, rows, labels)
        self._case_results = DataFrame.from_dict(self.rows, orient="index")
        self._aggregate_results = self.score_aggregates()

    def score_case(self, *, idx: int, case: DataFrame) -> tuple[dict[str, float], set[float]]:
        """One case's metrics and the labels its predictions hold; ``case`` has a row an image."""
        paths = zip(case["path_prediction"], case["path_ground_truth"], strict=True)
        return score_case(self.challenge, dict(zip(case["role_ground_truth"], paths, strict=True)))

    def score_aggregates(self) -> dict[str, dict[str, float]]:
        """Mean, deviation (divisor n), median, extremes and count of each metric."""
        return {name: asdict(found) for name, found in aggregate(self.rows.values()).items()}

    @property
    def _metrics(self) -> dict[str, object]:
        return {
            "challenge": self.challenge,
            "cmrseg": __version__,
            "results": [{"case": case, **row} for case, row in self.rows.items()],
            "aggregates": self._aggregate_results,
        }

    def save(self) -> None:
        """Write ``metrics.json``, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        text = json.dumps(self._metrics, indent=1, allow_nan=False) + "\n"
        write_files({Path(self._output_file): text})


def evaluate_submission(
    predictions_dir: Path,
    truth_dir: Path,
    output_file: Path,
    *,
    challenge: Challenge | None = None,
    sockets: Path | None = None,
) -> str:
    """Score a submission and write ``metrics.json``; returns what to print.

    Args:
        predictions_dir: the platform's ``/input``, or a folder in the challenge's layout.
        truth_dir: expert labels in the challenge's layout, at whatever depth of one.
        output_file: where ``metrics.json`` goes.
        challenge: ``emidec`` or ``mnms2``; None for the one that the truth is laid out for.
        sockets: a socket table of one's own.

    Raises:
        CmrsegError: the submission cannot be scored as a whole.
    """
    challenge, truths = _truths(truth_dir, challenge)
    if (predictions_dir / LISTING).is_file():
        predictions = index_jobs(challenge, predictions_dir, truth_dir, sockets=sockets)
    else:
        predictions = index(challenge, "predictions", predictions_dir)
    evaluation = SegmentationEvaluation(
        challenge=challenge, predictions=predictions, truths=truths, output_file=output_file
    )
    try:
        evaluation.evaluate()
    except ValidationError as error:
        raise InputError(str(error), "submit one prediction for each case") from error
    table = cohort_table(aggregate(evaluation.rows.values()), LAYOUTS[challenge])
    cases = len(evaluation.rows)
    return f"{table.text()}\n\n{challenge}: {cases} case{'' if cases == 1 else 's'} scored"


def _truths(folder: Path, challenge: Challenge | None) -> tuple[Challenge, Index]:
    """The challenge and its truths, by the layout where nobody says which it is."""
    if challenge is not None or not folder.is_dir():
        known = challenge or EMIDEC.name
        return known, index(known, "truth", folder)
    for candidate in SPECS:
        with contextlib.suppress(InputError):
            return candidate, index(candidate, "truth", folder)
    raise InputError(
        "the truth folder holds labels of neither emidec nor mnms2",
        "lay them out as Case_X/Contours/Case_X.nii.gz or <id>/<id>_SA_ED_gt.nii.gz",
    )


def _all_fit(unfit: Sequence[CmrsegError]) -> None:
    """Raise what was unfit, all in one."""
    if unfit:
        problems = "; ".join(error.problem for error in unfit)
        raise InputError(f"{len(unfit)} cannot be scored: {problems}", unfit[0].remedy)
