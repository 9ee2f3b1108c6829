"""The account of a run: one record a case, as JSON for programs and CSV for people."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from cmrseg import __version__
from cmrseg.contracts.case import Result


def record(case_id: str, result: Result) -> dict[str, Any]:
    """What is told of one case: id, status, error, measures, seconds, warnings.

    ``seconds`` is the case's wall clock; ``timings_s`` its steps.
    """
    return {
        "case": case_id,
        "status": "done" if result.error is None else "failed",
        "error": result.error,
        "seconds": result.timings_s.get("total"),
        "measures": result.measures,
        "timings_s": result.timings_s,
        "warnings": list(result.warnings),
    }


def to_json(value: Any) -> str:
    """Strict JSON: what is NaN or infinite becomes null, numpy numbers become plain ones."""
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False, indent=2) + "\n"


def summary_json(challenge: str, contract: str, results: Mapping[str, Result]) -> str:
    """``summary.json``: version, challenge, contract, counts, and every case's record."""
    failed = sum(result.error is not None for result in results.values())
    return to_json(
        {
            "cmrseg": __version__,
            "challenge": challenge,
            "contract": contract,
            "done": len(results) - failed,
            "failed": failed,
            "cases": [record(case_id, result) for case_id, result in results.items()],
        }
    )


def summary_csv(results: Mapping[str, Result]) -> str:
    """``summary.csv``: one line a case; nested measures become dotted columns (``sa.rv_ml``)."""
    rows = [_row(case_id, result) for case_id, result in results.items()]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(case_id: str, result: Result) -> dict[str, Any]:
    told = _plain(record(case_id, result))
    row = {column: told[column] for column in ("case", "status", "error", "seconds")}
    row["warnings"] = " | ".join(told["warnings"])
    return row | dict(_leaves(told["measures"]))


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
