"""Measures as people read them: named, with units, with their intervals; and the run's columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cmrseg.report.verdict import Record, image_uncertainty, lowest_agreement, lowest_pdc

UNITS = {"ml": "mL", "mm": "mm", "cm2": "cm\N{SUPERSCRIPT TWO}", "percent": "%", "s": "s"}
"""By the last word of a measure's name."""
TITLES = {
    "volume_ml": "Volume",
    "area_cm2": "Area",
    "ejection_fraction_percent": "Ejection fraction",
    "infarcted_percent": "Infarcted share of the myocardium",
    "image_level": "Image-level uncertainty (mean variance of dropout samples)",
    "dice_within_samples": "Dropout samples agree (Dice)",
    "agreement": "Mirror images agree (Dice)",
    "uncertainty": "",
    "interval": "Intervals",
}
INTERVAL = "_interval"
"""``volume_ml_interval`` holds the intervals of ``volume_ml``."""
ELSEWHERE = frozenset({"quality", "segments", "slices"})
"""Measures that are not tables of numbers: they have pictures of their own."""


@dataclass(frozen=True, slots=True)
class Row:
    """A measure in words."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Measures that belong together."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One number of every case, to sort cases by.

    Attributes:
        title: in the table's head.
        unit: empty for none.
        value: takes it out of a record; None where the case has none.
        drawn: whether its distribution is worth a drawing of its own.
    """

    title: str
    unit: str
    value: Callable[[Record], float | None]
    drawn: bool = True


def at(*path: str) -> Callable[[Record], float | None]:
    """Looks a number up in a record's measures."""

    def value(record: Record) -> float | None:
        found: Any = record["measures"]
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if is_interval(found):
            found = found["mean"]
        return found if _is_number(found) else None

    return value


COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "emidec": (
        Column(title="Cavity", unit="mL", value=at("volume_ml", "cavity")),
        Column(title="Myocardium", unit="mL", value=at("volume_ml", "myocardium")),
        Column(title="Infarction", unit="mL", value=at("volume_ml", "infarction")),
        Column(title="Infarcted", unit="%", value=at("infarcted_percent")),
        Column(title="No-reflow", unit="mL", value=at("volume_ml", "no_reflow")),
        Column(title="Uncertainty", unit="", value=image_uncertainty),
        Column(title="Samples agree", unit="", value=lowest_agreement),
    ),
    "mnms2": (
        Column(title="LV EF", unit="%", value=at("ejection_fraction_percent", "LV")),
        Column(title="RV EF", unit="%", value=at("ejection_fraction_percent", "RV")),
        Column(title="LV, ED", unit="mL", value=at("SA_ED", "volume_ml", "LV")),
        Column(title="RV, ED", unit="mL", value=at("SA_ED", "volume_ml", "RV")),
        Column(title="RV, ES", unit="mL", value=at("SA_ES", "volume_ml", "RV")),
        Column(title="Lowest pDC", unit="", value=lowest_pdc, drawn=False),
        Column(title="Mirrors agree", unit="", value=lowest_agreement),
    ),
}


def tables(measures: Mapping[str, Any], title: str = "") -> list[Table]:
    """Every number in a record's measures, in words, whatever a recipe calls it.

    Args:
        measures: nested mappings; a mapping of ``mean``, ``low`` and ``high`` is a number with its
            interval, and so is a number ``x`` beside an ``x_interval``.
        title: what they are measures of.
    """
    rows, inner = [], []
    for key, value in measures.items():
        if key in ELSEWHERE or (key.endswith(INTERVAL) and key.removesuffix(INTERVAL) in measures):
            continue
        interval = measures.get(key + INTERVAL)
        if isinstance(value, Mapping) and not is_interval(value):
            mark = f" [{unit(key)}]" if unit(key) else ""
            heading = ", ".join(filter(None, (title, named(key) + mark)))
            inner += tables(_with_intervals(value, interval), heading)
        elif text := told(_with_interval(value, interval), unit(key)):
            rows.append(Row(named(key), text))
    rows += [row for table in inner if table.title == title for row in table.rows]
    own = [Table(title, tuple(rows))] if rows else []
    return own + [table for table in inner if table.title != title]


