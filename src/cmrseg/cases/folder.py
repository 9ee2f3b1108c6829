"""A plain folder of images, in any format that is read, for people with their own data.

In: image files directly in the folder, and sub-folders (or the folder itself) of DICOM slices
(``.dcm``, ``.ima``, or without ending).
Everything else is passed over.

- emidec: each file is a case (role ``LGE``).
- mnms2: a name with a view (``SA``, ``LA``) and a phase (``ED``, ``ES``) as separate words tells
  the role; files that differ in these words alone are one case (``p7_SA_ED.nii.gz``,
  ``p7_LA_ED.nii.gz``). Any other file is a case of its own, taken as short axis and end-diastole
  where its name does not say, with a warning.

Out::

    OUT/<stem>_seg.nii.gz       labels, uint8 (.mha for .mha and .mhd input)
    OUT/<stem>_<map>.nii.gz     one float32 file a map, if the recipe has any
    OUT/summary.json, OUT/summary.csv

Files come from hospitals here and may be named after patients: log lines say "case 3 of 20".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import ClassVar

from cmrseg.cases.base import FileContract
from cmrseg.cases.case import Case, ImageSource
from cmrseg.cases.folders import entries, readable, subfolders
from cmrseg.cases.labels import Challenge
from cmrseg.imaging.read import SUFFIXES
from cmrseg.runtime.errors import InputError

VIEWS, PHASES = ("SA", "LA"), ("ED", "ES")


@dataclass(frozen=True, slots=True)
class _Image:
    """An image found, and what its name tells."""

    path: Path
    case_id: str
    role: str
    warnings: tuple[str, ...] = ()


class FolderContract(FileContract):
    """Images in, ``<stem>_seg`` out."""

    name = "folder"
    looked_for = f"image files ({', '.join(SUFFIXES)}) or sub-folders of DICOM slices (.dcm)"
    challenges: ClassVar[tuple[Challenge, ...]] = ("emidec", "mnms2")
    frame: int | None = None
    """Which frame of a cine."""

    @classmethod
    def recognises(cls, input_dir: Path) -> bool:
        """Whether there is an image file or a DICOM folder."""
        return bool(_images(input_dir))

    def cases(self) -> Iterator[Case]:
        """One case a file; for mnms2, one case for the files of a patient."""
        role_of = _lge if self.challenge == "emidec" else _cine
        grouped: dict[str, list[_Image]] = {}
        for path in _images(self.input_dir, without=self.output_dir):
            image = role_of(path)
            grouped.setdefault(image.case_id, []).append(image)
        for number, (case_id, images) in enumerate(grouped.items(), 1):
            yield _case(case_id, images, f"case {number} of {len(grouped)}", self.frame)

    def mask_path(self, case: Case, role: str) -> PurePath:
        """``<stem>_seg.nii.gz``, or ``.mha``."""
        return self.map_path(case, role, "seg")

    def map_path(self, case: Case, role: str, name: str) -> PurePath:
        """``<stem>_<map>.nii.gz``, or ``.mha``."""
        path = case.images[role].path
        ending = ".mha" if path.suffix.lower() in (".mha", ".mhd") else ".nii.gz"
        return PurePath(f"{_stem(path)}_{name}{ending}")


def _images(input_dir: Path, without: Path | None = None) -> list[Path]:
    """Image files and DICOM folders in a folder; the folder itself if it holds slices."""
    files = [path for path in entries(input_dir) if path.name.lower().endswith(SUFFIXES)]
    files = [path for path in files if not path.is_dir()]
    series = [path for path in subfolders(input_dir, without) if _holds_dicom(path)]
    if not files and not series and _holds_dicom(input_dir):
        return [input_dir]
    # A link that leads nowhere is told when it is read, not passed over.
    return sorted([path for path in files if path.is_file() or path.is_symlink()] + series)


def _holds_dicom(folder: Path) -> bool:
    files = [path for path in entries(folder) if path.is_file()]
    if any(path.suffix.lower() in (".dcm", ".ima") for path in files):
        return True
    # Archives export slices without an ending; the first file tells.
    with readable("the input folder"):
        return any(path.open("rb").read(132)[128:] == b"DICM" for path in files[:1])


def _stem(path: Path) -> str:
    """The file name without its format's ending; a folder's name as it is."""
    endings = sorted(SUFFIXES, key=len, reverse=True)
    for ending in endings:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.name or path.resolve().name


def _lge(path: Path) -> _Image:
    return _Image(path, _stem(path), "LGE")


def _cine(path: Path) -> _Image:
    """View and phase from the words of a name, and a case id from the others."""
    stem = _stem(path)
    words = re.split(r"[\W_]+", stem)
    views = [word.upper() for word in words if word.upper() in VIEWS]
    phases = [word.upper() for word in words if word.upper() in PHASES]
    if len(views) == len(phases) == 1:
        others = [word for word in words if word and word.upper() not in (*VIEWS, *PHASES)]
        return _Image(path, "_".join(others) or stem, f"{views[0]}_{phases[0]}")
    view = views[0] if len(views) == 1 else "SA"
    phase = phases[0] if len(phases) == 1 else "ED"
    taken = f"taken as {view}_{phase}: the name does not tell view (SA, LA) and phase (ED, ES)"
    return _Image(path, stem, f"{view}_{phase}", (taken,))


def _case(case_id: str, images: list[_Image], log_name: str, frame: int | None) -> Case:
    twice = [role for role, n in Counter(image.role for image in images).items() if n > 1]
    problem = None
    if twice:
        problem = InputError(
            f"{', '.join(twice)} comes more than once",
            "give each image of a case its own name and role, in one format",
        )
    return Case(
        case_id,
        {} if twice else {image.role: ImageSource(image.path, frame) for image in images},
        log_name,
        tuple(warning for image in images for warning in image.warnings),
        problem,
    )
