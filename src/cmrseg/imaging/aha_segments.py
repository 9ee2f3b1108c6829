"""Seventeen segments of the left ventricle: wall thickness and infarct transmurality (EMIDEC).

Segments and names: Cerqueira et al., Circulation 105:539-542, 2002 (AHA). The slices that show the
wall all round are cut into thirds, basal, mid-cavity and apical; base and middle have six segments
of 60 degrees, the apical third four of 90, the apex one. Which artery feeds which segment is the
same paper's; it varies between people.

In every slice rays leave the cavity's centre. A ray's wall thickness is the length of myocardium on
it, its transmurality the infarcted share of that length (Kim et al., N Engl J Med 343:1445, 2000,
take the same share of a segment's area). A segment has the mean of its rays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from cmrseg.imaging.aha_septum import (
    CAVITY,
    FARTHEST_DEG,
    STEP_MM,
    WALL,
    Origin,
    along,
    angles_deg,
    centre_of,
    find_origin,
    rays,
)
from cmrseg.imaging.orient import canonical
from cmrseg.imaging.volume import Array, Volume

INFARCT = (3, 4)
ALL_ROUND = 0.9
"""A slice shows the wall all round if this share of its rays meets it."""
LEVELS = ("basal", "mid", "apical")
SIXTHS = ("anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")
QUARTERS = ("anterior", "septal", "inferior", "lateral")
NAMES: tuple[str, ...] = (
    *(f"basal {name}" for name in SIXTHS),
    *(f"mid {name}" for name in SIXTHS),
    *(f"apical {name}" for name in QUARTERS),
    "apex",
)
"""By segment, the first is segment 1."""
TERRITORIES: Mapping[str, tuple[int, ...]] = {
    "LAD": (1, 2, 7, 8, 13, 14, 17),
    "RCA": (3, 4, 9, 10, 15),
    "LCX": (5, 6, 11, 12, 16),
}
"""Which artery usually feeds which segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WallSlice:
    """One slice's wall by ray.

    Attributes:
        number: in the file, from 1.
        level: ``basal``, ``mid`` or ``apical``; None where the wall is not seen all round.
        thickness_mm: by ray; NaN where a ray meets no wall.
        transmurality: infarcted share by ray (0-1); NaN likewise.
        areas_cm2: of cavity, wall and infarct.
    """

    number: int
    level: str | None
    thickness_mm: Array
    transmurality: Array
    areas_cm2: tuple[float, float, float]

    def told(self) -> dict[str, object]:
        """As it is recorded."""
        cavity, wall, infarct = (round(area, 2) for area in self.areas_cm2)
        return {
            "slice": self.number,
            "level": self.level,
            "cavity_cm2": cavity,
            "wall_cm2": wall,
            "infarct_cm2": infarct,
            "wall_thickness_mm": _rounded(_mean(self.thickness_mm)),
            "infarct_transmurality_percent": _rounded(_mean(self.transmurality), 100),
        }


class SegmentValue(TypedDict):
    """One of the seventeen segments; None where no slice shows it."""

    segment: int
    name: str
    wall_thickness_mm: float | None
    infarct_transmurality_percent: float | None
    deepest_percent: float | None


def segment_measures(
    image: Volume, mask: Volume, septum_deg: float | None = None
) -> dict[str, object]:
    """The seventeen segments of a stack and its profile, JSON-ready.

    Args:
        image: grey values as read: where the mask says nothing of the septum, they may.
        mask: EMIDEC labels on the same voxels.
        septum_deg: where the middle of the septum is, if somebody saw it (:func:`find_origin`).

    Returns:
        ``segments`` (``values``, a list of 17; ``origin`` in words; where the septum is sure,
        ``territory_infarcted_percent``) and ``slices``, from base to apex; nothing where no slice
        shows a cavity in a wall.
    """
    turned, orientation = canonical(mask)
    labels = turned.array
    numbers = np.arange(len(labels)) + 1
    numbers = numbers[::-1] if orientation.flipped[0] else numbers
    order = _base_to_apex(labels)
    seen = [_slice(labels[z], turned, int(numbers[z])) for z in order if _has_ring(labels[z])]
    if not seen:
        return {}
    levelled = _levelled(seen)
    origin = find_origin(turned.geometry, canonical(image)[0].array, labels, septum_deg)
    values = _values(levelled, origin, _tip(labels, order))
    turned_by = f". Segments may be turned by up to {FARTHEST_DEG:.0f} degrees"
    return {
        "segments": {
            "origin": f"mid septum: {origin.told}. Base: the end where the heart is wider"
            + turned_by * (not origin.sure),
            "septum_deg": round(origin.angle_deg, 1),
            "septum_sure": origin.sure,
            "values": values,
            # No artery by name where the segments may be turned.
            **({"territory_infarcted_percent": territories(values)} if origin.sure else {}),
        },
        "slices": [one.told() for one in levelled],
    }


