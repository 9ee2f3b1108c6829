"""The numbers that a run's cases are listed and sorted by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cmrseg.cases.challenge import EMIDEC, MNMS2
from cmrseg.report.formatting import NOTE, is_interval, is_number
from cmrseg.report.status import (
    DECISIVE,
    Record,
    distrust,
    lowest_agreement,
    lowest_pdc,
    quality,
    recorded_uncertainty,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SortColumn:
    """One number of every case, to sort cases by.

    Attributes:
        title: in the table's head.
        unit: empty for none.
        value: takes it out of a record; None where the case has none.
        drawn: whether its distribution is worth a drawing of its own.
        doubt: why a case's number is not to be trusted; empty if nothing says so.
    """

    title: str
    unit: str
    value: Callable[[Record], float | None]
    drawn: bool = True
    doubt: Callable[[Record], str] = lambda _: ""


def at(*path: str) -> Callable[[Record], float | None]:
    """Looks a number up in a record's measures."""

    def value(record: Record) -> float | None:
        found: Any = record["measures"]
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if is_interval(found):
            found = found["mean"]
        return found if is_number(found) else None

    return value


def notes_lookup(key: str, name: str) -> Callable[[Record], str]:
    """Looks up what a record notes on a measure's number."""
    return lambda record: str(record["measures"].get(key + NOTE, {}).get(name, ""))


def flagged(role: str) -> Callable[[Record], str]:
    """Looks up whether quality control flagged an image."""

    def doubt(record: Record) -> str:
        out = dict(quality(record)).get(role, {}).get("out_of_distribution")
        return distrust(role) if out else ""

    return doubt


def least_dice(record: Record) -> float | None:
    """The lowest bound of the decisive structure's Dice over a case's images, where known."""
    bounds = [
        found["dice_at_least"][DECISIVE]
        for found in record["measures"].values()
        if isinstance(found, Mapping) and DECISIVE in found.get("dice_at_least", {})
    ]
    return min(bounds, default=None)


EF = "ejection_fraction_percent"
JUDGED = flagged("")
"""Of an EMIDEC case, whose one image has no role in its record."""
COLUMNS: Mapping[str, tuple[SortColumn, ...]] = {
    EMIDEC.name: (
        SortColumn(title="Cavity", unit="mL", value=at("volume_ml", "cavity"), doubt=JUDGED),
        SortColumn(
            title="Myocardium", unit="mL", value=at("volume_ml", "myocardium"), doubt=JUDGED
        ),
        SortColumn(
            title="Infarction", unit="mL", value=at("volume_ml", "infarction"), doubt=JUDGED
        ),
        SortColumn(title="Infarcted", unit="%", value=at("infarcted_percent"), doubt=JUDGED),
        SortColumn(title="No-reflow", unit="mL", value=at("volume_ml", "no_reflow"), doubt=JUDGED),
        SortColumn(title="Uncertainty", unit="", value=recorded_uncertainty),
        SortColumn(title="Least agreement", unit="", value=lowest_agreement),
    ),
    MNMS2.name: (
        *(
            SortColumn(
                title=f"{name} EF", unit="%", value=at(EF, name), doubt=notes_lookup(EF, name)
            )
            for name in ("LV", "RV")
        ),
        SortColumn(title="LV mass", unit="g", value=at("mass_g", "LV"), doubt=flagged("SA_ED")),
        SortColumn(
            title="by body surface",
            unit="g/m\N{SUPERSCRIPT TWO}",
            value=at("indexed", "mass_g_per_m2", "LV"),
            drawn=False,
            doubt=flagged("SA_ED"),
        ),
        *(
            SortColumn(
                title=f"{name}, {role[3:]}",
                unit="mL",
                value=at(role, "volume_ml", name),
                doubt=flagged(role),
            )
            for name in ("LV", "RV")
            for role in ("SA_ED", "SA_ES")
        ),
        SortColumn(title=f"{DECISIVE} Dice at least", unit="", value=least_dice),
        SortColumn(title="Lowest pDC", unit="", value=lowest_pdc, drawn=False),
        SortColumn(title="Least agreement", unit="", value=lowest_agreement),
    ),
}


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
