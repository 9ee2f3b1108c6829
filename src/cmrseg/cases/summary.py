"""The account of a run: one record a case, as JSON for programs and CSV for people."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cmrseg import __version__
from cmrseg.cases.case import Result
from cmrseg.cases.folders import PassedOver

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of cells that spreadsheets compute."""


def record(case_id: str, result: Result) -> dict[str, Any]:
    """What is told of one case: id, status, error, measures, how it was computed, warnings.

    ``review`` says why somebody has to look at the case; where it is not empty, no verdict of
    quality control counts as passed.
    ``status`` is ``done``, ``partial`` (some of its images failed) or ``failed``.
    ``seconds`` is the case's wall clock; ``timings_s`` its steps.
    """
    status = "failed" if result.error else "partial" if result.failed else "done"
    return {
        "case": case_id,
        "status": status,
        "error": result.error or " | ".join(map(str, result.failed.values())) or None,
        "seconds": result.timings_s.get("total"),
        "measures": result.measures,
        "computed": result.computed,
        "timings_s": result.timings_s,
        "warnings": list(result.warnings),
        "review": list(result.review),
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


def to_json(value: Any) -> str:
    """Strict JSON: what is NaN or infinite becomes null, numpy numbers become plain ones."""
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False, indent=2) + "\n"


def summary_json(
    challenge: str,
    contract: str,
    results: Mapping[str, Result],
    passed_over: Sequence[PassedOver] = (),
) -> str:
    """``summary.json``: version, challenge, contract, counts, and every case's record.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        contract: the input's layout.
        results: case id -> what came of it.
        passed_over: what in the input folder no case was made of.
    """
    cases = [record(case_id, result) for case_id, result in results.items()]
    counts = Counter(case["status"] for case in cases)
    return to_json(
        {
            "cmrseg": __version__,
            "challenge": challenge,
            "contract": contract,
            **{status: counts[status] for status in ("done", "partial", "failed")},
            "review": sum(map(needs_review, results.values())),
            "passed_over": [{"name": one.name, "kind": one.kind} for one in passed_over],
            "cases": cases,
        }
    )


def summary_csv(results: Mapping[str, Result]) -> str:
    """``summary.csv``: one line a case; nested measures become dotted columns (``sa.rv_ml``)."""
    rows = [_row(case_id, result) for case_id, result in results.items()]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: cell(value) for column, value in row.items()} for row in rows)
    return text.getvalue()


def cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula: text that begins like one gets a quote."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _row(case_id: str, result: Result) -> dict[str, Any]:
    told = _plain(record(case_id, result))
    row = {column: told[column] for column in ("case", "status", "error", "seconds")}
    row |= {key: " | ".join(told[key]) for key in ("warnings", "review")}
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