def territories(values: Sequence[SegmentValue]) -> dict[str, float | None]:
    """Infarcted share of the segments that each artery usually feeds, in percent."""
    shares = {value["segment"]: value["infarct_transmurality_percent"] for value in values}
    found: dict[str, float | None] = {}
    for artery, segments in TERRITORIES.items():
        own = [share for segment in segments if (share := shares[segment]) is not None]
        found[artery] = round(float(np.mean(own)), 1) if own else None
    return found


def _has_ring(labels: Array) -> bool:
    return bool(np.isin(labels, CAVITY).any() and np.isin(labels, WALL).any())


def _base_to_apex(labels: Array) -> list[int]:
    """Slices in order from the wider end of the heart."""
    areas = (labels > 0).sum(axis=(1, 2))
    held = np.flatnonzero(areas)
    if not len(held):
        return []
    half = max(len(held) // 2, 1)
    first, last = areas[held[:half]].mean(), areas[held[-half:]].mean()
    return [int(z) for z in (held if first >= last else held[::-1])]


def _slice(labels: Array, volume: Volume, number: int) -> WallSlice:
    """One slice with a cavity and a wall."""
    _, y_mm, x_mm = volume.spacing_mm
    cavity, wall, infarct = (np.isin(labels, parts) for parts in (CAVITY, WALL, INFARCT))
    indices = rays(labels.shape, (y_mm, x_mm), centre_of(cavity))
    through = along(indices, wall).sum(axis=1).astype(float)
    dead = along(indices, infarct).sum(axis=1)
    through[through == 0] = np.nan
    areas = [float(part.sum()) * y_mm * x_mm / 100 for part in (cavity, wall, infarct)]
    return WallSlice(
        number=number,
        level=None,
        thickness_mm=through * STEP_MM,
        transmurality=dead / through,
        areas_cm2=(areas[0], areas[1], areas[2]),
    )


def _levelled(slices: Sequence[WallSlice]) -> list[WallSlice]:
    """Thirds of the slices whose wall is seen all round, from base to apex."""
    whole = [s for s in slices if np.isfinite(s.thickness_mm).mean() >= ALL_ROUND]
    level = {s.number: LEVELS[int(3 * (i + 0.5) / len(whole))] for i, s in enumerate(whole)}
    return [
        WallSlice(
            number=s.number,
            level=level.get(s.number),
            thickness_mm=s.thickness_mm,
            transmurality=s.transmurality,
            areas_cm2=s.areas_cm2,
        )
        for s in slices
    ]


def _tip(labels: Array, order: Sequence[int]) -> float | None:
    """Infarcted share of the wall beyond the cavity's last slice; None if no wall is seen there."""
    last = max(place for place, z in enumerate(order) if _has_ring(labels[z]))
    beyond = labels[list(order[last + 1 :])]
    wall = np.isin(beyond, WALL).sum()
    return float(np.isin(beyond, INFARCT).sum() / wall) if wall else None


def _values(slices: Sequence[WallSlice], origin: Origin, tip: float | None) -> list[SegmentValue]:
    """Thickness and transmurality of each segment; null for one that no slice shows."""
    from_septum = origin.from_septum(angles_deg())
    values = []
    for segment, name in enumerate(NAMES[:-1], 1):
        level, inside = _rays_of(segment, from_septum)
        own = [s for s in slices if s.level == level]
        thickness = [s.thickness_mm[inside] for s in own]
        share = [s.transmurality[inside] for s in own]
        values.append(_value(segment, name, _mean(thickness), _mean(share), _most(share)))
    values.append(_value(17, NAMES[-1], None, tip, tip))
    return values


def _rays_of(segment: int, from_septum: Array) -> tuple[str, Array]:
    """A segment's level, and which rays (angle from mid septum, positive to anterior) are its."""
    if segment <= 12:
        # Anteroseptal and inferoseptal meet in mid septum; the anterior one is next to the former.
        middle = {0: 90, 1: 30, 2: -30, 3: -90, 4: -150, 5: 150}[(segment - 1) % 6]
        level, half = LEVELS[(segment - 1) // 6], 30.0
    else:
        middle = {13: 90, 14: 0, 15: -90, 16: 180}[segment]
        level, half = LEVELS[2], 45.0
    away = (from_septum - middle + 180) % 360 - 180
    return level, (away >= -half) & (away < half)


def _value(
    segment: int, name: str, thickness: float | None, share: float | None, most: float | None
) -> SegmentValue:
    return {
        "segment": segment,
        "name": name,
        "wall_thickness_mm": _rounded(thickness),
        "infarct_transmurality_percent": _rounded(share, 100),
        "deepest_percent": _rounded(most, 100),
    }


def _mean(values: Any) -> float | None:
    """Mean of what is a number, if at least half is; else None."""
    known = np.asarray(values, float).reshape(-1)
    if not len(known) or np.isfinite(known).mean() < 0.5:
        return None
    return float(np.nanmean(known))


def _most(shares: Sequence[Array]) -> float | None:
    """The infarct's depth where it is deepest: nine rays in ten of the segment are below."""
    known = np.asarray(shares, float).reshape(-1)
    known = known[np.isfinite(known)]
    return float(np.quantile(known, 0.9)) if len(known) else None


def _rounded(value: float | None, times: float = 1.0) -> float | None:
    return None if value is None else round(value * times, 1)
