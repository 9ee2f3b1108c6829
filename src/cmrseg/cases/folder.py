"""A plain folder of images, in any format that is read, for people with their own data.

In: image files directly in the folder, and folders of DICOM slices (``.dcm``, ``.ima``, or without
ending): the folder itself, or any below it (patient/study/series), each a series.
Everything else is passed over, and named in the summary.

- emidec: each file is a case (role ``LGE``).
- mnms2: a name with a view and a phase as separate words (``names.py``) tells the role; files that
  differ in these words alone are one case (``p7_SA_ED.nii.gz``, ``p7_LA_ED.nii.gz``). Any other
  file is a case of its own, taken as short axis and end-diastole where its name does not say, and
  marked for review. A cine whose name tells no phase is taken whole (role ``SA_CINE``), unless a
  frame is asked for; of ED and ES, found in it, masks are called ``<stem>_ED_seg``.

Out::

    OUT/<stem>_seg.nii.gz       labels, uint8 (.mha for .mha and .mhd input)
    OUT/<stem>_<map>.nii.gz     one file a map, on request
    OUT/summary.json, OUT/summary.csv

Files come from hospitals here and may be named after patients: log lines say "case 3 of 20".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import ClassVar

from cmrseg.cases.base import FileContract
from cmrseg.cases.case import CINE, Case, ImageSource
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.folders import (
    dicom_folders,
    entries,
    holds_dicom,
    left_over,
)
from cmrseg.cases.names import OTHER_VIEWS, case_and_role, split_format, told_by
from cmrseg.imaging.read import SUFFIXES, frame_count
from cmrseg.runtime.errors import CmrsegError, InputError


@dataclass(frozen=True, slots=True)
class _Image:
    """An image found, and what its name tells."""

    path: Path
    role: str
    review: tuple[str, ...] = ()


class FolderContract(FileContract):
    """Images in, ``<stem>_seg`` out."""

    name = "folder"
    title = "plain folder"
    looked_for = f"image files ({', '.join(SUFFIXES)}) or sub-folders of DICOM slices (.dcm)"
    challenges: ClassVar[tuple[Challenge, ...]] = tuple(SPECS)
    expected: ClassVar[str] = r"(?!)"
    """What need not be told where it is passed over, see ``left_over``."""
    frame: int | None = None
    """Which frame of a cine."""

    @classmethod
    def recognises(cls, input_dir: Path) -> bool:
        """Whether there is an image file or a DICOM folder."""
        return bool(_images(input_dir))

    def cases(self) -> Iterator[Case]:
        """One case a file; for mnms2, one case for the files of a patient."""
        grouped: dict[str, list[_Image]] = {}
        listing = self.listing()
        if listing != [self.input_dir]:
            self.passed_over = left_over(self.input_dir, listing, self.output_dir, self.expected)
        for path in listing:
            name = self.name_of(path)
            case_id, role = case_and_role(self.challenge, name)
            guessed = _guess(self.challenge, name, role)
            if guessed and self.frame is None and _may_be_cine(name) and _is_cine(path):
                case_id, role, guessed = _whole(name)
            grouped.setdefault(case_id, []).append(_Image(path, role, guessed))
        for number, (case_id, images) in enumerate(grouped.items(), 1):
            yield _case(case_id, images, f"case {number} of {len(grouped)}", self.frame)

    def mask_path(self, case: Case, role: str) -> PurePath:
        """``<stem>_seg.nii.gz``, or ``.mha``."""
        return self.map_path(case, role, "seg")

    def map_path(self, case: Case, role: str, name: str) -> PurePath:
        """``<stem>_<map>.nii.gz``, or ``.mha``."""
        path = case.images[role].path
        itk = path.suffix.lower() in (".mha", ".mhd") and role != CINE
        phase = f"_{role[3:]}" if CINE in case.images and role in ("SA_ED", "SA_ES") else ""
        return PurePath(f"{self.name_of(path)}{phase}_{name}{'.mha' if itk else '.nii.gz'}")

    def listing(self) -> list[Path]:
        """Image files and DICOM folders, in order."""
        return _images(self.input_dir, without=self.output_dir)

    def name_of(self, path: Path) -> str:
        """A file's stem; of a folder of slices further down the names on the way to it."""
        if path == self.input_dir or path.parent == self.input_dir:
            return stem_of(path)
        return "_".join(path.relative_to(self.input_dir).parts)


def _images(input_dir: Path, without: Path | None = None) -> list[Path]:
    """Images and DICOM folders; the folder itself where it holds slices and no image."""
    images: list[Path] = []
    for path in entries(input_dir):
        if path.is_dir():
            images += dicom_folders(path, without)
        elif path.name.lower().endswith(SUFFIXES):
            # A link that leads nowhere is told when it is read, and so is a pipe.
            images.append(path)
    if not images and holds_dicom(input_dir):
        return [input_dir]  # the reader tells what lies beside the slices
    return sorted(images)


def stem_of(path: Path) -> str:
    """The file name without its format's ending; a folder's name as it is."""
    return split_format(path.name)[0] or path.resolve().name


def _is_cine(path: Path) -> bool:
    """Whether an image has several frames; one that cannot be read is told when its turn comes."""
    try:
        return frame_count(path) > 1
    except CmrsegError:
        return False


def _may_be_cine(name: str) -> bool:
    """Whether a name speaks neither against the short axis nor of a phase."""
    told = told_by(name)
    return told.phase is None and told.view != "LA"


def _whole(name: str) -> tuple[str, str, tuple[str, ...]]:
    """Case id and role of a whole cine, and what was guessed."""
    told = told_by(name)
    if told.view:
        return "_".join(told.others) or name, CINE, ()
    return name, CINE, (f"taken as {CINE}: the name does not tell the view (SA, LA)",)


def _guess(challenge: Challenge, name: str, role: str) -> tuple[str, ...]:
    """What was guessed of a name's role, in words."""
    told = told_by(name)
    if SPECS[challenge].one_image:
        return ()
    other = next((word for word in told.others if word.upper() in OTHER_VIEWS), None)
    if other:
        return (f"taken as {role}: the name tells {other}, a view that no network learned",)
    if told.view and told.phase:
        return ()
    return (f"taken as {role}: the name does not tell view (SA, LA) and phase (ED, ES)",)


def _case(case_id: str, images: list[_Image], log_name: str, frame: int | None) -> Case:
    roles = {image.role for image in images}
    given = sorted(roles & {"SA_ED", "SA_ES"}) if CINE in roles else []
    images = [image for image in images if not (given and image.role == CINE)]
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
        review=tuple(guess for image in images for guess in image.review),
        notes=(f"{CINE} not read, as {', '.join(given)} is given",) if given else (),
        problem=problem,
    )
