"""``cmrseg compare``: statistics, and the cases to look at, in a folder.

With a truth both sides are scored against it and the scores compared case by case. Without one the
sides are compared with each other: how far their masks agree, and whether one finds more than the
other. Cases that only one side has are named and left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from cmrseg.cases.case import ImageSource
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.evaluation.compare_pictures import ComparedImage, picture
from cmrseg.evaluation.compare_report import SHOWN, Comparison, Scores, compared_volumes, mean_dice
from cmrseg.evaluation.compare_tables import Side, comparison_csv, side, statistics_csv
from cmrseg.evaluation.pairs import Index, index, lacking
from cmrseg.evaluation.run import finished, score_case, write_files
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Volume
from cmrseg.runtime.errors import CmrsegError, InputError, UsageError


def compare(
    challenge: Challenge,
    first: Path,
    other: Path,
    out: Path,
    *,
    truth: Path | None = None,
    images: Path | None = None,
    names: tuple[str, str] = ("A", "B"),
    device: str = "auto",
) -> Comparison:
    """Compare two sides and write ``comparison.md``, ``.csv``, ``cases.csv`` and pictures.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        first: a weights bundle or a folder of predictions in the challenge's layout.
        other: likewise.
        out: where the comparison goes, and predictions that bundles make.
        truth: expert labels in the challenge's layout; None compares the sides with each other.
        images: the cases in the challenge's layout: to segment with bundles, to draw on.
        names: how to call the sides.
        device: where bundles compute.

    Raises:
        CmrsegError: a side or the truth cannot be used, or the sides have no case in common.
    """
    if names[0] == names[1]:
        raise UsageError(f"both sides are called {names[0]}", "give them two --names")
    # Bundles take a while: what is missing is told before.
    truths: Index = {}
    if truth is not None:
        truths = index(challenge, "truth", truth, by_name=True)
    for name, place in zip(names, (first, other), strict=True):
        if not place.is_dir():
            raise InputError(f"the folder of {name} does not exist", "check its path")
    a, b = (
        side(challenge, name, place, images, out / f"predictions-{number}", device)
        for number, (name, place) in enumerate(zip(names, (first, other), strict=True), 1)
    )
    notes = _lacking_notes(a, b)
    agreement, failed = _scores(challenge, b.masks, a.masks)
    scores: dict[str, Scores] = {}
    if truth is not None:
        for one in (a, b):
            scores[one.name], unfit = _scores(challenge, one.masks, truths)
            failed |= {f"{one.name}: {case}": error for case, error in unfit.items()}
            if missing := lacking(truths, one.masks):
                notes.append(f"{one.name} has no prediction for {', '.join(missing)}")
        common = set.intersection(set(agreement), *map(set, scores.values()))
        agreement = {case: row for case, row in agreement.items() if case in common}
        scores = {n: {c: r for c, r in rows.items() if c in common} for n, rows in scores.items()}
    if not agreement:
        reasons = "; ".join(str(error) for error in failed.values()) or "no case is in both"
        raise InputError(f"there is nothing to compare: {reasons}", "give the same cases twice")
    complete = not notes and not failed
    notes += [f"left out: {error}" for error in failed.values()]
    found = Comparison(
        challenge=challenge,
        sides=(a, b),
        agreement=agreement,
        scores=scores,
        notes=tuple(notes),
        apart=_apart(agreement, scores),
        complete=complete,
    )
    return _written(found, out, truths, images)


def _lacking_notes(a: Side, b: Side) -> list[str]:
    notes = []
    for one, two in ((a, b), (b, a)):
        if missing := lacking(two.masks, one.masks):
            notes.append(f"only {two.name} has {', '.join(missing)}")
    return notes


def _scores(
    challenge: Challenge, masks: Index, truths: Index
) -> tuple[Scores, dict[str, CmrsegError]]:
    """Metrics by case, and the errors of cases that cannot be compared."""
    rows: dict[str, dict[str, float]] = {}
    failed: dict[str, CmrsegError] = {}
    labels: set[float] = set()
    for case, roles in masks.items():
        pairs = {
            r: (path, truths[case][r]) for r, path in roles.items() if r in truths.get(case, {})
        }
        if not pairs:
            continue
        try:
            rows[case], found = score_case(challenge, pairs)
            labels |= found
        except CmrsegError as error:
            failed[case] = error.within(f"case {case}")
    return finished(challenge, rows, labels), failed


def _apart(agreement: Scores, scores: Mapping[str, Scores]) -> dict[str, float]:
    """Case -> how far apart: mean Dice less the other's, or what the masks lack of agreeing."""
    if scores:
        first, other = scores.values()
        both = {c: (first[c], other[c]) for c in agreement}
        found = {c: abs(mean_dice(a, b) - mean_dice(b, a)) for c, (a, b) in both.items()}
    else:
        found = {case: 1 - mean_dice(row) for case, row in agreement.items()}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _written(found: Comparison, out: Path, truths: Index, images: Path | None) -> Comparison:
    sources = _sources(found.challenge, images, out)
    pictures: dict[str, Path] = {}
    for number, case in enumerate(list(found.apart)[:SHOWN], 1):
        path = out / f"{number:02}-{case}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_drawn(found, case, truths.get(case, {}), sources.get(case, {})))
        pictures[case] = path
    found = replace(found, pictures=pictures)
    names = [one.name for one in found.sides]
    by_side = found.scores or dict(zip(names, compared_volumes(found.agreement), strict=True))
    tables = {**by_side, "between": found.agreement}
    write_files(
        {
            out / "comparison.md": found.markdown(),
            out / "comparison.csv": statistics_csv(found.lines()),
            out / "cases.csv": comparison_csv(tables),
        }
    )
    return found


def _sources(
    challenge: Challenge, images: Path | None, out: Path
) -> Mapping[str, Mapping[str, ImageSource]]:
    """Case -> role -> grey image, where it is known."""
    if images is None:
        return {}
    from cmrseg.cases.detect import open_contract

    return {case.id: case.images for case in open_contract(challenge, images, out).cases()}


def _drawn(
    found: Comparison,
    case: str,
    truth: Mapping[str, Path],
    images: Mapping[str, ImageSource],
) -> bytes:
    """One case's picture."""
    a, b = found.sides
    scenes = []
    for role, path in a.masks[case].items():
        if role not in b.masks[case]:
            continue
        masks = {a.name: read(path), b.name: read(b.masks[case][role])}
        if role in truth:
            masks = {"truth": _of_labels_in(masks, read(truth[role])), **masks}
        image = _behind(masks[a.name], images.get(role))
        scenes.append(ComparedImage(role=role, masks=masks, image=image))
    return picture(f"{case}: {found.how_far(case)}", scenes, SPECS[found.challenge].labels)


def _behind(mask: Volume, source: ImageSource | None) -> Volume | None:
    """The grey image of a mask's voxels, if it is known."""
    image = source and source.read()
    return image if image and image.geometry.same_as(mask.geometry) else None


def _of_labels_in(masks: Mapping[str, Volume], truth: Volume) -> Volume:
    """The truth without structures that neither side looked for: many look for the RV alone."""
    sought = np.unique(np.concatenate([np.unique(mask.array) for mask in masks.values()]))
    return truth.like(np.where(np.isin(truth.array, sought), truth.array, 0))
