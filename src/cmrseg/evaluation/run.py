"""A folder of predictions against a folder of truths: what ``cmrseg evaluate`` does.

Nothing is printed here: :func:`evaluate` returns an :class:`Evaluation`, which knows its words and
its exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cmrseg.cases.challenge import EMIDEC, MNMS2, Challenge
from cmrseg.evaluation import emidec, mnms2
from cmrseg.evaluation.pairs import find_pairs
from cmrseg.evaluation.table import Row, TextTable, aggregate, cases_csv, cases_json, cohort_table
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Volume
from cmrseg.runtime.errors import EXIT_INPUT, EXIT_OK, EXIT_PARTIAL, CmrsegError, OutputError

LAYOUTS = {EMIDEC.name: emidec.LAYOUT, MNMS2.name: mnms2.LAYOUT}
STEM = "evaluation"
"""Name of the files written: ``evaluation.csv``, ``.json`` and ``.md``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What came of an evaluation.

    Attributes:
        challenge: ``emidec`` or ``mnms2``.
        rows: case -> metrics, of the cases that could be compared.
        cohort: the challenge's own figures over the cohort (mnms2: 0.75 SA + 0.25 LA).
        missing: cases or images with a truth and no prediction, by name.
        extra: cases or images with a prediction and no truth, by name.
        failed: case -> why it could not be compared.
        notes: what the reader should know.
        suspected_labels: whose label codes the predictions seem to be in ("acdc"); None where
            they seem to be the challenge's.
        files: what was written.
    """

    challenge: Challenge
    rows: Mapping[str, Row]
    cohort: Mapping[str, float]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    failed: Mapping[str, CmrsegError]
    notes: tuple[str, ...] = ()
    suspected_labels: str | None = None
    files: tuple[Path, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all truths were compared; 3 none could be; 4 some were missing or failed.

        Extra predictions are reported and do no harm: a test set is often larger than its truth.
        """
        if not self.rows:
            return EXIT_INPUT
        return EXIT_PARTIAL if self.missing or self.failed else EXIT_OK

    def table(self) -> TextTable:
        """Mean (std) by structure."""
        return cohort_table(aggregate(self.rows.values()), LAYOUTS[self.challenge])

    def text(self) -> str:
        """What the command prints: the table, then all that was not as it should be."""
        lines = [self.table().text(), "", *self._remarks()]
        lines += [f"written: {path}" for path in self.files]
        return "\n".join(lines)

    def markdown(self) -> str:
        """The same as a Markdown page."""
        remarks = "\n".join(f"- {remark}" for remark in self._remarks())
        return f"# {self.challenge}: mean (std)\n\n{self.table().markdown()}\n\n{remarks}\n"

    def json(self) -> str:
        """Everything, by case and over cases, without NaN or infinity."""
        return cases_json(
            self.rows,
            challenge=self.challenge,
            cohort=dict(self.cohort),
            missing=list(self.missing),
            extra=list(self.extra),
            failed={case: str(error) for case, error in self.failed.items()},
            notes=list(self.notes),
            suspected_labels=self.suspected_labels,
        )

    def _remarks(self) -> list[str]:
        remarks = [f"{len(self.rows)} case{'' if len(self.rows) == 1 else 's'} compared"]
        if self.missing or self.failed:
            remarks[0] += ": the means leave out what is missing or failed, see below"
        if "rv_average_dice" in self.cohort:
            remarks.append(
                "challenge average (0.75 SA + 0.25 LA): "
                f"RV DC {self.cohort['rv_average_dice']:.3f}, "
                f"HD {self.cohort['rv_average_hd_mm']:.2f} mm"
            )
        if self.missing:
            remarks.append(f"no prediction for {len(self.missing)}: {', '.join(self.missing)}")
        if self.extra:
            remarks.append(f"no truth for {len(self.extra)}: {', '.join(self.extra)}")
        remarks += [f"failed: {error}" for error in self.failed.values()]
        return [*remarks, *self.notes]


