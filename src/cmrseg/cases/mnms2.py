"""M&Ms-2 folders: short-axis stacks and one long-axis slice, at end-diastole and end-systole.

In::

    dataset/                          <- the input folder, or the only such folder in it
        001/
            001_SA_ED.nii.gz            short axis, end-diastole
            001_SA_ES.nii.gz            short axis, end-systole
            001_LA_ED.nii.gz            4-chamber long axis, one slice
            001_LA_ES.nii.gz
            001_SA_CINE.nii.gz          whole cine, read where SA_ED and SA_ES are not there
            001_SA_ED_gt.nii.gz ...     labels: never read here

A missing view or phase makes a case with fewer images and a note; a folder of other NIfTI files
is a failed case, one without any is passed over with a warning.

Out, in the geometry of each image (the organisers' rule)::

    OUT/
        001/
            001_SA_ED_pred.nii.gz           uint8; RV = 3, everything else 0
            001_SA_CINE_pred.nii.gz         of a cine, all frames
            001_SA_ED_<map>.nii.gz          one file a map, on request
            ...
        summary.json, summary.csv

Option ``labels``: ``rv`` (the organisers': RV = 3 alone), ``rv1`` (RV = 1 alone), ``all`` (1 LV,
2 myocardium, 3 RV; ACDC has it the other way round: 1 RV, 3 LV).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import ClassVar

from cmrseg.cases.base import FileContract
from cmrseg.cases.case import CINE, Case, ImageSource
from cmrseg.cases.challenge import MNMS2, Challenge
from cmrseg.cases.folders import (
    case_of,
    dangling,
    find_root,
    leads_nowhere,
    left_over,
    subfolders,
)
from cmrseg.runtime.errors import InputError

EXPECTED = r"\.(csv|xlsx|txt|md)$|_(gt|CINE)\.nii\.gz$"
"""Files that the organisers lay beside the images."""
ROLES = MNMS2.roles


class Mnms2Contract(FileContract):
    """``<id>/<id>_SA_ED.nii.gz`` in, ``<id>/<id>_SA_ED_pred.nii.gz`` out."""

    name = MNMS2.name
    title = "M&Ms-2 layout"
    looked_for = "M&Ms-2 folders (<id>/<id>_SA_ED.nii.gz and _SA_ES, _LA_ED, _LA_ES)"
    challenges: ClassVar[tuple[Challenge, ...]] = (MNMS2.name,)

    @classmethod
    def recognises(cls, input_dir: Path) -> bool:
        """Whether a patient's folder lies in the input folder or one level below."""
        return find_root(input_dir, holds_patients) is not None

    def cases(self) -> Iterator[Case]:
        """One case a folder that holds NIfTI files, or cannot be looked into."""
        root = find_root(self.input_dir, holds_patients) or self.input_dir
        links = dangling(root)
        used = [*links]
        for folder in subfolders(root, without=self.output_dir):
            case = case_of(folder, _case)
            if case is not None:
                used += [image.path for image in case.images.values()] or [folder]
                yield case
        self.passed_over = left_over(self.input_dir, used, self.output_dir, EXPECTED)
        yield from map(leads_nowhere, links)

    def mask_path(self, case: Case, role: str) -> PurePath:
        """``<id>/<id>_<role>_pred.nii.gz``."""
        return PurePath(case.id, f"{case.id}_{role}_pred.nii.gz")

    def map_path(self, case: Case, role: str, name: str) -> PurePath:
        """``<id>/<id>_<role>_<map>.nii.gz``."""
        return PurePath(case.id, f"{case.id}_{role}_{name}.nii.gz")

    def outputs(self, case: Case) -> set[PurePath]:
        """Masks are called after the case alone: they are found even where its image is gone."""
        return super().outputs(case) | {self.mask_path(case, role) for role in (*ROLES, CINE)}


def holds_patients(folder: Path) -> bool:
    """Whether M&Ms-2 images lie in patients' folders right here."""
    return any(_is_patient(path) for path in subfolders(folder))


def _is_patient(folder: Path) -> bool:
    image = re.compile(re.escape(folder.name) + r"_(SA|LA)_(ED|ES|CINE)\.nii\.gz")
    return any(image.fullmatch(path.name) for path in folder.glob("*.nii.gz"))


def _case(folder: Path) -> Case | None:
    """A patient's case; None where nothing looks like a patient's folder."""
    case_id = folder.name
    # Unlike glob, this raises where the folder may not be listed.
    if not any(path.name.endswith(".nii.gz") for path in folder.iterdir()):
        return None
    paths = {role: folder / f"{case_id}_{role}.nii.gz" for role in ROLES}
    images = {role: ImageSource(path) for role, path in paths.items() if _given(path)}
    cine = folder / f"{case_id}_{CINE}.nii.gz"
    if _given(cine) and not any(role.startswith("SA") for role in images):
        images = {CINE: ImageSource(cine), **images}
    problem = None
    if not images:
        problem = InputError(
            f"its folder holds none of the images {', '.join(ROLES)}",
            f"name them {case_id}_SA_ED.nii.gz and so on, or take the folder away",
        )
    notes = _not_given(folder, images)
    return Case(case_id, images, f"case {case_id}", notes=notes, problem=problem)


def _given(path: Path) -> bool:
    """Whether an image is there; one whose link leads nowhere is told when it is read."""
    return path.is_file() or path.is_symlink()


def _not_given(folder: Path, images: dict[str, ImageSource]) -> tuple[str, ...]:
    """What to note of views and phases that are not there."""
    said: list[str] = []
    for view, words in (("SA", "short axis"), ("LA", "long axis")):
        missing = [role for role in ROLES if role.startswith(view) and role not in images]
        if view == "SA" and CINE in images:
            continue
        if len(missing) == 1:
            said.append(f"{missing[0]} not given")
        elif missing:
            said.append(f"no {words} given")
    if "no long axis given" in said and _given(folder / f"{folder.name}_LA_CINE.nii.gz"):
        said.append("LA cine ignored: give its ED and ES frames as images of their own")
    return tuple(said)