def named(key: str) -> str:
    """A measure's name without its unit."""
    if key in TITLES:
        return TITLES[key]
    return (key.rpartition("_")[0] if unit(key) else key).replace("_", " ")


def unit(key: str) -> str:
    """The unit that a measure's name ends in; empty for none."""
    words, _, last = key.rpartition("_")
    return UNITS.get(last, "") if words else ""


def is_interval(value: Any) -> bool:
    """Whether a measure is a mean with its interval."""
    return (
        isinstance(value, Mapping)
        and {"mean", "low", "high"} <= value.keys()
        and all(_is_number(value[key]) for key in ("mean", "low", "high"))
    )


def told(value: Any, mark: str = "") -> str:
    """A value in words, with its unit and, where it has one, its interval; empty for none."""
    after = f" {mark}" if mark else ""
    if is_interval(value):
        level = f"{round(100 * value.get('level', 0.95))} %"
        mean, low, high = (number(value[key]) for key in ("mean", "low", "high"))
        if "measured" in value:
            return f"{number(value['measured'])}{after} (samples {mean}, {level}: {low} to {high})"
        return f"{mean}{after} ({level}: {low} to {high})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _is_number(value):
        return number(value) + after
    return value if isinstance(value, str) else ""


def number(value: float) -> str:
    """A number with three or four digits that matter."""
    if isinstance(value, int) or value == 0:
        return str(int(value))
    size = abs(value)
    digits = next((d for limit, d in ((100, 0), (10, 1), (1, 2), (0.01, 3)) if size >= limit), None)
    return f"{value:.1e}" if digits is None else f"{value:.{digits}f}"


def segment_tables(measures: Mapping[str, Any]) -> list[Table]:
    """The seventeen segments, the territories and the profile of a record that has them."""
    found = measures.get("segments")
    if not isinstance(found, Mapping):
        return []
    arteries = found["territory_infarcted_percent"].items()
    supplied = [Row(f"usually fed by the {artery}", percent(share)) for artery, share in arteries]
    return [
        Table("Infarcted share by territory", (*supplied, Row("origin", str(found["origin"])))),
        Table(
            "17 segments: wall, infarct transmurality",
            tuple(
                Row(
                    f"{one['segment']} {one['name']}",
                    f"{millimetres(one['wall_thickness_mm'])}, "
                    f"{percent(one['infarct_transmurality_percent'])}",
                )
                for one in found["values"]
            ),
        ),
        Table(
            "Slices from base to apex: wall, infarct transmurality, cavity",
            tuple(
                Row(
                    f"slice {one['slice']}",
                    f"{millimetres(one['wall_thickness_mm'])}, "
                    f"{percent(one['infarct_transmurality_percent'])}, "
                    f"{number(one['cavity_cm2'])} {UNITS['cm2']}",
                )
                for one in measures.get("slices", ())
            ),
        ),
    ]


def percent(value: float | None) -> str:
    """A share in percent, or that it is not known."""
    return "not seen" if value is None else f"{value:.0f} %"


def millimetres(value: float | None) -> str:
    """A length, or that it is not known."""
    return "not seen" if value is None else f"{value:.1f} mm"


def facts(record: Record) -> list[str]:
    """Every table of a record's numbers in a line."""
    lines = []
    for table in tables(record["measures"]):
        numbers = [f"{r.name} {r.text}" for r in table.rows if r.text[:1].isdigit()]
        told = ", ".join(numbers)
        lines += [f"{table.title}: {told}" if table.title else told] if told else []
    return lines


def seconds(timings: Mapping[str, float]) -> Iterator[Row]:
    """Where a case's time went, the whole of it last."""
    for step, value in sorted(timings.items(), key=lambda item: item[0] == "total"):
        yield Row(step, f"{value:.2f} s")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _with_interval(value: Any, interval: Any) -> Any:
    """A number with what its interval says, which need not hold it: samples differ from masks."""
    if not (_is_number(value) and is_interval(interval)):
        return value
    return {**interval, "measured": value}


def _with_intervals(values: Mapping[str, Any], intervals: Any) -> Mapping[str, Any]:
    if not isinstance(intervals, Mapping):
        return values
    return {key: _with_interval(value, intervals.get(key)) for key, value in values.items()}
