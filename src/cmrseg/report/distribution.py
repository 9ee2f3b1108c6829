"""How a run's values lie, and where the fences of the training population stand, as inline SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from markupsafe import Markup, escape

from cmrseg.report.columns import COLUMNS
from cmrseg.report.formatting import named, number_text
from cmrseg.report.status import DECISIVE, Record, quality

WIDE, HIGH, LEFT, BASE, TOP = 340, 128, 10, 96, 22
"""Pixels: the whole drawing, its left margin, where bars stand, and how high they reach."""
BINS = 28
FEWEST = 3
"""Fewer values than this are no distribution; beside a fence, one value tells something."""
EMPTY: Mapping[int, str] = {}
NAMED = 12
"""So many cases beyond a fence are marked one by one, the farthest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Where the range of the training population ends.

    Attributes:
        value: the last value in range.
        side: which values are out of range, the ``low`` or the ``high``.
    """

    value: float
    side: Literal["low", "high"]

    def beyond(self, value: float) -> bool:
        """Whether a value is out of range."""
        return value < self.value if self.side == "low" else value > self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One measure over a run.

    Attributes:
        title: what is measured, with its unit.
        values: case number -> value.
        fence: of the training population, if there is one.
        population: quantiles 0 to 1, evenly spaced, of the training population; empty if unknown.
        told: where the fence comes from, in words.
    """

    title: str
    values: Mapping[int, float]
    fence: Fence | None = None
    population: tuple[float, ...] = ()
    told: str = ""

    @property
    def counted(self) -> str:
        """How many values there are, in words."""
        count = len(self.values)
        return f"{count} value{'' if count == 1 else 's'}"

    @property
    def beyond(self) -> list[int]:
        """Numbers of the cases out of range, the farthest first."""
        if self.fence is None:
            return []
        fence = self.fence
        out = [n for n, value in self.values.items() if fence.beyond(value)]
        return sorted(out, key=lambda n: -abs(self.values[n] - fence.value))


def distributions(
    challenge: str, records: Sequence[Record], manifest: Mapping[str, Any]
) -> list[Distribution]:
    """What is worth a drawing: quality control's measures with fences, then the run's columns.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        records: the run's cases.
        manifest: the bundle's. Of its training population tell ``quality`` (recipe ->
            ``thresholds`` and ``population`` by role) and ``trust`` (``population`` by structure).
    """
    drawn = [*_controls(records, manifest)]
    for column in (column for column in COLUMNS[challenge] if column.drawn):
        values = {n: v for n, r in enumerate(records) if (v := column.value(r)) is not None}
        title = f"{column.title} [{column.unit}]" if column.unit else column.title
        drawn.append(Distribution(title=title, values=values))
    return [one for one in drawn if len(one.values) >= (1 if one.fence else FEWEST)]


def svg(drawn: Distribution, names: Sequence[str], places: Mapping[int, str] = EMPTY) -> Markup:
    """The drawing. Cases beyond the fence are links into the page.

    Args:
        drawn: what is drawn.
        names: of the cases.
        places: case number -> the page that it stands on, where that is another one.
    """
    least, most = _ends(drawn)
    room = (most - least) * 0.04 or max(abs(most) * 0.05, 1e-6)
    low, high = least - room, most + room

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDE - 2 * LEFT)

    parts = [_bars(drawn, low, high)]
    if drawn.population:
        parts.append(_population(drawn.population, x))
    if drawn.fence is not None:
        parts.append(_fence(drawn.fence, x(drawn.fence.value)))
    parts += [
        _mark(n, x(drawn.values[n]), names[n], drawn, places.get(n, ""))
        for n in drawn.beyond[:NAMED]
    ]
    parts.append(
        f'<path class="axis" d="M{LEFT} {BASE}H{WIDE - LEFT}"/>'
        f'<text x="{x(least):.1f}" y="{BASE + 16}">{number_text(least)}</text>'
        f'<text x="{x(most):.1f}" y="{BASE + 16}" text-anchor="end">{number_text(most)}</text>'
    )
    label = escape(f"{drawn.title}: {drawn.counted}, {len(drawn.beyond)} out of range")
    return Markup(
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDE} {HIGH}" width="{WIDE}" '
        f'height="{HIGH}">{"".join(parts)}</svg>'
    )


def has_fences(manifest: Mapping[str, Any]) -> bool:
    """Whether a bundle's quality control can judge anything."""
    return bool(manifest.get("quality") or manifest.get("trust", {}).get("fences"))


