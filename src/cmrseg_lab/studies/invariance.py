"""One heart, one answer: what only changes an image's form must not change its mask.

Each change is applied to the images of a case, the case is segmented anew, and the mask, brought
back to the voxels it was changed from, is compared with the unchanged image's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cmrseg.cases.case import Case, ImageSource, Result
from cmrseg.cases.challenge import EMIDEC, MNMS2, Challenge
from cmrseg.cases.detect import open_contract
from cmrseg.cases.summary import record
from cmrseg.evaluation.table import TextTable
from cmrseg.imaging.orient import canonical
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.read import read
from cmrseg.imaging.resample import probabilities_to, resample_to
from cmrseg.imaging.volume import Array, Geometry, Grid, Volume
from cmrseg.imaging.write import write
from cmrseg.recipes import emidec, mnms2_volumes
from cmrseg.report.status import FAILED, FLAGGED, REVIEW, status_of
from cmrseg.runtime.errors import InputError

STRUCTURES: dict[Challenge, Mapping[str, tuple[int, ...]]] = {
    EMIDEC.name: {name: emidec.STRUCTURES[name] for name in ("cavity", "myocardium", "infarction")},
    MNMS2.name: mnms2_volumes.STRUCTURES,
}
"""Structures that are compared, with their labels."""
SATURATED = 2.0
"""Burnt-in text is this many times as bright as the image's brightest voxel."""
TEXT = (12, 48)
"""Rows and columns of the text."""
FLAGS = (FAILED, FLAGGED, REVIEW)


