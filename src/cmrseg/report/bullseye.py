"""The left ventricle as a target: seventeen segments at a glance, and slice by slice.

The base is the outer ring, the apex the middle, the anterior wall on top and the septum on the left
(Cerqueira et al. 2002, fig. 4). Every field carries its number; heavy lines part the territories of
the three arteries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from cmrseg.imaging.aha_segments import TERRITORIES
from cmrseg.report.canvas import BLACK, GREY, WHITE, Canvas
from cmrseg.report.case_sheet import SheetPart

RADIUS, EDGE = 120, 34
"""Of the target and of what is around it, in pixels."""
FINE = 3
"""Shapes are drawn so many times larger and averaged."""
RINGS = ((0.75, 1.0), (0.5, 0.75), (0.25, 0.5))
UNKNOWN = (230, 232, 234)
NOTHING, FULL = "#ffffff", "#8c0d25"
THIN, THICK = "#f4f7fb", "#1f4e8c"
THICK_MM = 16.0
BARS = (300, 2 * (RADIUS + EDGE))
"""Width and height of the profile, in pixels."""

CORNERS = (("LAD", -0.88, -0.96), ("RCA", -0.88, 0.96), ("LCX", 0.96, 0.84))
"""Where the arteries' names stand."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Field:
    """One segment's place on a target of radius 1, angles in degrees counted upwards.

    Attributes:
        segment: 1 to 17.
        inner: radius towards the apex.
        outer: radius towards the base.
        start: angle at which it begins.
        end: angle at which it ends; a whole turn for the apex.
    """

    segment: int
    inner: float
    outer: float
    start: float
    end: float

    @property
    def middle(self) -> Point:
        """Where its number stands; x to the right, y down."""
        if self.segment == 17:
            return 0.0, 0.0
        angle, radius = np.radians((self.start + self.end) / 2), (self.inner + self.outer) / 2
        return float(np.cos(angle) * radius), float(-np.sin(angle) * radius)

    def outline(self) -> list[Point]:
        """Its border; x to the right, y down."""
        angles = np.radians(np.arange(self.start, self.end + 0.5, 1.0))
        there = [(np.cos(a) * self.outer, -np.sin(a) * self.outer) for a in angles]
        back = [(np.cos(a) * self.inner, -np.sin(a) * self.inner) for a in angles[::-1]]
        return [(float(x), float(y)) for x, y in there + (back if self.inner else [])]


def fields() -> list[Field]:
    """The seventeen, segment 1 first: from the anterior wall to the septum and round."""
    found = [
        Field(6 * ring + place + 1, *RINGS[ring], 60.0 + 60 * place, 120.0 + 60 * place)
        for ring in range(2)
        for place in range(6)
    ]
    found += [Field(13 + p, *RINGS[2], 45.0 + 90 * p, 135.0 + 90 * p) for p in range(4)]
    return [*found, Field(17, 0.0, RINGS[2][0], 0.0, 360.0)]


def segment_panels(measures: Mapping[str, Any]) -> list[SheetPart]:
    """Two targets and a profile; none for measures without segments."""
    found = measures.get("segments")
    if not isinstance(found, Mapping):
        return []
    values = found["values"]
    shares = found.get("territory_infarcted_percent")
    told = None
    if shares is not None:
        told = {a: a if s is None else f"{a} {s:.0f} %" for a, s in shares.items()}
    dead = {v["segment"]: v["infarct_transmurality_percent"] for v in values}
    wall = {v["segment"]: v["wall_thickness_mm"] for v in values}
    arteries = told and dict.fromkeys(told, "")
    title = "infarct transmurality, share by artery [%]" if told else "infarct transmurality [%]"
    return [
        SheetPart(
            title=title,
            pixels=target(dead, lambda v: mixed(NOTHING, FULL, v / 100), "{:.0f}", told),
        ),
        SheetPart(
            title="wall thickness [mm]",
            pixels=target(wall, lambda v: mixed(THIN, THICK, v / THICK_MM), "{:.1f}", arteries),
        ),
        SheetPart(title="slices from base to apex", pixels=profile(measures.get("slices", ()))),
    ]


