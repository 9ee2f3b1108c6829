"""The hearts that are scored: held-out patients, as they are and shifted, and drawn hearts.

A real patient's short axis is shown as it is, as scanners of held-out styles would show it, and
with one thing alone changed. No expert ever labelled a long axis of these patients: the long axis
here is cut out of the short-axis stack, labels and all, which the page says. Drawn hearts have both
views; their seed is no training seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cmrseg.bundle import Bundle
from cmrseg.challenges.mnms2 import VIEWS
from cmrseg.errors import InputError
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Volume
from cmrseg.reproduce.mnms2.shifts import shift
from cmrseg.synthetic.record import GENERATION
from cmrseg.synthetic.reformat import four_chamber
from cmrseg.synthetic.strengths import parse
from cmrseg.synthetic.styles import choose_style
from cmrseg.synthetic.synthesize import synthesize
from cmrseg.training import datasets
from cmrseg.training.datasets import Labelled
from cmrseg.training.folds import held_out
from cmrseg.training.sources import learned_from, patients_of

Pair = tuple[Volume, Volume]
"""Image and expert's labels."""
SEED = 2021
"""Of drawn hearts and of shifts; the training sets have others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """One image to score.

    Attributes:
        cohort: its cohort's name.
        case: names it within the cohort, a number instead of a patient's name.
        patient: the same for all images of a patient in all cohorts.
        role: ``SA_ED``, ``LA_ES``, ...
        group: pathology.
        real: whether a patient is in it.
        make: reads or makes image and truth.
    """

    cohort: str
    case: str
    patient: str
    role: str
    group: str
    real: bool
    make: Callable[[], Pair]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifts:
    """What is scored beside patients as they are.

    Attributes:
        styles: in which real patients are shown, or what alone is changed (``shifts.ONE_THING``).
        hearts: drawn hearts in each of their cohorts; 0 for none.
        drawn: style (``in``, ``out`` or a name) of each cohort of drawn hearts.
        artefacts: of one more such cohort, as for `cmrseg synthesize`; "" for none.
    """

    styles: tuple[str, ...] = ("low-field", "ge-1.5t", "resolution", "contrast")
    hearts: int = 6
    drawn: tuple[str, ...] = ("in", "out")
    artefacts: str = "ghosting=0.4,motion=0.4"

    def __post_init__(self) -> None:
        for style in self.styles:
            shift(style)
        for style in self.drawn:
            choose_style(np.random.default_rng(0), "mnms2", style)
        parse(self.artefacts or None, "mnms2")


CLEAN = ("clean", "drawn: in")
"""Cohorts like what networks learned from; all others are shifted."""


def all_hearts(
    data: Path, source: str, bundles: Sequence[Bundle], shifts: Shifts, work: Path
) -> list[Heart]:
    """Every image to score, the cohorts one after the other.

    Args:
        data: labelled short-axis patients in the M&Ms-2 layout.
        source: the name they were preprocessed under.
        bundles: none of whose networks may have learned from a scored patient.
        shifts: what else is scored.
        work: drawn hearts lie here.

    Raises:
        InputError: no patient is unseen by all networks, or there are none.
    """
    items = unseen(datasets.mnms2(data, "SA"), source, bundles)
    found = [heart for style in ("", *shifts.styles) for heart in _real(items, style)]
    for style in shifts.drawn if shifts.hearts else ():
        found += _drawn(f"drawn: {style}", work, shifts.hearts, style=style)
    if shifts.hearts and shifts.artefacts:
        name = f"drawn: {shifts.artefacts}"
        found += _drawn(name, work, shifts.hearts, style="in", artefact=shifts.artefacts)
    return found


def unseen(items: Sequence[Labelled], source: str, bundles: Sequence[Bundle]) -> list[Labelled]:
    """Images of patients whom no network of any bundle, of either view, learned from.

    Raises:
        InputError: there is none.
    """
    groups = {item.patient: item.group for item in items}
    left = set(groups)
    for network in (network for found in bundles for network in found.networks):
        training = network["training"]
        if patients_of(source) not in {patients_of(name) for name in learned_from(training)}:
            continue
        if training["fold"] is None:
            left.clear()
        else:
            left &= held_out(groups, training["fold"], training["folds"], training["fold_seed"])
    if not left:
        raise InputError(
            "no patient is unseen by all networks", "use bundles that held some out, the same"
        )
    return [item for item in items if item.patient in left]


def _real(items: Sequence[Labelled], style: str) -> Iterator[Heart]:
    """Patients in a style, "" for as they are: short axis, and long axis cut out of it."""
    numbers = {name: n for n, name in enumerate(dict.fromkeys(i.patient for i in items), start=1)}
    for view in VIEWS:
        for item in items:
            number = numbers[item.patient]
            role = f"{view}_{item.role[-2:]}"
            yield Heart(
                cohort=style or "clean",
                case=f"{number}-{role}",
                patient=f"patient {number}",
                role=role,
                group=item.group,
                real=True,
                make=partial(_made, item, view, style, number),
            )


def _made(item: Labelled, view: str, style: str, number: int) -> Pair:
    image, truth = read(item.image), read(item.label)
    if view == "LA":
        image, truth = four_chamber(image, truth)
    if style:
        # Both phases come from one scanner: settings by patient, not by image.
        rng = np.random.default_rng([SEED, number, VIEWS.index(view)])
        image = shift(style)(image, rng)
    return image, truth


def _drawn(
    cohort: str, work: Path, count: int, *, style: str, artefact: str | None = None
) -> list[Heart]:
    """Drawn hearts, from where an earlier run left them if it did."""
    folder = work / "hearts" / f"{GENERATION}-{style}-{artefact or 'plain'}-{count}"
    done = folder / "done"
    if not done.exists():
        synthesize(
            "mnms2", folder, patients=count, seed=SEED, style=style, artefact=artefact, jobs=1
        )
        done.touch()
    return [
        Heart(
            cohort=cohort,
            case=f"{item.patient}-{item.role}",
            patient=f"drawn {style} {item.patient}",  # with artefacts or without: one heart
            role=item.role,
            group=item.group,
            real=False,
            make=partial(_read, item),
        )
        for view in VIEWS
        for item in datasets.mnms2(folder, view)
    ]


def _read(item: Labelled) -> Pair:
    return read(item.image), read(item.label)
