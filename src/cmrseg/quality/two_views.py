"""One heart seen twice: the short- and the long-axis mask compared where their planes meet.

A long-axis slice cuts through the short-axis stack. Along that cut both masks must show the same
heart in patient space, whatever the truth is: no labels are needed to see that they do not. A
header that places one of them wrongly, slices shifted by breathing, and a wrong mask all show. The
long axis also sees where the ventricles end: a short-axis slice beyond that cannot hold them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from cmrseg.imaging.orient import slice_axis
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.surface import surface_distances
from cmrseg.imaging.volume import Array, Volume

STEEPEST_COSINE = 0.5
"""Planes at less than 60 degrees to each other are not a short and a long axis; of files without
orientation all planes are parallel."""
OUTSIDE = 255
"""Where the stack has no voxel."""
DISAGREE = {"LV": 0.7, "RV": 0.6}
"""Dice along the cut below which somebody has to look (docs/results/two_views.md)."""
WHOLE_SLICE = 1.0
"""Slices by which the ends of both masks may differ: the outermost slice may hold half a
ventricle."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Both masks along the long-axis plane.

    Attributes:
        trace: labels of the short-axis mask at the long-axis voxels, :data:`OUTSIDE` beyond the
            stack.
        long: labels of the long-axis mask there.
        depth: number of the short-axis slice, a fraction, of each of these voxels.
        spacing_mm: of the voxels.
    """

    trace: Array
    long: Array
    depth: Array
    spacing_mm: tuple[float, float, float]

    def agreement(self, structures: Mapping[str, Sequence[int]]) -> dict[str, dict[str, float]]:
        """Structure -> ``dice`` and mean surface distance ``distance_mm``, inside the stack.

        Structures that neither mask shows there are left out.
        """
        inside, found = self.trace != OUTSIDE, {}
        for name, parts in structures.items():
            short, long = np.isin(self.trace, parts), np.isin(self.long, parts) & inside
            if short.any() or long.any():
                away = surface_distances(short, long, self.spacing_mm).assd_mm
                found[name] = {"dice": round(dice(short, long), 3), "distance_mm": round(away, 1)}
        return found

    def ends(self, parts: Sequence[int]) -> tuple[list[int], list[int]]:
        """Short-axis slices, from 1, that show a structure beyond the ends that the long axis sees,
        and those that lack it between these ends; a slice next to an end may do either.

        Args:
            parts: labels that the structure is made of.
        """
        inside = self.trace != OUTSIDE
        long = self.depth[np.isin(self.long, parts) & inside]
        if not long.size:
            return [], []
        low, high = long.min(), long.max()
        shown = np.unique(np.rint(self.depth[np.isin(self.trace, parts)]))
        beyond = shown[(shown < low - WHOLE_SLICE) | (shown > high + WHOLE_SLICE)]
        crossed = np.unique(np.rint(long))
        between = (crossed > low + WHOLE_SLICE) & (crossed < high - WHOLE_SLICE)
        lacking = np.setdiff1d(crossed[between], shown)
        return [int(z) + 1 for z in beyond], [int(z) + 1 for z in lacking]


def cut(short: Volume, long: Volume) -> Cut | None:
    """A short-axis mask along a long-axis mask's plane; None where the planes do not cross.

    Args:
        short: labels of a stack.
        long: labels of one slice.
    """
    across, flat = (slice_axis(one.geometry) for one in (short, long))
    cosine = short.geometry.direction[:, across] @ long.geometry.direction[:, flat]
    if abs(cosine) > STEEPEST_COSINE:
        return None
    index = np.indices(long.array.shape).reshape(3, -1)
    at = short.geometry.to_index(long.geometry.to_patient(index))
    near = np.rint(at).astype(int)
    size = np.array(short.array.shape)[:, None]
    inside = ((near >= 0) & (near < size)).all(axis=0)
    if not inside.any():
        return None
    trace = np.full(inside.shape, OUTSIDE, np.uint8)
    trace[inside] = short.array[tuple(near[:, inside])]
    shape = long.array.shape
    return Cut(trace.reshape(shape), long.array, at[across].reshape(shape), long.spacing_mm)


class ViewsAgreement(TypedDict):
    """Structure -> Dice, and mean distance of surfaces, where both planes meet."""

    views_agree: dict[str, float]
    views_distance_mm: dict[str, float]


def told(
    masks: Mapping[str, Volume], structures: Mapping[str, Sequence[int]]
) -> tuple[dict[str, ViewsAgreement], list[str], list[str]]:
    """What comparing a patient's views says, phase by phase.

    Args:
        masks: role (``SA_ED``, ``LA_ED``, ...) -> labels.
        structures: name -> the labels it is made of.

    Returns:
        The long axis's role -> agreement; why somebody has to look, in words; warnings.
    """
    found: dict[str, ViewsAgreement] = {}
    review: list[str] = []
    warnings: list[str] = []
    for phase in ("ED", "ES"):
        if not {f"SA_{phase}", f"LA_{phase}"} <= masks.keys():
            continue
        both = cut(masks[f"SA_{phase}"], masks[f"LA_{phase}"])
        if both is None:
            continue
        agreement = both.agreement(structures)
        found[f"LA_{phase}"] = {
            "views_agree": {name: one["dice"] for name, one in agreement.items()},
            "views_distance_mm": {name: one["distance_mm"] for name, one in agreement.items()},
        }
        apart = [
            f"{name} {agreement[name]['dice']:.2f}"
            for name, least in DISAGREE.items()
            if name in agreement and agreement[name]["dice"] < least
        ]
        if apart:
            review.append(
                f"{phase}: short and long axis show the heart in different places (Dice where "
                f"their planes meet: {', '.join(apart)}): a wrong header, shifted slices, or a "
                "wrong mask"
            )
        for name in DISAGREE:
            beyond, lacking = (", ".join(map(str, own)) for own in both.ends(structures[name]))
            if beyond:
                warnings.append(
                    f"SA_{phase}: {name} in slice {beyond}, beyond its end in the long axis"
                )
            if lacking:
                warnings.append(
                    f"SA_{phase}: no {name} in slice {lacking}, where the long axis shows it"
                )
    return found, review, warnings
