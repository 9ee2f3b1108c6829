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
UNITS = ("_ml", "_g", "_percent", "_cm2", "_ml_m2", "_g_m2")
"""Ends of names of measures of the heart that the short table lists."""
BESIDE = frozenset({"quality", "samples", "segments", "slices", "rules", "cine"})
"""Measures that only the long table and the JSON tell."""


def record(case_id: str, result: Result) -> dict[str, Any]:
    """What is told of one case: id, status, error, measures, how it was computed, warnings.

    ``notes`` are nothing to worry about, ``masks`` where masks lie by role.
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
        "notes": list(result.notes),
        "masks": dict(result.masks),
    }


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
            "review": sum(bool(case["review"]) for case in cases),
            "passed_over": [{"name": one.name, "kind": one.kind} for one in passed_over],
            "cases": cases,
        }
    )


def summary_csv(results: Mapping[str, Result]) -> str:
    """``summary.csv``: one line a case with what most people want, numbers with two decimals.

    Columns are case, status, flagged, review and error, then the numbers that carry a unit and are
    measured of the heart, those of the patient before those of an image. ``flagged`` names the
    images that quality control flagged, ``yes`` where a case has one image alone; it is ``no``
    where none was, and empty where nothing was judged.
    """
    return _table([_short_row(case_id, result) for case_id, result in results.items()])


def details_csv(results: Mapping[str, Result]) -> str:
    """``details.csv``: one line a case with all there is; nested measures become dotted columns."""
    return _table([_row(case_id, result) for case_id, result in results.items()])


def curves_csv(results: Mapping[str, Result]) -> str:
    """``curves.csv``: one line a frame of each cine, volumes in mL; empty without any cine."""
    rows = [
        {"case": case_id, "frame": frame, **dict(zip(curves, values, strict=True))}
        for case_id, result in results.items()
        if (curves := result.measures.get("cine", {}).get("volume_ml"))
        for frame, values in enumerate(zip(*curves.values(), strict=True))
    ]
    return _table(rows) if rows else ""


def flagged(measures: Mapping[str, Any]) -> list[str] | None:
    """The images that quality control flagged, by role, ``yes`` for a case; None if none judged."""
    controls = {
        role: found["quality"]["out_of_distribution"]
        for role, found in (("yes", measures), *measures.items())
        if isinstance(found, Mapping) and "out_of_distribution" in found.get("quality", {})
    }
    return [role for role, out in controls.items() if out] if controls else None


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: cell(value) for column, value in row.items()} for row in rows)
    return text.getvalue()


def _short_row(case_id: str, result: Result) -> dict[str, Any]:
    told = _plain(record(case_id, result))
    found = flagged(told["measures"])
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


def _row(case_id: str, result: Result) -> dict[str, Any]:
    told = _plain(record(case_id, result))
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
