"""The account of a run: one record a case, as JSON for programs and CSV for people."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from cmrseg import __version__
from cmrseg.cases.case import Result
from cmrseg.cases.folders import PassedOver

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of cells that spreadsheets compute."""
UNITS = ("_ml", "_g", "_percent", "_cm2", "_per_m2")
"""Ends of names of measures of the heart that the short table lists."""
BESIDE = frozenset({"reference", "quality", "samples", "segments", "slices", "rules", "cine"})
"""Measures that only the long table and the JSON tell."""


class CaseRecord(TypedDict):
    """What is recorded of one case.

    Attributes:
        case: its id.
        status: ``done``, ``partial`` (some of its images failed) or ``failed``.
        error: why it, or some of its images, failed.
        seconds: the case's wall clock; ``timings_s`` its steps.
        measures: what was found.
        computed: how.
        warnings: what to know, in words.
        review: why somebody has to look at the case; where it is not empty, no verdict of quality
            control counts as passed.
        notes: nothing to worry about.
        masks: role -> where its mask lies.
    """

    case: str
    status: str
    error: str | None
    seconds: float | None
    measures: Mapping[str, Any]
    computed: Mapping[str, Any]
    timings_s: Mapping[str, float]
    warnings: list[str]
    review: list[str]
    notes: list[str]
    masks: dict[str, str]


def record(case_id: str, result: Result) -> CaseRecord:
    """What is recorded of a case's result."""
    return {
        "case": case_id,
        "status": _status(result),
        "error": result.error or " | ".join(map(str, result.failed.values())) or None,
        "seconds": result.timings_s.get("total"),
        "measures": result.measures,
        "computed": result.computed,
        "timings_s": result.timings_s,
        "warnings": list(result.warnings),
        "review": list(result.review),
        "notes": list(result.notes),
        "masks": dict(result.masks),
    }


def needs_review(result: Result) -> bool:
    """Whether somebody has to look at a case that has masks: flagged, guessed or implausible."""
    measures = result.measures
    flags = [
        one.get("quality") for one in (measures, *measures.values()) if isinstance(one, Mapping)
    ]
    flagged = any(isinstance(f, Mapping) and f.get("out_of_distribution") for f in flags)
    return result.error is None and (flagged or bool(result.review))


def closing(results: Mapping[str, Result]) -> str:
    """A run in one line: how many cases are done, need review, failed."""
    failed = sum(result.error is not None for result in results.values())
    partial = sum(bool(result.failed) for result in results.values())
    words = [f"{len(results) - failed - partial} done"]
    words += [f"{partial} done in part"] if partial else []
    review = sum(map(needs_review, results.values()))
    return ", ".join([*words, f"{review} need{'s' * (review == 1)} review", f"{failed} failed"])


def to_json(value: object) -> str:
    """Strict JSON: what is NaN or infinite becomes null, numpy numbers become plain ones."""
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False, indent=2) + "\n"


class Records(Sequence[Mapping[str, Any]]):
    """Every case's :func:`record` in JSON's own types, made when it is asked for.

    Those of a large cohort would fill the memory.

    Args:
        results: case id -> what came of it.
    """

    def __init__(self, results: Mapping[str, Result]) -> None:
        self._results, self._ids = results, list(results)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        case_id = self._ids[index]
        return _plain(record(case_id, self._results[case_id]))


class RunSummary(TypedDict):
    """``summary.json``; ``done``, ``partial``, ``failed`` and ``review`` count cases."""

    cmrseg: str
    challenge: str
    contract: str
    done: int
    partial: int
    failed: int
    review: int
    passed_over: list[dict[str, str]]
    cases: Sequence[Mapping[str, Any]]