def _controls(records: Sequence[Record], manifest: Mapping[str, Any]) -> list[Distribution]:
    """All that verdicts went by, by role; of cases without roles by structure."""
    values: dict[tuple[str, str], dict[int, float]] = {}
    fences: dict[tuple[str, str], tuple[Fence, bool]] = {}
    for n, record in enumerate(records):
        for role, control in quality(record):
            for key, value, fence in _judged(control):
                values.setdefault((role, key), {})[n] = value
                fences[role, key] = fence, control.get("thresholds") == "cohort"
    drawn = []
    for (role, key), found in sorted(values.items()):
        fence, of_cohort = fences[role, key]
        told, population = _trained(manifest, role, key)
        drawn.append(
            Distribution(
                title=_title(role, key),
                values=found,
                fence=fence,
                population=population,
                told="fence: Tukey's, of the cases of this run" if of_cohort else told,
            )
        )
    return drawn


def _judged(control: Mapping[str, Any]) -> Iterator[tuple[str, float, Fence]]:
    """Name, value and fence of what a verdict goes by.

    These are the answer's pDC and pHD of the decisive structure, or how well the samples of a
    network agree on each structure.
    """
    answer = control.get("answer", {}).get(DECISIVE)
    if answer:
        yield "pDC", answer["pDC"], Fence(value=control["th_low"], side="low")
        yield "pHD_mm", answer["pHD_mm"], Fence(value=control["th_up_mm"], side="high")
    for name, value in control.get("samples_agree", {}).items():
        yield name, value, Fence(value=control["fences"][name], side="low")


def _title(role: str, key: str) -> str:
    if role:
        return f"{role} {DECISIVE} {key.removesuffix('_mm')}{' [mm]' if '_mm' in key else ''}"
    return f"Samples of a network agree on {named(key)} (Dice)"


def _trained(manifest: Mapping[str, Any], role: str, key: str) -> tuple[str, tuple[float, ...]]:
    """Where a fence comes from, in words, and the training population; empty where unknown."""
    if not role:
        trust = manifest.get("trust", {})
        told = f"fence: Tukey's, of {trust['fitted_on']}" if trust else ""
        return told, tuple(trust.get("population", {}).get(key, ()))
    for entry in manifest.get("quality", {}).values():
        fences = entry["thresholds"].get(role)
        if fences:
            known = entry.get("population", {}).get(role, {}).get(key, ())
            told = f"fence: Tukey's, of {fences['measures']} masks of {entry['fitted_on']}"
            return told, tuple(known)
    return "", ()


def _ends(drawn: Distribution) -> tuple[float, float]:
    """The least and the greatest of all that is drawn."""
    seen = [*drawn.values.values(), *drawn.population]
    if drawn.fence:
        seen.append(drawn.fence.value)
    return min(seen), max(seen)


def _bars(drawn: Distribution, low: float, high: float) -> str:
    """A histogram; what lies beyond the fence is striped."""
    lost_numbers = set(drawn.beyond)
    edges = np.linspace(low, high, BINS + 1)
    kept, lost = (
        np.histogram([v for n, v in drawn.values.items() if (n in lost_numbers) is out], edges)[0]
        for out in (False, True)
    )
    scale = (BASE - TOP) / max((kept + lost).max(), 1)
    step = (WIDE - 2 * LEFT) / BINS
    bars = []
    for place in range(BINS):
        left = LEFT + place * step
        for count, under, kind in ((kept[place], 0, "in"), (lost[place], kept[place], "out")):
            if count:
                top = BASE - (count + under) * scale
                bars.append(
                    f'<rect class="{kind}" x="{left + 0.5:.1f}" y="{top:.1f}" '
                    f'width="{step - 1:.1f}" height="{count * scale:.1f}"/>'
                )
    return "".join(bars)


def _fence(fence: Fence, x: float) -> str:
    anchor, beside = ("end", -5) if x > WIDE / 2 else ("start", 5)
    sign = "<" if fence.side == "low" else ">"
    words = escape(f"out of range {sign} {number_text(fence.value)}")
    return (
        f'<path class="fence" d="M{x:.1f} {TOP - 8}V{BASE}"/>'
        f'<text class="told" x="{x + beside:.1f}" y="{TOP - 9}" text-anchor="{anchor}">'
        f"{words}</text>"
    )


def _population(quantiles: Sequence[float], x: Any) -> str:
    """The training population's middle half as a box with its median, all of it as a line."""
    low, first, middle, third, high = (
        x(float(v))
        for v in np.interp((0, 0.25, 0.5, 0.75, 1), np.linspace(0, 1, len(quantiles)), quantiles)
    )
    y = BASE + 24
    return (
        f'<path class="trained" d="M{low:.1f} {y}H{high:.1f}"/>'
        f'<rect class="trained" x="{first:.1f}" y="{y - 4}" height="8" '
        f'width="{third - first:.1f}"/><path class="median" d="M{middle:.1f} {y - 5}v10"/>'
    )


def _mark(n: int, x: float, name: str, drawn: Distribution, place: str) -> str:
    words = escape(f"{name}: {number_text(drawn.values[n])}")
    return (
        f'<a href="{place}#case-{n}"><path class="mark" d="M{x:.1f} {BASE - 8}l5 9h-10z"/>'
        f"<title>{words}</title></a>"
    )
