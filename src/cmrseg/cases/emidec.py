"""EMIDEC folders: late-enhancement short-axis stacks.

In (the training set, or the test set, which has no ``Contours``)::

    emidec-dataset-1.0.1/            <- the input folder, or the only such folder in it
        Case_P001/                      P pathological, N normal; bare numbers in the test set
            Images/Case_P001.nii.gz     LGE, 5 to 10 short-axis slices
            Contours/Case_P001.nii.gz   expert labels, never read here
        Case P001.txt                   clinical fields, never read here

Out::

    OUT/
        Case_P001/
            Contours/Case_P001.nii.gz                labels, uint8
            Uncertainty/Case_P001_variance.nii.gz    one file a map, on request
        summary.json, summary.csv

Labels: 0 background, 1 cavity, 2 normal myocardium, 3 infarction, 4 no-reflow. Every output copies
its image's header, so that it overlays in the programs that trust the affine as well as in those
that trust ``pixdim`` (the two disagree in the organisers' files).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import ClassVar

from cmrseg.cases.base import FileContract
from cmrseg.cases.case import Case, ImageSource
from cmrseg.cases.challenge import EMIDEC, Challenge
from cmrseg.cases.folders import (
    case_of,
    dangling,
    find_root,
    leads_nowhere,
    left_over,
    subfolders,
)
from cmrseg.runtime.errors import InputError

EXPECTED = r"/Contours$|(^|/)Case[^/]*\.txt$"
"""Expert labels and clinical fields."""


class EmidecContract(FileContract):
    """``Case_*/Images`` in, ``Case_*/Contours`` out."""

    name = EMIDEC.name
    title = "EMIDEC layout"
    looked_for = "EMIDEC folders (Case_*/Images/Case_*.nii.gz)"
    challenges: ClassVar[tuple[Challenge, ...]] = (EMIDEC.name,)

    @classmethod
    def recognises(cls, input_dir: Path) -> bool:
        """Whether there is a ``Case_*/Images`` folder in the input folder or one level below."""
        return find_root(input_dir, holds_cases) is not None

    def cases(self) -> Iterator[Case]:
        """One case a ``Case_*`` folder."""
        root = find_root(self.input_dir, holds_cases) or self.input_dir
        links = [link for link in dangling(root) if link.name.startswith("Case_")]
        used = [*links]
        for folder in subfolders(root, without=self.output_dir):
            if folder.name.startswith("Case_"):
                case = case_of(folder, _case)
                used += [image.path for image in case.images.values()] or [folder]
                yield case
        self.passed_over = left_over(self.input_dir, used, self.output_dir, EXPECTED)
        yield from map(leads_nowhere, links)

    def mask_path(self, case: Case, role: str) -> PurePath:
        """``Case_X/Contours/Case_X.nii.gz``."""
        return PurePath(case.id, "Contours", f"{case.id}.nii.gz")

    def map_path(self, case: Case, role: str, name: str) -> PurePath:
        """``Case_X/Uncertainty/Case_X_<map>.nii.gz``."""
        return PurePath(case.id, "Uncertainty", f"{case.id}_{name}.nii.gz")

    def outputs(self, case: Case) -> set[PurePath]:
        """Masks are called after the case alone: they are found even where its image is gone."""
        return super().outputs(case) | {self.mask_path(case, "LGE")}


def holds_cases(folder: Path) -> bool:
    """Whether EMIDEC images lie in ``Case_*`` folders right here."""
    return any(path.is_dir() for path in folder.glob("Case_*/Images"))


def _case(folder: Path) -> Case:
    case_id, log_name = folder.name, f"case {folder.name}"
    named = folder / "Images" / f"{case_id}.nii.gz"
    found = [named] if named.is_file() else sorted((folder / "Images").glob("Case_*.nii.gz"))
    if len(found) == 1:
        return Case(case_id, {"LGE": ImageSource(found[0])}, log_name)
    problem = InputError(
        f"there are {len(found)} images in its Images folder, one is needed",
        f"put the late-enhancement stack at {case_id}/Images/{case_id}.nii.gz",
    )
    return Case(case_id, {}, log_name, problem=problem)