def target(
    values: Mapping[int, float | None],
    colour: Callable[[float], tuple[int, int, int]],
    form: str,
    told: Mapping[str, str] | None = None,
) -> Any:
    """A target of values by segment, (rows, columns, 3) uint8.

    Args:
        values: segment -> value, None for one that was not seen.
        colour: of a value.
        form: how a value is written.
        told: what is written beside each artery's territory, its name if that is empty; None where
            the segments may be turned: no artery then, and a word of it on the target.
    """
    side = 2 * (RADIUS + EDGE)
    large = Canvas(side * FINE, side * FINE)

    def placed(point: Point, times: float = 1.0) -> Point:
        x, y = ((RADIUS + EDGE + c * RADIUS) * times for c in point)
        return x, y

    for field in fields():
        value = values.get(field.segment)
        fill = UNKNOWN if value is None else colour(value)
        outline = [placed(point, FINE) for point in field.outline()]
        large.polygon(outline, fill, GREY, FINE)
    for line in borders() if told else ():
        large.line([placed(point, FINE) for point in line], BLACK, 3 * FINE)
    canvas = Canvas(side, side)
    small = large.image.resize((side, side), Image.Resampling.BOX)
    canvas.paste(np.asarray(small), 0, 0)
    for field in fields():
        value = values.get(field.segment)
        ground = UNKNOWN if value is None else colour(value)
        ink = BLACK if sum(ground) > 384 else WHITE
        words = "-" if value is None else form.format(value)
        canvas.centred(*placed(field.middle), words, size=14, colour=ink)
    beside = [("anterior", 0.0, -1.14), ("inferior", 0.0, 1.14)]
    if told:
        beside += [(told[name] or name, x, y) for name, x, y in CORNERS]
    else:
        beside = [("may be turned: no", 0.0, -1.2), ("orientation in the header", 0.0, -1.08)]
    for words, x, y in beside:
        canvas.centred(*placed((x, y)), words, size=12, colour=GREY)
    return np.asarray(canvas.image)


@lru_cache(maxsize=1)
def borders() -> list[list[Point]]:
    """Lines between segments that different arteries usually feed."""
    owner = {segment: artery for artery, own in TERRITORIES.items() for segment in own}
    rings = [[f for f in fields() if f.outer == outer] for outer in (1.0, 0.75, 0.5, 0.25)]
    lines: list[list[Point]] = []
    for ring in rings[:3]:
        for field, following in zip(ring, [*ring[1:], ring[0]], strict=True):
            if owner[field.segment] != owner[following.segment]:
                lines.append([_at(field.end, field.inner), _at(field.end, field.outer)])
    for outside, inside in pairwise(rings):
        for degree in range(0, 360, 3):
            pair = (_field_at(outside, degree + 1.5), _field_at(inside, degree + 1.5))
            if owner[pair[0].segment] != owner[pair[1].segment]:
                radius = pair[1].outer
                lines.append([_at(degree, radius), _at(degree + 3, radius)])
    return lines


def profile(slices: Sequence[Mapping[str, Any]]) -> Any:
    """Bars a slice: infarct transmurality above, wall thickness below, (rows, columns, 3) uint8."""
    wide, high = BARS
    canvas = Canvas(wide, high)
    half = high // 2
    rows = (
        ("infarct_transmurality_percent", "infarct %", 100.0, FULL, "{:.0f}"),
        ("wall_thickness_mm", "wall mm", THICK_MM, THICK, "{:.0f}"),
    )
    step = wide / max(len(slices), 1)
    for row, (key, title, top, colour, form) in enumerate(rows):
        floor, room = half * (row + 1) - 22, half - 60
        canvas.text(0, half * row, title, size=12, colour=GREY)
        canvas.line([(0, floor), (wide - 1, floor)], GREY)
        for place, one in enumerate(slices):
            middle, value = (place + 0.5) * step, one[key]
            tall = 0.0 if value is None else min(value / top, 1.0) * room
            canvas.box(middle - step * 0.3, floor - tall, step * 0.6, tall, colour)
            words = "-" if value is None else form.format(value)
            canvas.centred(middle, floor - tall - 9, words, size=11)
            canvas.centred(middle, floor + 10, str(one["slice"]), size=11, colour=GREY)
    return np.asarray(canvas.image)


def mixed(low: str, high: str, share: float) -> tuple[int, int, int]:
    """A colour between two, 0 for the first and 1 for the second."""
    ends = [np.array(ImageColor.getrgb(colour)[:3], float) for colour in (low, high)]
    red, green, blue = (ends[0] + min(max(share, 0.0), 1.0) * (ends[1] - ends[0])).round()
    return int(red), int(green), int(blue)


def _at(degree: float, radius: float) -> Point:
    angle = np.radians(degree)
    return float(np.cos(angle) * radius), float(-np.sin(angle) * radius)


def _field_at(ring: Sequence[Field], degree: float) -> Field:
    return next(f for f in ring if (degree - f.start) % 360 < f.end - f.start or f.segment == 17)
