"""One check's outcome, and how all of them are told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found.

    Attributes:
        name: which check ("user", "exec case").
        verdict: ``pass``; ``warn`` (the platform takes it, one should not); ``fail``; ``skip``
            (could not be checked here).
        found: what there is, in words; never a secret's value, never a patient's file name.
        remedy: what to do about it; empty where nothing needs doing.
    """

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


def check_of(
    name: str, faults: Sequence[str], fine: str, remedy: str, verdict: Verdict = "fail"
) -> Check:
    """A check that passes (``fine``) without ``faults``, and else has ``verdict``."""
    if not faults:
        return Check(name=name, verdict="pass", found=fine)
    return Check(name=name, verdict=verdict, found=few(faults), remedy=remedy)


def few(things: Sequence[str], most: int = 3) -> str:
    """The first few of many, and how many more there are."""
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return "; ".join(things[:most]) + more


def failed(checks: Sequence[Check]) -> list[str]:
    """Names of the checks that failed."""
    return [check.name for check in checks if check.verdict == "fail"]


def as_table(checks: Sequence[Check]) -> str:
    """One line a check, and its remedy below where something is to be done."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.verdict:<4}  {check.name:<{width}}  {check.found}")
        if check.remedy:
            lines.append(f"{'':<4}  {'':<{width}}  -> {check.remedy}")
    return "\n".join(lines)


def as_json(image: str, checks: Sequence[Check]) -> str:
    """``{"image", "verdict", "checks": [{"name", "verdict", "found", "remedy"}, ...]}``."""
    told = {
        "image": image,
        "verdict": "fail" if failed(checks) else "pass",
        "checks": [asdict(check) for check in checks],
    }
    return json.dumps(told, indent=2, ensure_ascii=False)