def run_summary(
    challenge: str,
    contract: str,
    results: Mapping[str, Result],
    passed_over: Sequence[PassedOver] = (),
) -> RunSummary:
    """What is recorded of a run: version, challenge, contract, counts, and every case's record.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        contract: the input's layout.
        results: case id -> what came of it.
        passed_over: what in the input folder no case was made of.
    """
    counts = Counter(map(_status, results.values()))
    return {
        "cmrseg": __version__,
        "challenge": challenge,
        "contract": contract,
        "done": counts["done"],
        "partial": counts["partial"],
        "failed": counts["failed"],
        "review": sum(map(needs_review, results.values())),
        "passed_over": [{"name": one.name, "kind": one.kind} for one in passed_over],
        "cases": Records(results),
    }


def summary_json(summary: Mapping[str, Any]) -> Iterator[str]:
    """``summary.json``, of a :func:`run_summary`, case by case."""
    head = to_json({**summary, "cases": []})
    yield head.removesuffix("]\n}\n")
    between = "\n"
    for told in summary["cases"]:
        yield between + textwrap.indent(to_json(told).rstrip(), "    ")
        between = ",\n"
    yield "]\n}\n" if between == "\n" else "\n  ]\n}\n"


def summary_csv(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """``summary.csv``: one line a case with what most people want, numbers with two decimals.

    Columns are case, status, flagged, review and error, then the numbers that carry a unit and are
    measured of the heart, those of the patient before those of an image. ``flagged`` names the
    images that quality control flagged, ``yes`` where a case has one image alone; it is ``no``
    where none was, and empty where nothing was judged.
    """
    return _table(lambda: map(_short_row, records))


def details_csv(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """``details.csv``: one line a case with all there is; nested measures become dotted columns."""
    return _table(lambda: map(_row, records))


def curves_csv(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """``curves.csv``: one line a frame of each cine, volumes in mL."""
    return _table(lambda: (row for told in records for row in _frames(told)))


def _frames(told: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    curves = told["measures"].get("cine", {}).get("volume_ml", {})
    for frame, values in enumerate(zip(*curves.values(), strict=True)):
        yield {"case": told["case"], "frame": frame, **dict(zip(curves, values, strict=True))}


def flagged_images(measures: Mapping[str, Any]) -> list[str] | None:
    """The images that quality control flagged, by role, ``yes`` for a case; None if none judged."""
    controls = {
        role: found["quality"]["out_of_distribution"]
        for role, found in (("yes", measures), *measures.items())
        if isinstance(found, Mapping) and "out_of_distribution" in found.get("quality", {})
    }
    return [role for role, out in controls.items() if out] if controls else None


def _table(rows: Callable[[], Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """CSV, a row at a time; rows are gone through twice, as their columns differ."""
    columns = list(dict.fromkeys(column for row in rows() for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows():
        writer.writerow({column: cell(value) for column, value in row.items()})
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _short_row(told: Mapping[str, Any]) -> dict[str, object]:
    found = flagged_images(told["measures"])
    numbers = [
        (name, value)
        for name, value in _leaves(told["measures"])
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and any(part.endswith(UNITS) for part in name.split("."))
        and not BESIDE & set(name.split("."))
        and "_interval" not in name
    ]
    numbers.sort(key=lambda one: one[0].count("."))
    return {
        "case": told["case"],
        "status": told["status"],
        "flagged": "" if found is None else " ".join(found) or "no",
        "review": " | ".join(told["review"]),
        "error": told["error"],
        **{name: f"{value:.2f}" for name, value in numbers},
    }


def cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula: text that begins like one gets a quote."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _status(result: Result) -> str:
    return "failed" if result.error else "partial" if result.failed else "done"


def _row(told: Mapping[str, Any]) -> dict[str, object]:
    row = {column: told[column] for column in ("case", "status", "error", "seconds")}
    row |= {key: " | ".join(told[key]) for key in ("warnings", "review", "notes")}
    return row | dict(_leaves(told["computed"])) | dict(_leaves(told["measures"]))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)
    elif not isinstance(value, list):
        yield name, value


def _plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
