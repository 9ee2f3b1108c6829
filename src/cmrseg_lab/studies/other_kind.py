"""How often images of another view or modality are told, and right ones are taken for such.

``python -m cmrseg_lab.studies.other_kind --late emidec=FOLDER --cine acdc=FOLDER`` and so on.

The upper grey limit of :mod:`cmrseg.quality.other_kind` was fitted on every other patient of each
source; tables tell of the others. Made images have no orientation, so headers tell nothing here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from cmrseg.cases.case import Case, ImageSource
from cmrseg.cases.challenge import Challenge
from cmrseg.cli import options
from cmrseg.evaluation.table import TextTable
from cmrseg.imaging.orient import canonical
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.models import bundle
from cmrseg.quality.other_kind import Kind, other_kind
from cmrseg.recipes import emidec, mnms2
from cmrseg.run.predict import model
from cmrseg.runtime import Progress
from cmrseg.runtime.errors import EXIT_OK, InputError
from cmrseg_lab.studies.pages import details
from cmrseg_lab.synthetic.reformat import reformatted_four_chamber
from cmrseg_lab.training.datasets import Labelled
from cmrseg_lab.training.prepare import images, labelled

Pair = tuple[Volume, Volume]
"""An image and its labels."""
FINE_MM, GAP_MM = 1.5, 7.5
"""Pixels of a stack cut another way, and the distance of its slices."""
NETWORKS: dict[str, str] = {"late": "emidec", "cine": "mnms2-sa", "long": "mnms2-la"}
"""What a data set shows -> the networks that it is for."""


def _as_it_is(image: Volume, label: Volume) -> Pair:
    return image, label


def _middle(image: Volume, label: Volume) -> Pair:
    """The middle slice of a stack."""
    turned, truth = canonical(image)[0], canonical(label)[0]
    z = len(turned.array) // 2
    return (
        _plain(turned.array[z : z + 1], turned.spacing_mm),
        _plain(truth.array[z : z + 1], turned.spacing_mm),
    )


def _across(axis: int) -> Callable[[Volume, Volume], Pair]:
    """The stack cut anew, across its rows (1) or its columns (2): lengthwise in the heart."""

    def cut(image: Volume, label: Volume) -> Pair:
        turned, truth = canonical(image)[0], canonical(label)[0]
        zoom = np.array(turned.spacing_mm) / FINE_MM
        every = (slice(None),) * axis + (slice(None, None, round(GAP_MM / FINE_MM)),)
        grey = ndimage.zoom(turned.array.astype(np.float32), zoom, order=1)[every]
        labels = ndimage.zoom(truth.array, zoom, order=0)[every]
        spacing_mm = (GAP_MM, FINE_MM, FINE_MM)
        made = (np.moveaxis(grey, axis, 0), np.moveaxis(labels, axis, 0))
        return _plain(made[0], spacing_mm), _plain(made[1], spacing_mm)

    return cut


def _lengthwise(turn_deg: float) -> Callable[[Volume, Volume], Pair]:
    """A plane through apex and base, turned from the 4-chamber view."""

    def cut(image: Volume, label: Volume) -> Pair:
        made = reformatted_four_chamber(image, label, turn_deg=turn_deg)
        return _plain(made[0].array, made[0].spacing_mm), _plain(made[1].array, made[1].spacing_mm)

    return cut


def _plain(array: Array, spacing_mm: tuple[float, float, float]) -> Volume:
    """Without orientation in the header."""
    return Volume(np.ascontiguousarray(array), Geometry(array.shape, spacing_mm))


@dataclass(frozen=True, slots=True)
class Way:
    """One way to give images to a recipe, right or wrong.

    Attributes:
        shows: what the data set shows, one of :data:`NETWORKS`.
        what: in words.
        given: what the image is given as.
        wrong: whether that is another kind.
        make: the image given, of the data set's.
    """

    shows: str
    what: str
    given: Kind
    wrong: bool
    make: Callable[[Volume, Volume], Pair] = _as_it_is


WAYS = (
    Way("late", "late enhancement", "LGE", False),
    Way("cine", "short-axis cine", "SA", False),
    Way("long", "4-chamber frames", "LA", False),
    Way("cine", "4-chamber view cut out of a stack", "LA", False, _lengthwise(0)),
    Way("cine", "short-axis cine", "LGE", True),
    Way("late", "late enhancement", "SA", True),
    Way("long", "4-chamber frames", "SA", True),
    Way("cine", "4-chamber view cut out of a stack", "SA", True, _lengthwise(0)),
    Way("cine", "middle slice of a short axis", "LA", True, _middle),
    Way("cine", "2-chamber view cut out of a stack", "LA", True, _lengthwise(90)),
    Way("cine", "stack cut across its rows", "SA", True, _across(1)),
    Way("cine", "stack cut across its columns", "SA", True, _across(2)),
    Way("late", "stack cut across its rows", "LGE", True, _across(1)),
    Way("late", "stack cut across its columns", "LGE", True, _across(2)),
)
MUSCLE, RIGHT = {True: (2, 3, 4), False: (2,)}, {True: (), False: (3,)}
"""Labels by whether a mask is one of late enhancement; the cavity is 1 in both."""


def study(
    sources: Mapping[str, Sequence[tuple[str, Path]]],
    most: int | None = None,
    networks: int | None = None,
    *,
    predicted: bool = True,
) -> pd.DataFrame:
    """One row a patient and way of giving an image: whether another kind was told, and by what.

    Args:
        sources: what a data set shows -> its names and folders.
        most: patients of each data set.
        networks: of each recipe that segment; None for all.
        predicted: masks are the networks'; else the experts', of images that they drew.

    Raises:
        InputError: no labelled images.
    """
    segmenting = Segmenting(networks) if predicted else None
    rows: list[dict[str, object]] = []
    for way in WAYS:
        if not predicted and (way.shows == "long" or way.make not in (_as_it_is, _middle)):
            continue  # experts drew the cavity alone, or nothing in such a plane
        for name, folder in sources.get(way.shows, ()):
            items = _measured_half(labelled(NETWORKS[way.shows], name, folder), most)
            with Progress(len(items), f"{name}: {way.what} as {way.given}") as progress:
                for done, item in enumerate(items, start=1):
                    rows += _told(way, name, item, segmenting)
                    progress.show(done)
    if not rows:
        raise InputError("no data were given", "Give --late, --cine or --long NAME=FOLDER")
    return pd.DataFrame(rows)


def _measured_half(items: Sequence[Labelled], most: int | None) -> list[Labelled]:
    """One image of every other patient, the second first, of its phases in turn."""
    patients = [list(own) for _, own in groupby(items, lambda item: item.patient)][1::2]
    count = min(most or len(patients), len(patients))
    kept = np.linspace(0, len(patients) - 1, count).round().astype(int)
    return [patients[i][n % len(patients[i])] for n, i in enumerate(kept)]


class Segmenting:
    """Both recipes, loaded when first needed, without samples, mirror images and quality control.

    Args:
        networks: of each recipe; None for all.
    """

    def __init__(self, networks: int | None) -> None:
        self.networks = networks
        self.loaded: dict[Challenge, emidec.Emidec | mnms2.Mnms2] = {}

    def mask(self, given: Kind, phase: str, image: Volume) -> Array:
        """Labels of an image given so.

        Raises:
            CmrsegError: it was refused.
        """
        challenge: Challenge = "emidec" if given == "LGE" else "mnms2"
        role = "LGE" if given == "LGE" else f"{given}_{phase}"
        source = ImageSource(Path("image.nii.gz"), volume=image)
        result = self._recipe(challenge).segment(Case("case", {role: source}, "case"))
        return result.predictions[role].mask.array

    def _recipe(self, challenge: Challenge) -> emidec.Emidec | mnms2.Mnms2:
        if challenge not in self.loaded:
            made = model(challenge, bundle.find(challenge, None), mirrors=1, samples=0)
            if isinstance(made, mnms2.Mnms2):
                made.inspectors = {}
                segmenters = list(made.segmenters.values())
            else:
                segmenters = [made.segmenter]
            for one in segmenters:
                one.networks = one.networks[: self.networks]
            self.loaded[challenge] = made
        return self.loaded[challenge]


def _told(
    way: Way, source: str, item: Labelled, segmenting: Segmenting | None
) -> Iterator[dict[str, object]]:
    for _, stored, truth in images(source, item):
        image, label = way.make(stored, truth)
        phase = item.role[-2:] if item.role[-2:] in ("ED", "ES") else "ED"
        late = (way.given == "LGE") if segmenting else (way.shows == "late")
        by: set[str] = set()
        try:
            mask = segmenting.mask(way.given, phase, image) if segmenting else label.array
            found = {"cavity": mask == 1, "muscle": np.isin(mask, MUSCLE[late])}
            right = late or bool(np.isin(mask, RIGHT[late]).any())
            by = {sign.by for sign in other_kind(way.given, image, **found, right=right)}
        except InputError:
            by = {"refused"}
        about = {"what": way.what, "source": source, "given": way.given, "wrong": way.wrong}
        yield about | {"told": bool(by)} | {sign: sign in by for sign in SIGNS}


SIGNS = ("grey values", "shape", "refused")
SHORT = {"LGE": "late enhancement", "SA": "short axis", "LA": "4-chamber"}


def page(tables: Sequence[tuple[str, pd.DataFrame]], command: str) -> str:
    """Markdown of what :func:`study` found.

    Args:
        tables: whose masks they are, and the rows.
        command: that made them.
    """
    lines = [
        [
            f"{what} ({source})",
            f"{SHORT[given]}{', wrong' if wrong else ''}",
            masks,
            str(len(own)),
            *(f"{100 * own[one].mean():.0f}" for one in ("told", *SIGNS)),
        ]
        for masks, table in tables
        for (wrong, what, source, given), own in table.groupby(
            ["wrong", "what", "source", "given"], sort=False
        )
    ]
    header = ["images", "given as", "masks", "n", "told (%)", *SIGNS]
    return "\n\n".join(
        [
            "# Views and modalities that a recipe does not know",
            "Share of images said to be of another kind than they were given as, and what told it: "
            "of right ones false alarms, of wrong ones hits. The upper limit of grey values was "
            "fitted on every other patient of each source, and these are the others; the lower one "
            "and those of shape were set by hand, after a look at some patients of both halves. "
            "Networks may have learned from these patients. The images carry no orientation, so "
            "headers say nothing here.",
            TextTable(header=header, lines=lines).markdown(words=3),
            details(command) + "\n",
        ]
    )


def main(words: Sequence[str] | None = None) -> int:
    """``python -m cmrseg_lab.studies.other_kind``."""
    p = argparse.ArgumentParser(prog="python -m cmrseg_lab.studies.other_kind")
    for shows, help_ in (
        ("late", "late enhancement in EMIDEC's layout"),
        ("cine", "short-axis cine in the M&Ms-2 layout"),
        ("long", "4-chamber frames"),
    ):
        p.add_argument(
            f"--{shows}",
            action="append",
            type=options.name_and_path,
            default=[],
            metavar="NAME=FOLDER",
            help=help_,
        )
    p.add_argument("--most", type=options.count, help="patients of each (default: all)")
    p.add_argument("--networks", type=options.count, help="of each recipe (default: all)")
    p.add_argument("--out", type=Path, help="write the page there, as Markdown, too")
    o = p.parse_args(words)
    sources = {shows: getattr(o, shows) for shows in NETWORKS}
    tables = [("experts'", study(sources, predicted=False))]
    tables += [("networks'", study(sources, o.most, o.networks))]
    named = [f"--{shows} {n}={f.name}" for shows in NETWORKS for n, f in sources[shows]]
    named += [f"--{key} {getattr(o, key)}" for key in ("most", "networks") if getattr(o, key)]
    text = page(tables, f"python -m cmrseg_lab.studies.other_kind {' '.join(named)}")
    print(text, end="")
    if o.out:
        o.out.write_text(text, encoding="utf-8")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
