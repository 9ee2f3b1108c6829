"""Measures as people read them: named, with units, with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

UNITS = {"ml": "mL", "mm": "mm", "cm2": "cm\N{SUPERSCRIPT TWO}", "percent": "%", "s": "s", "g": "g"}
"""By the last word of a measure's name."""
TITLES = {
    "volume_ml": "Volume",
    "area_cm2": "Area",
    "ejection_fraction_percent": "Ejection fraction",
    "infarcted_percent": "Infarcted share of the myocardium",
    "bsa_m2": "Body surface area in m\N{SUPERSCRIPT TWO}",
    "indexed": "By body surface area, mL/m\N{SUPERSCRIPT TWO}",
    "mass_g": "Mass",
    "stroke_volume_ml": "Stroke volume",
    "mass_g_per_m2": "Mass, g/m\N{SUPERSCRIPT TWO}",
    "stroke_volume_ml_per_m2": "Stroke volume",
    "reference": "Beside healthy adults",
    "image_level": "Image-level uncertainty (mean variance of dropout samples)",
    "dice_within_samples": "Dropout samples agree (Dice)",
    "views_agree": "Both views agree where they meet (Dice)",
    "dice_at_least": "Dice that 9 of 10 such images exceed",
    "agreement": "Networks and mirror images agree (Dice)",
    "uncertainty": "",
    "no_reflow": "no-reflow",
}
INTERVAL = "_interval"
"""``volume_ml_interval`` holds the intervals of ``volume_ml``."""
NOTE = "_note"
"""``ejection_fraction_percent_note`` says, by name, what is wrong with numbers of that measure."""
ELSEWHERE = frozenset(
    [
        "quality",
        "segments",
        "slices",
        "interval",
        "samples",
        "cine",
        "expected_dice",
        "views_distance_mm",
    ]
)
"""Measures that are not tables of numbers, told in ways of their own or in the record alone."""


@dataclass(frozen=True, slots=True)
class MeasureText:
    """A measure in words.

    Attributes:
        name: what is measured.
        text: its value.
        doubt: why the value is not to be trusted; empty if nothing says so.
    """

    name: str
    text: str
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Measures that belong together."""

    title: str
    rows: tuple[MeasureText, ...]


def tables(measures: Mapping[str, Any], title: str = "") -> list[Table]:
    """Every number in a record's measures, in words, whatever a recipe calls it.

    Args:
        measures: nested mappings; a mapping of ``mean``, ``low`` and ``high`` is a number with its
            interval, and so is a number ``x`` beside an ``x_interval``; ``x_note`` says by name
            what is wrong with the numbers of ``x``.
        title: what they are measures of.
    """
    return _tables(measures, title, {})


def _tables(measures: Mapping[str, Any], title: str, notes: Mapping[str, Any]) -> list[Table]:
    rows, inner = [], []
    for key, value in measures.items():
        if key in ELSEWHERE or goes_with_another(key, measures):
            continue
        interval = measures.get(key + INTERVAL)
        if isinstance(value, Mapping) and not is_interval(value):
            mark = f" [{unit(key)}]" if unit(key) else ""
            heading = ", ".join(filter(None, (title, named(key) + mark)))
            about = measures.get(key + NOTE, {})
            inner += _tables(_with_intervals(value, interval), heading, about)
        elif text := value_text(_with_interval(value, interval), unit(key)):
            rows.append(MeasureText(named(key), text, str(notes.get(key, ""))))
    rows += [row for table in inner if table.title == title for row in table.rows]
    own = [Table(title, tuple(rows))] if rows else []
    return own + [table for table in inner if table.title != title]


def goes_with_another(key: str, measures: Mapping[str, Any]) -> bool:
    """Whether a measure is told with the one that it is an interval of or a note on."""
    return any(key.endswith(end) and key.removesuffix(end) in measures for end in (INTERVAL, NOTE))


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
        and all(is_number(value[key]) for key in ("mean", "low", "high"))
    )


def value_text(value: Any, mark: str = "") -> str:
    """A value in words, with its unit and, where it has one, its interval; empty for none."""
    after = f" {mark}" if mark else ""
    if is_interval(value):
        level = f"{round(100 * value.get('level', 0.95))} %"
        mean, low, high = (number_text(value[key]) for key in ("mean", "low", "high"))
        if "measured" not in value:
            return f"{mean}{after} ({level}: {low} to {high})"
        measured = number_text(value["measured"])
        inside = value["low"] <= value["measured"] <= value["high"]
        beside = "" if inside else ", outside its own interval"
        drawn = "" if mean == measured else f"; mean of samples {mean}"
        return f"{measured}{after}{beside} ({level}: {low} to {high}{drawn})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_number(value):
        return number_text(value) + after
    return value if isinstance(value, str) else ""


def number_text(value: float) -> str:
    """A number with three or four digits that matter."""
    if isinstance(value, int) or value == 0:
        return str(int(value))
    size = abs(value)
    digits = next((d for limit, d in ((100, 0), (10, 1), (1, 2), (0.01, 3)) if size >= limit), None)
    return f"{value:.1e}" if digits is None else f"{value:.{digits}f}"


def interval_notes(measures: Mapping[str, Any]) -> list[str]:
    """What a record's intervals are, each said once, with the images that it holds for."""
    roles: dict[str, list[str]] = {}
    for role, found in (("", measures), *measures.items()):
        if isinstance(found, Mapping) and isinstance(said := found.get("interval"), str):
            roles.setdefault(said, []).append(role)
    notes = []
    for said, those in roles.items():
        whose = "" if "" in those else f" of {', '.join(those)}"
        notes.append(f"Intervals{whose}: {said}")
    return notes


