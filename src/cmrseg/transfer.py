"""What carries over: bundles trained on different hearts, scored on the same unseen ones.

Run as ``python -m cmrseg.transfer OUT.md WORK --weights NAME=BUNDLE ... --data NAME=FOLDER:SOURCE
...``; masks stay in ``WORK``, and a later run computes what is not there yet.
``FOLDER`` is in the M&Ms-2 layout, and enough for hearts that nobody learned from. Of a ``SOURCE``
that a bundle learned from only the patients that every bundle held out are scored.
``FOLDER:SOURCE:STYLE`` shows those patients as a scanner of that style would
(:mod:`cmrseg.synthetic.restyle`). Short axis only.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cmrseg import bundle
from cmrseg.errors import InputError
from cmrseg.training.datasets import Labelled
from cmrseg.training.sources import learned_from

STRUCTURES = ("rv", "lv", "myo")
RECIPE = "mnms2-sa"

Rows = dict[str, dict[str, float]]
"""Patient -> metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Hearts to score on.

    Attributes:
        name: of the table's column.
        folder: labelled cases in the M&Ms-2 layout.
        source: what bundles that learned from it call it; "" where none did.
        style: held-out or training style to show the images in; "" leaves them.
    """

    name: str
    folder: Path
    source: str = ""
    style: str = ""

    @classmethod
    def parse(cls, text: str) -> Data:
        """From ``NAME=FOLDER[:SOURCE[:STYLE]]``.

        Raises:
            ValueError: not of that form.
        """
        name, place = named(text)
        parts = place.split(":")
        if len(parts) > 3:
            raise ValueError(f"{text!r} is not NAME=FOLDER[:SOURCE[:STYLE]]")
        source, style = [*parts[1:], "", ""][:2]
        return cls(name=name, folder=Path(parts[0]), source=source, style=style)


def named(text: str) -> tuple[str, str]:
    """``NAME=PLACE`` in two.

    Raises:
        ValueError: not of that form.
    """
    name, equals, place = text.partition("=")
    if not (name and equals and place):
        raise ValueError(f"{text!r} is not NAME=PLACE")
    return name, place


def unseen(data: Data, bundles: Sequence[bundle.Bundle]) -> list[Labelled]:
    """The short-axis images of patients that no short-axis network of any bundle learned from.

    Raises:
        InputError: there is none.
    """
    from cmrseg.training.datasets import mnms2
    from cmrseg.training.folds import held_out

    items = mnms2(data.folder, "SA")
    groups = {item.patient: item.group for item in items}
    left = set(groups)
    for network in (n for found in bundles for n in found.networks if n["recipe"] == RECIPE):
        training = network["training"]
        if data.source not in learned_from(training):
            continue
        if training["fold"] is None:
            left.clear()
        else:
            left &= held_out(groups, training["fold"], training["folds"], training["fold_seed"])
    if not left:
        raise InputError(f"no patient of {data.name} is unseen", "use bundles that held some out")
    return [item for item in items if item.patient in left]


def lay_out(items: Sequence[Labelled], folder: Path, style: str) -> None:
    """Images and labels as the organisers' folders, in another style where one is named."""
    from cmrseg.imaging.read import read
    from cmrseg.imaging.write import write
    from cmrseg.synthetic.restyle import restyle
    from cmrseg.synthetic.styles import choose_style

    for number, item in enumerate(items):
        place = folder / item.patient
        place.mkdir(parents=True, exist_ok=True)
        (place / item.label.name).symlink_to(item.label.absolute())
        if not style:
            (place / item.image.name).symlink_to(item.image.absolute())
            continue
        # The two phases of a patient come from one scanner: settings by patient, not by image.
        rng = np.random.default_rng([2021, number // 2])
        _, chosen = choose_style(rng, "mnms2", style)
        write(restyle(read(item.image), chosen, rng), place / item.image.name)


def fingerprint(cases: Path) -> str:
    """Tells images apart: masks of other hearts under the same names are not gone on from."""
    digest = hashlib.sha256()
    for path in sorted(cases.rglob("*.nii.gz")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def scores(found: bundle.Bundle, cases: Path, out: Path, device: str) -> Rows:
    """A bundle's scores on laid-out cases, at native geometry; one pass, which is enough here."""
    from cmrseg.evaluation.run import evaluate
    from cmrseg.predict import predict

    options = {"device": device, "labels": "all", "mirrors": 1, "resume": True}
    code = predict("mnms2", cases, out, weights=found.folder, **options)  # type: ignore[arg-type]
    if code:
        raise InputError(f"prediction ended with exit code {code}", "see the lines above")
    return {case: dict(row) for case, row in evaluate("mnms2", out, cases).rows.items()}


def transfer(
    weights: Mapping[str, Path], data: Sequence[Data], work: Path, *, device: str = "auto"
) -> str:
    """The table as Markdown.

    Args:
        weights: name -> bundle; the first is what the others are compared with.
        data: what to score on.
        work: folder for cases and masks.
        device: where to compute.

    Raises:
        CmrsegError: a bundle or a data set cannot be used.
    """
    bundles = {name: bundle.find("mnms2", place) for name, place in weights.items()}
    lines = [HEADER.format(first=next(iter(bundles)))]
    for number, one in enumerate(data):
        items = unseen(one, list(bundles.values()))
        place = work / str(number)
        shutil.rmtree(place / "cases", ignore_errors=True)
        lay_out(items, place / "cases", one.style)
        kept = place / fingerprint(place / "cases")
        table = {
            name: scores(found, place / "cases", kept / found.digest[:12], device)
            for name, found in bundles.items()
        }
        patients = len({item.patient for item in items})
        lines += [f"## {one.name}, {patients} patients{_drawn(one)}", "", *rows_of(table), ""]
    lines += ["## Bundles", ""]
    lines += [f"- {name}: {_about(found)}" for name, found in bundles.items()]
    return "\n".join(lines) + "\n"


def _drawn(data: Data) -> str:
    """Which generation of the generator drew these hearts, if they were drawn."""
    from cmrseg.synthetic.record import generation_in

    number = generation_in(data.folder)
    return "" if number is None else f" of generation {number}"


HEADER = """# What carries over

Written by `python -m cmrseg.transfer` (`make transfer`). Short axis, mean ± deviation over patients
of ED and ES, one pass without mirror images, scored at native geometry on patients that none of
the networks learned from. The second table of each part: Dice less that of "{first}", over the same
patients: mean, 95 % bootstrap interval, Wilcoxon's p, made larger by Holm's rule for the number of
comparisons in that table.

What was aimed at, for a network trained on synthetic hearts alone and shown real ones as they are:
Dice of the RV 0.60, of the LV 0.75. HD is the largest distance between the outlines: one island far
from the heart makes it large where Dice hardly falls.
"""


def rows_of(table: Mapping[str, Rows]) -> list[str]:
    """Markdown rows, a bundle each: its scores, then what it gains on the first.

    Args:
        table: bundle's name -> scores; the first is the one to compare with.
    """
    heads = [f"{s.upper()} {unit}" for unit in ("Dice", "HD [mm]") for s in STRUCTURES]
    lines = [f"| trained on | {' | '.join(heads)} |", "|---" * 7 + "|"]
    for name, rows in table.items():
        cells = [
            _summary([row.get(f"{s}_sa_{metric}") for row in rows.values()], digits)
            for metric, digits in (("dice", 3), ("hd_mm", 1))
            for s in STRUCTURES
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    gains = gained(table)
    if gains:
        heads = [f"{s.upper()} Dice, difference" for s in STRUCTURES]
        lines += ["", f"| trained on | {' | '.join(heads)} |", "|---" * 4 + "|"]
    for name, cells in gains.items():
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def gained(table: Mapping[str, Rows]) -> dict[str, list[str]]:
    """Bundle -> mean paired difference of each structure's Dice to the first bundle's, in words.

    The p-values are those of all comparisons of the table together (Holm).
    """
    from cmrseg.evaluation.paired import differences, holm, in_words, paired

    first, *others = table
    found = {}
    for name in others:
        for structure in STRUCTURES:
            gains = differences(table[name], table[first], f"{structure}_sa_dice")
            if gains:
                found[name, structure] = paired(list(gains.values()))
    together = holm([one.p for one in found.values()])
    words = {
        key: in_words(replace(one, p=p))
        for (key, one), p in zip(found.items(), together, strict=True)
    }
    return {name: [words.get((name, s), "-") for s in STRUCTURES] for name in others}


def _summary(values: Sequence[float | None], digits: int) -> str:
    """Mean and deviation; nothing for a structure that no mask of the bundle holds."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{np.mean(known):.{digits}f} ± {np.std(known):.{digits}f}"


def _about(found: bundle.Bundle) -> str:
    """What a bundle's short-axis networks learned from, in a line."""
    told = []
    for network in found.networks:
        if network["recipe"] == RECIPE:
            training = network["training"]
            sources = " and ".join(training["sources"])
            told.append(f"{training['steps_done']} steps on {sources} ({training['volumes']})")
            earlier = training.get("started_from")
            while earlier:
                told.append(f"after {earlier['steps']} on {' and '.join(earlier['sources'])}")
                earlier = earlier.get("started_from")
    return ", ".join(told) + f"; manifest {found.digest[:12]}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m cmrseg.transfer", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.md")
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("--weights", type=named, action="append", required=True)
    parser.add_argument("--data", type=Data.parse, action="append", required=True)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args(arguments)
    weights = {name: Path(place) for name, place in given.weights}
    text = transfer(weights, given.data, given.work, device=given.device)
    given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
