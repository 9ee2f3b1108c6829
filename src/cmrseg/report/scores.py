"""A bundle's out-of-fold scores for the page: its manifest keeps their table as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a bundle reached on patients whom its networks had not learned from.

    Attributes:
        told: how many patients, measured by which command.
        header: titles of the columns, the first of them over the lines' titles.
        lines: cells in words, as many a line as the header has.
    """

    told: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def recorded_scores(manifest: Mapping[str, Any]) -> Scores | None:
    """The scores that ``cmrseg-lab validate --record`` put into a manifest; None without any."""
    found = manifest.get("scores_out_of_fold")
    if not found:
        return None
    lines = [line.strip().strip("|") for line in found["table"].strip().splitlines()]
    header, *rows = (
        tuple(cell.strip() for cell in line.split("|")) for line in lines if set(line) - set("|-: ")
    )
    told = f"{found['cases']} held-out cases, measured by {found['command']}"
    if manifest.get("rules"):
        told += "; slightly too good, since the anatomical rules were chosen on these patients"
    return Scores(told=told, header=header, lines=tuple(rows))
