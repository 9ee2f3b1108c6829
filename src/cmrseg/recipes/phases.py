"""A patient's two phases: found in a cine, not one image twice, and stacks where volumes count."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from cmrseg.imaging.orient import slice_axis
from cmrseg.imaging.volume import Volume


def lone_slice(role: str, volume: Volume) -> tuple[str, ...]:
    """What to say of a short axis of one slice: many files of one never say how thick it is."""
    if not role.startswith("SA") or volume.geometry.shape[slice_axis(volume.geometry)] > 1:
        return ()
    return (
        "the short axis has one slice, so volumes are those of one slice, as thick as the header "
        "says or as was assumed: give the whole stack",
    )


def image_digest(volume: Volume) -> str:
    """A digest of an image's grey values."""
    return hashlib.sha256(volume.array.tobytes()).hexdigest()


def alike(digests: Mapping[str, str]) -> dict[str, str]:
    """Roles whose image is the other phase's too, each with what to say of it.

    Args:
        digests: role -> :func:`image_digest`.
    """
    found: dict[str, str] = {}
    for one, other in combinations(digests, 2):
        if one[:2] == other[:2] and digests[one] == digests[other]:
            said = (
                f"{one} and {other} are the same image, so there is no ejection fraction: give "
                "each phase its own frame (--frame takes the same one of every file)"
            )
            found |= {one: said, other: said}
    return found


FEWEST = 5
"""Frames; of fewer no failed one can be told."""
APART = 0.25
"""Share of the largest volume by which a frame may differ from the median of itself and its two
neighbours, an estimate: no heart changes so much there and back, but a mask that failed does."""


def find_phases(lv_ml: Sequence[float]) -> tuple[int, int]:
    """The frames of end-diastole and of end-systole, from 0.

    Args:
        lv_ml: the LV's volume in every frame, at least one; the first follows the last.
    """
    volumes = np.asarray(lv_ml, float)
    usual = np.median([np.roll(volumes, by) for by in (-1, 0, 1)], axis=0)
    sound = np.abs(volumes - usual) <= APART * usual.max()
    if len(volumes) < FEWEST or not sound.any():
        sound[:] = True
    largest = np.where(sound, volumes, -np.inf).argmax()
    smallest = np.where(sound, volumes, np.inf).argmin()
    return int(largest), int(smallest)