def rule_tables(measures: Mapping[str, Any]) -> list[Table]:
    """What anatomical rules changed in a record's mask, where the recipe has any."""
    rows = []
    for rule in measures.get("rules", ()):
        changes = [
            f"{named(name)} {change:+.1f} {UNITS['ml']}"
            for name, change in rule["change_ml"].items()
            if change
        ]
        said = f"{rule['changed_voxels']} voxels: {', '.join(changes) or 'no volume'}"
        text = said if rule["changed_voxels"] else "changed nothing"
        rows.append(MeasureText(rule["rule"].replace("_", " "), text))
    return [Table("Anatomical rules", tuple(rows))] if rows else []


def segment_tables(measures: Mapping[str, Any]) -> list[Table]:
    """The seventeen segments, the territories and the profile of a record that has them."""
    found = measures.get("segments")
    if not isinstance(found, Mapping):
        return []
    arteries = found.get("territory_infarcted_percent", {}).items()
    supplied = [
        MeasureText(f"usually fed by the {artery}", percent(share)) for artery, share in arteries
    ]
    return [
        Table(
            "Segments of the left ventricle",
            (*supplied, MeasureText("origin", str(found["origin"]))),
        ),
        Table(
            "17 segments: wall, infarct transmurality",
            tuple(
                MeasureText(
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
                MeasureText(
                    f"slice {one['slice']}",
                    f"{millimetres(one['wall_thickness_mm'])}, "
                    f"{percent(one['infarct_transmurality_percent'])}, "
                    f"{number_text(one['cavity_cm2'])} {UNITS['cm2']}",
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


def seconds(timings: Mapping[str, float]) -> Iterator[MeasureText]:
    """Where a case's time went, the whole of it last."""
    for step, value in sorted(timings.items(), key=lambda item: item[0] == "total"):
        yield MeasureText(step, f"{value:.2f} s")


def is_number(value: Any) -> bool:
    """Whether a measure is a number, which yes and no are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _with_interval(value: Any, interval: Any) -> Any:
    """A number with what its interval says, which need not hold it: samples differ from masks."""
    if not (is_number(value) and is_interval(interval)):
        return value
    return {**interval, "measured": value}


def _with_intervals(values: Mapping[str, Any], intervals: Any) -> Mapping[str, Any]:
    if not isinstance(intervals, Mapping):
        return values
    return {key: _with_interval(value, intervals.get(key)) for key, value in values.items()}
