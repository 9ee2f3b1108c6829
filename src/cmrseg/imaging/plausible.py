"""Sizes and greys that no heart scan has, and what is most likely wrong in the header then.

Such a size is a warning and no refusal, as a part of a heart or an animal's may be meant; but
nothing computed from it passes for checked.
"""

from __future__ import annotations

import numpy as np

from cmrseg.imaging.orient import canonical, slice_axis
from cmrseg.imaging.volume import Geometry, Volume

LOWEST_MM, HIGHEST_MM = 30.0, 250.0
"""Height of a stack. Public cine and late-enhancement data have 40 to 154 mm."""
WIDEST_GAP_MM = 20.0
"""Distance between slices; public data have 5 to 13 mm."""
UNIT_MM = 1.0
"""The slice distance of files that were never told one."""

ENDS = 0.1
"""Share of the range of greys, without the outermost half per cent, that is near black or white."""
WHITER, WHITER_NARROW = 1.5, 4.0
"""How much more of a cine may be near white than near black; of one cut to the heart alone."""
NARROW_MM = 180.0
"""A field of view that air and lungs hardly reach."""


def inverted(volume: Volume) -> tuple[str, ...]:
    """What to say of a cine in which white is where air and lungs should be black.

    Of 57 cines of four public sources and of synthetic ones 0.02 to 0.6 times as much was near
    white as near black, within their inner 44 % up to 3.9 times.
    """
    from cmrseg.imaging.grey_scale import interior  # it loads scipy

    turned = canonical(volume)[0]
    inside = turned.array[interior(turned.array)]
    low, high = np.percentile(inside, (0.5, 99.5))
    black, white = low + ENDS * (high - low), high - ENDS * (high - low)
    extent = [n * s for n, s in zip(turned.array.shape[1:], turned.spacing_mm[1:], strict=True)]
    most = WHITER if min(extent) >= NARROW_MM else WHITER_NARROW
    if np.count_nonzero(inside > white) <= most * np.count_nonzero(inside < black):
        return ()
    return (
        "more of the image is near white than near black: the contrast may be inverted, or this is "
        "no cine; masks of such images are mostly wrong",
    )


def implausible(geometry: Geometry) -> tuple[str, ...]:
    """What is implausible about a stack's size, with the likely cause; nothing of a single slice.

    Args:
        geometry: of the image as stored.
    """
    axis = slice_axis(geometry)
    count, gap_mm = geometry.shape[axis], geometry.spacing_mm[axis]
    if count == 1:
        return ()
    height_mm = count * gap_mm
    stack = f"the stack is {height_mm:.3g} mm tall ({count} slices, {gap_mm:.3g} mm apart)"
    found = []
    if height_mm < LOWEST_MM:
        cause = (
            "the header was never told the slice distance"
            if gap_mm == UNIT_MM
            else ("slices are missing, or the slice distance in the header is wrong")
        )
        found.append(f"{stack}, which is less than a heart: {cause}; volumes follow from it")
    if height_mm > HIGHEST_MM:
        found.append(
            f"{stack}, which is more than a chest: the slice distance in the header is wrong, or "
            "several stacks lie in one file"
        )
    if gap_mm > WIDEST_GAP_MM:
        found.append(
            f"the slices are {gap_mm:.3g} mm apart, farther than cardiac protocols have them: "
            "slices are missing, or the slice distance in the header is wrong"
        )
    return tuple(found)