def evaluate(
    challenge: Challenge,
    predictions_dir: Path,
    truth_dir: Path,
    output_dir: Path | None = None,
) -> Evaluation:
    """Score every case that has a prediction and a truth; one bad case does not stop the others.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        predictions_dir: where the predictions lie (see :mod:`cmrseg.evaluation.pairs`).
        truth_dir: where the expert labels lie.
        output_dir: where ``evaluation.csv`` (a line a case), ``evaluation.json`` and
            ``evaluation.md`` go; None to write nothing.

    Raises:
        InputError: a folder is missing, unreadable or holds nothing to compare.
        OutputError: the files cannot be written.
    """
    pairs = find_pairs(challenge, predictions_dir, truth_dir)
    rows: dict[str, dict[str, float]] = {}
    failed: dict[str, CmrsegError] = {}
    labels: set[float] = set()
    for case, images in pairs.found.items():
        try:
            rows[case], predicted = score_case(challenge, images)
            labels |= predicted
        except CmrsegError as error:
            failed[case] = error.within(f"case {case}")
    rows = finished(challenge, rows, labels)
    of_mnms2 = challenge == MNMS2.name
    suspected = mnms2.suspected_labels(rows.values()) if of_mnms2 else None
    report = Evaluation(
        challenge=challenge,
        rows=rows,
        cohort=mnms2.cohort_averages(list(rows.values())) if of_mnms2 else {},
        missing=pairs.missing,
        extra=pairs.extra,
        failed=failed,
        notes=_notes(challenge, rows, labels, suspected),
        suspected_labels=suspected,
    )
    return report if output_dir is None else _written(report, output_dir)


def score_case(
    challenge: Challenge, images: Mapping[str, tuple[Path, Path]]
) -> tuple[dict[str, float], set[float]]:
    """All metrics of one case, and the labels that its predictions hold.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        images: role -> (prediction, truth).

    Raises:
        CmrsegError: an image cannot be read or compared; the role comes first.
    """
    volumes = {role: _read_pair(role, *paths) for role, paths in images.items()}
    predicted = {label for pred, _ in volumes.values() for label in mnms2.predicted_labels(pred)}
    return _score(challenge, volumes), predicted


def finished(
    challenge: Challenge, rows: dict[str, dict[str, float]], labels: set[float]
) -> dict[str, dict[str, float]]:
    """All cases' metrics, once it is known which labels were predicted at all.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        rows: case -> metrics.
        labels: that any prediction holds.
    """
    return mnms2.without_unpredicted(rows, labels) if challenge == MNMS2.name else rows


def _read_pair(role: str, pred_path: Path, truth_path: Path) -> tuple[Volume, Volume]:
    return _read(pred_path, f"{role} prediction"), _read(truth_path, f"{role} truth")


def _read(path: Path, what: str) -> Volume:
    try:
        return read(path)
    except CmrsegError as error:
        raise error.within(what) from error


def _score(challenge: Challenge, volumes: Mapping[str, tuple[Volume, Volume]]) -> dict[str, float]:
    if challenge == EMIDEC.name:
        return emidec.evaluate_case(*volumes["LGE"])
    # all structures: whether LV and myocardium were predicted at all shows after the last case
    return mnms2.evaluate_case(volumes, tuple(mnms2.STRUCTURES))


def _notes(
    challenge: Challenge, rows: Mapping[str, Row], labels: set[float], suspected: str | None
) -> tuple[str, ...]:
    if not rows:
        return ()
    if challenge == EMIDEC.name:
        return (
            "HD official carries the organisers' swapped axes, as all published figures do: "
            "compare that one, believe HD",
        )
    if suspected:
        return (
            f"LV and RV seem to be swapped: are the predictions in {suspected.upper()}'s codes "
            "(1 RV, 2 MYO, 3 LV)? Here 1 is LV, 2 MYO, 3 RV; recode them and score again",
        )
    if labels == {1.0}:
        return ("all predictions hold label 1 alone: was the RV written as 1? It is 3 here",)
    return ()


def _written(report: Evaluation, output_dir: Path) -> Evaluation:
    texts = {".csv": cases_csv(report.rows), ".json": report.json(), ".md": report.markdown()}
    files = {output_dir / f"{STEM}{ending}": text for ending, text in texts.items()}
    write_files(files)
    return replace(report, files=tuple(files))


def write_files(files: Mapping[Path, str]) -> None:
    """Write texts as UTF-8, each put into place in one move; folders are made.

    Args:
        files: path -> text.

    Raises:
        OutputError: one cannot be written.
    """
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, text)
        except OSError as error:
            raise OutputError(
                f"{path.name} cannot be written ({error.strerror or type(error).__name__})",
                "check that the output folder may be written to and has space left",
            ) from error


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