@dataclass(frozen=True, slots=True)
class Changed:
    """An image in another form.

    Attributes:
        volume: the changed image.
        back: brings a mask on its voxels to those of the image it was made of.
    """

    volume: Volume
    back: Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Change:
    """A change, and what must hold for it.

    Attributes:
        name: in words.
        bound: the least Dice of any structure; ``None`` where the case has to be flagged, 0 where
            a mask or a refusal is right.
        of: makes it of an image (z, y, x) and the heart in it, (z, y, x) bool.
    """

    name: str
    bound: float | None
    of: Callable[[Volume, Array], Changed]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change did to one case.

    Attributes:
        dice: structure -> the lowest Dice of the case's images; empty if it was refused.
        flagged: whether somebody is told to look at the case.
    """

    dice: Mapping[str, float]
    flagged: bool

    def holds(self, bound: float | None) -> bool:
        """Whether it is what it must be, to three decimals."""
        if bound is None or (bound == 0 and not self.dice):
            return self.flagged
        return bool(self.dice) and all(round(d, 3) >= bound for d in self.dice.values())


def valued(volume: Volume, values: Array) -> Changed:
    """Other grey values on the same voxels."""
    return Changed(volume.like(values), lambda mask: mask)


def linear_values(volume: Volume, factor: float = 1.0, offset: float = 0.0) -> Changed:
    """The values times a factor, and an offset."""
    values = volume.array.astype(np.float64) * factor + offset
    return valued(volume, values.astype(np.float32))


def padded(
    volume: Volume, value: float, before: tuple[int, int], after: tuple[int, int]
) -> Changed:
    """A border of one value, so many rows and columns wide."""
    (top, left), shape = before, volume.array.shape
    widths = ((0, 0), *zip(before, after, strict=True))
    array = np.pad(volume.array.astype(np.float32), widths, constant_values=value)
    geometry = _placed(volume.geometry, (0, -top, -left), array.shape)
    inner = np.s_[:, top : top + shape[1], left : left + shape[2]]
    return Changed(Volume(array, geometry), lambda mask: mask[inner])


def cropped_to(volume: Volume, box: tuple[slice, slice, slice]) -> Changed:
    """A part of the image; beyond it the mask is background."""
    array = np.ascontiguousarray(volume.array[box])
    first = tuple(part.indices(n)[0] for part, n in zip(box, volume.array.shape, strict=True))

    def back(mask: Array) -> Array:
        whole = np.zeros(volume.array.shape, mask.dtype)
        whole[box] = mask
        return whole

    return Changed(Volume(array, _placed(volume.geometry, first, array.shape)), back)


def flipped(volume: Volume, axes: tuple[int, ...], *, told: bool = True) -> Changed:
    """Axes stored the other way round; ``told``: the header says so."""
    array = np.ascontiguousarray(np.flip(volume.array, axes))
    first = [n - 1 if axis in axes else 0 for axis, n in enumerate(array.shape)]
    signs = np.where(np.isin(range(3), axes), -1.0, 1.0)
    turned = _placed(volume.geometry, first, array.shape, signs)
    geometry = turned if told else volume.geometry
    return Changed(Volume(array, geometry), lambda mask: np.flip(mask, axes))


def changes() -> list[Change]:
    """All changes of the study, each with its bound."""
    return [
        Change("padded to 512 with -1024", 0.98, _padded_to_512),
        Change("padded with 1", 0.98, lambda v, _: padded(v, 1, (40, 40), (40, 40))),
        Change("100 added to every voxel", 1.0, lambda v, _: linear_values(v, offset=100)),
        Change("times 7", 0.98, lambda v, _: linear_values(v, 7)),
        Change("rows and columns reversed, header says so", 0.98, lambda v, _: flipped(v, (1, 2))),
        Change("slices reversed, header says so", 0.98, lambda v, _: flipped(v, (0,))),
        Change("slices reversed, no header", 0.98, lambda v, _: flipped(v, (0,), told=False)),
        Change("one slice alone", 0.0, _middle_slice),
        *(
            Change(f"cropped to {share} % around the heart", 0.95, _crop(share / 100))
            for share in (80, 60, 45)
        ),
        Change("burnt-in text", 0.95, _text),
        Change("bright border", 0.95, _border),
        Change("window 5 to 95 %", 0.95, _window),
        Change("gamma 1.5", 0.95, _gamma),
        Change("pixels of 2 mm", 0.95, _coarse),
        Change("inverted contrast", None, _inverted),
    ]


def study(
    challenge: Challenge,
    cases: Iterable[Case],
    segment: Callable[[Case], Result],
    say: Callable[[str], None],
) -> dict[str, list[Outcome]]:
    """Every change applied to every case.

    Args:
        challenge: the recipe.
        cases: whose images are changed.
        segment: the recipe; raises an ``InputError`` where it refuses a case.
        say: takes a line for each case and change.

    Returns:
        The change's name -> an outcome a case.
    """
    found: dict[str, list[Outcome]] = {change.name: [] for change in changes()}
    for case in cases:
        with TemporaryDirectory() as folder:
            images = {role: _plain(source) for role, source in case.images.items()}
            masks = _masks(segment(_stored(case.id, images, Path(folder))))
            for change in changes():
                made = {role: change.of(images[role], masks[role] > 0) for role in masks}
                one = _stored(case.id, {r: m.volume for r, m in made.items()}, Path(folder))
                outcome = _outcome(challenge, one, segment, made, masks)
                found[change.name].append(outcome)
                holds = "holds" if outcome.holds(change.bound) else "does not hold"
                say(f"{case.log_name}: {change.name}: {holds}")
    return found


def invariance_table(challenge: Challenge, found: Mapping[str, list[Outcome]]) -> TextTable:
    """A line a change: bound, the lowest Dice of all cases by structure, and whether it holds."""
    return TextTable(
        header=["change", "bound", *STRUCTURES[challenge], "flagged", "holds"],
        lines=[list(_line(challenge, change, found[change.name])) for change in changes()],
    )


def cases_of(challenge: Challenge, data: Path, count: int) -> list[Case]:
    """The first cases of a folder in any layout.

    Raises:
        InputError: there is none.
    """
    with TemporaryDirectory() as nowhere:
        found = list(open_contract(challenge, data, nowhere).cases())[:count]
    if not found:
        raise InputError("The data folder has no case", "give a folder of cases")
    return found


def _line(challenge: Challenge, change: Change, outcomes: list[Outcome]) -> Iterator[str]:
    answered = [o.dice for o in outcomes if o.dice]
    yield change.name
    yield _told(change.bound)
    for name in STRUCTURES[challenge]:
        yield f"{min(d[name] for d in answered):.3f}" if answered else "refused"
    yield f"{sum(o.flagged for o in outcomes)} of {len(outcomes)}"
    yield "yes" if all(o.holds(change.bound) for o in outcomes) else "**no**"


def _told(bound: float | None) -> str:
    if bound is None:
        return "flagged"
    return f"{bound:.2f}" if bound else "a mask or a refusal"


def _outcome(
    challenge: Challenge,
    case: Case,
    segment: Callable[[Case], Result],
    made: Mapping[str, Changed],
    masks: Mapping[str, Array],
) -> Outcome:
    try:
        result = segment(case)
    except InputError:
        return Outcome({}, flagged=True)
    answers = {role: made[role].back(mask) for role, mask in _masks(result).items()}
    found = {
        name: min(
            dice(np.isin(answers[role], codes), np.isin(masks[role], codes)) for role in answers
        )
        for name, codes in STRUCTURES[challenge].items()
    }
    return Outcome(found, status_of(record(case.id, result)).kind in FLAGS)


def _plain(source: ImageSource) -> Volume:
    """An image in the one orientation, its axes in the order that changes speak of."""
    turned = canonical(read(source.path, source.frame))[0]
    return Volume(turned.array, turned.geometry)


def _masks(result: Result) -> dict[str, Array]:
    return {role: one.mask.array for role, one in result.predictions.items()}


def _stored(case_id: str, images: Mapping[str, Volume], folder: Path) -> Case:
    """A case of images written as files."""
    sources = {role: ImageSource(folder / f"{role}.nii") for role in images}
    for role, source in sources.items():
        write(images[role], source.path)
    return Case(case_id, sources, case_id)


def _placed(
    geometry: Geometry,
    first: Iterable[int],
    shape: tuple[int, ...],
    signs: Array | tuple[float, ...] = (1.0, 1.0, 1.0),
) -> Geometry:
    """Where voxels lie whose first one has that index, with axes that may run the other way."""
    origin = geometry.to_patient(np.array([list(first)]).T)[:, 0]
    return replace(
        geometry,
        shape=(shape[0], shape[1], shape[2]),
        origin_mm=tuple(origin.tolist()),
        direction=geometry.direction * signs,
    )


def _padded_to_512(volume: Volume, heart: Array) -> Changed:
    lacking = [max(512 - n, 64) for n in volume.array.shape[1:]]
    before = (lacking[0] // 2, lacking[1] // 3)
    return padded(volume, -1024, before, (lacking[0] - before[0], lacking[1] - before[1]))


def _middle_slice(volume: Volume, heart: Array) -> Changed:
    """The slice with the most heart; compared on it alone."""
    middle = int(heart.sum((1, 2)).argmax())
    return cropped_to(volume, np.s_[middle : middle + 1, :, :])


def _crop(share: float) -> Callable[[Volume, Array], Changed]:
    def of(volume: Volume, heart: Array) -> Changed:
        box = [slice(None)]
        for axis in (1, 2):
            total = heart.shape[axis]
            there = np.flatnonzero(heart.any(tuple({0, 1, 2} - {axis})))
            centre = int(there.mean()) if there.size else total // 2
            size = round(share * total)
            start = min(max(0, centre - size // 2), total - size)
            box.append(slice(start, start + size))
        return cropped_to(volume, (box[0], box[1], box[2]))

    return of


def _text(volume: Volume, heart: Array) -> Changed:
    values = volume.array.astype(np.float32)
    rows, columns = TEXT
    values[:, 2 : 2 + rows : 2, 2 : 2 + columns] = SATURATED * values.max()
    return valued(volume, values)


def _border(volume: Volume, heart: Array) -> Changed:
    values = volume.array.astype(np.float32)
    bright = SATURATED * values.max()
    inner = values[:, 2:-2, 2:-2]
    return valued(volume, np.pad(inner, ((0, 0), (2, 2), (2, 2)), constant_values=bright))


def _window(volume: Volume, heart: Array) -> Changed:
    low, high = np.percentile(volume.array, (5, 95))
    return valued(volume, np.clip(volume.array, low, high).astype(np.float32))


def _gamma(volume: Volume, heart: Array) -> Changed:
    low, high = float(volume.array.min()), float(volume.array.max())
    share = (volume.array.astype(np.float32) - low) / (high - low)
    return valued(volume, low + (high - low) * share**1.5)


def _inverted(volume: Volume, heart: Array) -> Changed:
    values = volume.array.astype(np.float32)
    return valued(volume, values.max() + values.min() - values)


def _coarse(volume: Volume, heart: Array) -> Changed:
    coarse = Grid((None, 2.0, 2.0)).of(volume.geometry)

    def back(mask: Array) -> Array:
        shares = (mask[None] == np.arange(mask.max() + 1)[:, None, None, None]).astype(np.float32)
        found: Array = probabilities_to(coarse, shares, volume.geometry).argmax(0)
        return found

    return Changed(resample_to(volume, coarse, order=3), back)
