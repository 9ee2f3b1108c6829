"""What comparing both views of a heart finds of images moved and slices shifted on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from cmrseg.evaluation.table import TextTable
from cmrseg.imaging.orient import slice_axis
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Volume
from cmrseg.quality.two_views import told
from cmrseg.recipes.mnms2_volumes import STRUCTURES
from cmrseg.runtime import Progress
from cmrseg_lab.studies.pages import details
from cmrseg_lab.training import datasets

Rng = np.random.Generator
Views = dict[str, Volume]
"""Role -> mask."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that goes wrong with a patient's images, and what it is called."""

    name: str
    apply: Callable[[Views, Rng], Views]


def _moved(mm: float) -> Callable[[Views, Rng], Views]:
    """Every long axis somewhere else, in a random direction."""

    def apply(views: Views, rng: Rng) -> Views:
        way = rng.normal(size=3)
        way *= mm / np.linalg.norm(way)
        return {
            role: replace(
                v, geometry=replace(v.geometry, origin_mm=tuple(v.geometry.origin_mm + way))
            )
            if role.startswith("LA")
            else v
            for role, v in views.items()
        }

    return apply


def _shifted(mm: float) -> Callable[[Views, Rng], Views]:
    """Every short-axis slice at a breath-hold of its own."""

    def apply(views: Views, rng: Rng) -> Views:
        return {
            role: _by_slices(v, mm, rng) if role.startswith("SA") else v
            for role, v in views.items()
        }

    return apply


def _by_slices(mask: Volume, mm: float, rng: Rng) -> Volume:
    axis = slice_axis(mask.geometry)
    slices = np.moveaxis(mask.array, axis, 0)
    spacing = np.delete(mask.spacing_mm, axis)
    steps = np.rint(rng.normal(0, mm, (len(slices), 2)) / spacing).astype(int)
    moved = [np.roll(one, step, (0, 1)) for one, step in zip(slices, steps, strict=True)]
    return mask.like(np.moveaxis(np.stack(moved), 0, axis))


def _lost(views: Views, rng: Rng) -> Views:
    """The two outermost slices that show a heart are empty in the short axis's masks."""
    found = dict(views)
    for role, mask in views.items():
        if role.startswith("SA"):
            slices = np.moveaxis(mask.array.copy(), slice_axis(mask.geometry), 0)
            shown = np.flatnonzero(slices.any((1, 2)))
            slices[shown[-2:] if rng.random() < 0.5 else shown[:2]] = 0
            found[role] = mask.like(np.moveaxis(slices, 0, slice_axis(mask.geometry)))
    return found


CHANGES = (
    Change("unmodified", lambda views, rng: views),
    *(Change(f"long axis moved by {mm:.0f} mm", _moved(mm)) for mm in (5.0, 10.0, 20.0, 30.0)),
    *(Change(f"slices shifted by {mm:.0f} mm (sd)", _shifted(mm)) for mm in (2.0, 5.0, 10.0)),
    Change("two end slices empty in the mask", _lost),
)


def study(data: Path, masks: Path | None = None, seed: int = 0) -> pd.DataFrame:
    """One row a patient and change: lowest agreement of LV and RV, and whether it was told.

    Args:
        data: patients in the M&Ms-2 layout, with both views and true headers.
        masks: a run's output on them; None for the experts' masks.
        seed: decides all changes.
    """
    patients = list(_patients(data, masks))
    rows = []
    with Progress(len(patients), "patients") as progress:
        for done, (patient, views) in enumerate(patients, start=1):
            for number, change in enumerate(CHANGES):
                rng = np.random.default_rng([seed, done, number])
                found, review, warnings = told(change.apply(views, rng), STRUCTURES)
                agreed = [
                    one["views_agree"].get(n, 1.0) for one in found.values() for n in ("LV", "RV")
                ]
                rows.append(
                    {
                        "patient": patient,
                        "change": change.name,
                        "lowest": min(agreed, default=np.nan),
                        "flagged": bool(review),
                        "warned": bool(warnings),
                    }
                )
            progress.show(done)
    return pd.DataFrame(rows)


def _patients(data: Path, masks: Path | None) -> Iterator[tuple[str, Views]]:
    items = [*datasets.mnms2(data, "SA"), *datasets.mnms2(data, "LA")]
    items.sort(key=lambda item: item.patient)
    for patient, own in groupby(items, lambda item: item.patient):
        paths = {item.role: item.label for item in own}
        if masks:
            paths = {r: masks / patient / f"{patient}_{r}_pred.nii.gz" for r in paths}
        yield patient, {role: read(path) for role, path in paths.items()}


def page(tables: Sequence[tuple[str, pd.DataFrame]], command: str) -> str:
    """Markdown of what :func:`study` found of several kinds of masks."""
    lines = [
        [
            name,
            change,
            str(len(own)),
            f"{own['lowest'].median():.2f}",
            f"{100 * own['flagged'].mean():.0f}",
            f"{100 * own['warned'].mean():.0f}",
        ]
        for name, table in tables
        for change, own in table.groupby("change", sort=False)
    ]
    header = ["masks", "change", "patients", "lowest Dice", "flagged (%)", "warned (%)"]
    return "\n\n".join(
        [
            "# Both views of one heart",
            "Synthetic patients, whose headers are true: the share that is flagged for review "
            "because both views' LV or RV disagree along the cut, the lowest of both phases' Dice "
            "(median), and the share with a warning that slices show or lack a ventricle against "
            "the long axis.",
            TextTable(header=header, lines=lines).markdown(words=2),
            details(command) + "\n",
        ]
    )
