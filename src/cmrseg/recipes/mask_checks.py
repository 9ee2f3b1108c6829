"""Plain faults of a mask that no heart has: parts that lack or lie apart, gaps, stray pieces.

They are warnings beside the verdict of galati2021, which knows nothing of them. The autoencoder
that gives it reproduces an empty slice amid a stack as empty, and many a stray piece as a piece
(the tables of `cmrseg-lab score-qc` say how seldom it tells them): of masks that nobody cleaned,
these
are the errors to expect most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cmrseg.imaging.postprocess import largest
from cmrseg.imaging.volume import Array
from cmrseg.quality.pseudo_metrics import DECISIVE
from cmrseg.recipes.mnms2_volumes import STRUCTURES

NOTABLE = 0.01
"""Share of a structure: of less, a voxel or two at the edge, many a good mask has pieces."""
APART_MM = 10.0
"""No RV lies farther from LV and myocardium: a slice's distance, or a septum nobody outlined."""


def faults(mask: Array, spacing_mm: Sequence[float]) -> tuple[str, ...]:
    """What is wrong with a mask, in words.

    Args:
        mask: (z, y, x) labels, slices first.
        spacing_mm: of its voxels, (z, y, x).
    """
    masks = {name: np.isin(mask, labels) for name, labels in STRUCTURES.items()}
    found = {name: one for name, one in masks.items() if one.any()}
    if not found:
        return ("the mask is empty: there is no heart in it",)
    lacking = [name for name in masks if name not in found]
    return (
        *([f"no {' and no '.join(lacking)} in the mask"] if lacking else []),
        *_alone(list(found)),
        *_gaps(found),
        *_strays(found),
        *_apart(found, spacing_mm),
    )


def _alone(names: list[str]) -> Iterator[str]:
    if names == [DECISIVE]:
        yield (
            f"thresholds are of whole hearts, not of an {DECISIVE} alone: take them from the "
            "cohort, or give LV and myocardium too"
        )


def _gaps(found: dict[str, Array]) -> Iterator[str]:
    """Slices without a structure between slices with it."""
    by_number: dict[int, list[str]] = {}
    for name, one in found.items():
        there = np.flatnonzero(one.any(axis=(1, 2)))
        by_number.setdefault(int(there[-1] - there[0] + 1 - len(there)), []).append(name)
    for lacking, names in by_number.items():
        if lacking:
            noun = "slice" if lacking == 1 else "slices"
            yield f"no {' and no '.join(names)} in {lacking} {noun} between slices with it"


def _strays(found: dict[str, Array]) -> Iterator[str]:
    """What of a ventricle is not joined to its largest piece; the myocardium may be open."""
    for name in sorted(found.keys() - {"MYO"}):
        apart = 1 - largest(found[name]).sum() / found[name].sum()
        if apart >= NOTABLE:
            yield f"{100 * apart:.2g} % of the {name} lies apart from its largest piece"


def _apart(found: dict[str, Array], spacing_mm: Sequence[float]) -> Iterator[str]:
    """An RV outside the box around the rest of the heart, with :data:`APART_MM` on every side."""
    rest = [one for name, one in found.items() if name != DECISIVE]
    if DECISIVE not in found or not rest:
        return
    places_mm = np.argwhere(np.any(rest, axis=0)) * spacing_mm
    low, high = places_mm.min(axis=0) - APART_MM, places_mm.max(axis=0) + APART_MM
    own_mm = np.argwhere(found[DECISIVE]) * spacing_mm
    if not ((low <= own_mm) & (own_mm <= high)).all(axis=1).any():
        yield f"the {DECISIVE} lies apart from the rest of the heart"
