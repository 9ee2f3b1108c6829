"""DICOM slices to one stack: which are copies, which lie at one place, how far apart they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np

from cmrseg.imaging.dicom_slices import CLOCKS, INSTANCE, Slice, pixel_digest
from cmrseg.imaging.orient import TOLERANCE
from cmrseg.runtime.errors import InputError

SAME_PLACE_MM = 0.05
"""Slices closer than this lie at one place: frames of a cine."""
EVEN, UNEVEN = 0.02, 0.12
"""Share by which a distance between slices may differ from the usual one: without a word, and at
all. Breath-holds and rounded positions make about 10 %; a missing slice makes 100 %."""
MOST_ASIDE_MM = 10.0
"""Slices of one stack are not shifted in plane by more: their orientation is wrong."""


def unique(slices: Sequence[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    """The slices without copies, and what to say of those left out.

    Raises:
        InputError: slices share an identifier but neither place nor time.
    """
    kept: list[Slice] = []
    for same in _grouped(slices, lambda one: one.uid):
        if any(not _agree(one, same[0]) for one in same[1:]):
            raise InputError(
                f"{len(same)} DICOM slices share one identifier (SOP instance UID) but lie at "
                "different places or times",
                "export the series again with an anonymiser that keeps or renews each identifier",
            )
        kept.append(same[0])
    originals = [one for group in _grouped(kept, _where_and_when) for one in _originals(group)]
    copies = len(slices) - len(originals)
    noun = "copy of a DICOM slice was" if copies == 1 else "copies of DICOM slices were"
    return originals, (f"{copies} {noun} left out",) if copies else ()


def places_of(slices: list[Slice]) -> tuple[list[list[Slice]], tuple[str, ...]]:
    """Slices by place along the normal, and by time at each place; equally many at each.

    Returns:
        The places, and what to say of how they were put together.

    Raises:
        InputError: several series, orientations or sizes; positions that contradict the
            orientation; frames missing at some places, or without order.
    """
    _check_alike(slices)
    places: list[list[Slice]] = []
    for one in sorted(slices, key=lambda s: s.place_mm):
        if places and one.place_mm - places[-1][0].place_mm < SAME_PLACE_MM:
            places[-1].append(one)
        else:
            places.append([one])
    series = _check_series(places)
    _check_aside(places)
    counts = sorted({len(place) for place in places})
    if len(counts) > 1:
        raise InputError(
            f"some places in the stack have {counts[0]} DICOM slices and others {counts[-1]}",
            "give the whole series: every frame of every slice, each once",
        )
    clocks = {_sort(place) for place in places} if counts[0] > 1 else set()
    said = ["the slices are a DICOM series each; they were put in order by place"] * series
    if INSTANCE in clocks:
        said.append("the frames tell no time; they were put in order by instance number")
    return places, tuple(said)


def step_of(stack: list[Slice]) -> tuple[float, tuple[str, ...]]:
    """Distance between slices in mm, and what is odd about the stack.

    Raises:
        InputError: distances differ by more than :data:`UNEVEN`.
    """
    first = stack[0]
    if len(stack) == 1:
        if first.step_mm > 0:
            return first.step_mm, ()
        return 1.0, ("the slice thickness is not given and was taken as 1 mm",)
    steps = np.diff([one.place_mm for one in stack])
    usual = float(np.median(steps))
    off = float(np.abs(steps / usual - 1).max())
    if off > UNEVEN:
        raise InputError(
            f"the DICOM slices are {steps.min():.1f} to {steps.max():.1f} mm apart: "
            "a slice is missing or does not belong",
            "give the whole stack, evenly spaced",
        )
    told = []
    if off > EVEN:
        told.append(
            f"the DICOM slices are {steps.min():.1f} to {steps.max():.1f} mm apart; "
            f"their mean, {steps.mean():.1f} mm, was used"
        )
    aside = max(_aside(one, first) for one in stack)
    if aside > min(first.spacing_mm):
        told.append(
            f"the DICOM slices are shifted in plane by up to {aside:.1f} mm; "
            "the place of the first was used for all"
        )
    return float(steps.mean()), tuple(told)


def _grouped(slices: Sequence[Slice], key: Callable[[Slice], Hashable]) -> list[list[Slice]]:
    groups: dict[Hashable, list[Slice]] = defaultdict(list)
    for one in slices:
        groups[key(one)].append(one)
    return list(groups.values())


def _agree(one: Slice, other: Slice) -> bool:
    near = np.abs(one.origin_mm - other.origin_mm).max() < SAME_PLACE_MM
    return bool(near) and one.time == other.time


def _where_and_when(one: Slice) -> Hashable:
    return (*np.round(one.origin_mm / SAME_PLACE_MM).tolist(), *one.time)


def _originals(group: list[Slice]) -> Iterator[Slice]:
    """Of slices at one place and time those whose pixels differ, each once."""
    if len(group) == 1:
        yield group[0]
        return
    yield from {pixel_digest(one): one for one in reversed(group)}.values()


def _check_alike(slices: list[Slice]) -> None:
    first = slices[0]
    if any(np.abs(one.axes - first.axes).max() > TOLERANCE for one in slices):
        raise InputError(
            "the DICOM slices do not lie parallel",
            "give one stack of parallel slices, without localisers",
        )
    if any(
        one.size != first.size or not np.allclose(one.spacing_mm, first.spacing_mm, rtol=TOLERANCE)
        for one in slices
    ):
        raise InputError(
            "the DICOM slices differ in size or pixel spacing", "give one stack of equal slices"
        )
    if len({(one.path, one.rescale) for one in slices}) > len({one.path for one in slices}):
        raise InputError(
            "the frames of a DICOM file are scaled differently",
            "convert it to one file a slice, or to NIfTI",
        )


def _check_series(places: list[list[Slice]]) -> bool:
    """Whether each place is a series of its own, as some scanners store breath-holds.

    Raises:
        InputError: series are mixed in any other way.
    """
    own = [{one.series for one in place} for place in places]
    series = set().union(*own)
    if len(series) == 1:
        return False
    if len(series) != len(places) or any(len(one) > 1 for one in own):
        raise InputError(
            f"the folder holds slices of {len(series)} DICOM series",
            "put each series in a folder of its own",
        )
    return True


def _check_aside(places: list[list[Slice]]) -> None:
    first = places[0][0]
    aside = max(_aside(one, first) for place in places for one in place)
    if aside > MOST_ASIDE_MM:
        raise InputError(
            f"the positions of the DICOM slices contradict their orientation: they are shifted in "
            f"plane by up to {aside / 10:.1f} cm",
            "export the original series, with true image positions and orientations",
        )


def _aside(one: Slice, first: Slice) -> float:
    """How far a slice lies aside of another in plane, in mm."""
    return float(np.abs((one.origin_mm - first.origin_mm) @ first.axes[:, :2]).max())


def _sort(place: list[Slice]) -> int:
    """Put the frames at a place in order of time; which of :data:`CLOCKS` told it.

    Raises:
        InputError: none tells all frames apart.
    """
    for clock in CLOCKS:
        times = {one.clocks.get(clock) for one in place}
        if None not in times and len(times) == len(place):
            place.sort(key=lambda one: one.clocks[clock])
            return clock
    raise InputError(
        f"the {len(place)} DICOM slices at one place do not say in which order they were taken",
        "export the original series, with trigger times or instance numbers",
    )
