"""Looking into input folders: listing, finding a layout's root, all in words for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cmrseg.cases.case import Case
from cmrseg.imaging.dicom_elements import is_dicom
from cmrseg.imaging.read import SUFFIXES
from cmrseg.runtime.errors import InputError

# What file systems and archives add of their own.
NO_CASES = ("lost+found", "__MACOSX")


@contextmanager
def readable(place: str) -> Iterator[None]:
    """Turn the operating system's errors about ``place`` into an ``InputError``."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"{place} cannot be read ({reason})", "check that it is mounted and may be read"
        ) from error


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, without hidden names and what is never a case.

    Raises:
        InputError: the folder cannot be listed.
    """
    with readable("the input folder, or one in it,"):
        found = list(folder.iterdir())
    shown = [p for p in found if not p.name.startswith(".") and p.name not in NO_CASES]
    return sorted(shown, key=lambda path: path.name)


def subfolders(folder: Path, without: Path | None = None) -> list[Path]:
    """The folders in a folder, except the one that is, or holds, ``without``."""
    apart = without.resolve() if without else None
    return [
        path
        for path in entries(folder)
        if path.is_dir() and not (apart and apart.is_relative_to(path.resolve()))
    ]


def dangling(folder: Path) -> list[Path]:
    """Links in a folder that lead nowhere: a case somebody meant to be there."""
    return [path for path in entries(folder) if path.is_symlink() and not path.exists()]


def leads_nowhere(path: Path) -> Case:
    """The failed case of a link that leads nowhere."""
    problem = InputError(
        "its folder is a link that leads nowhere",
        "mount what it points to, or copy the folder instead of linking it",
    )
    return Case(path.name, {}, f"case {path.name}", problem=problem)


def find_root(input_dir: Path, holds_layout: Callable[[Path], bool]) -> Path | None:
    """``input_dir`` if it holds a layout, else the one folder in it that does, else None.

    Raises:
        InputError: several folders in ``input_dir`` hold it, so that cases could share a name.
    """
    if holds_layout(input_dir):
        return input_dir
    found = [path for path in subfolders(input_dir) if holds_layout(path)]
    if len(found) > 1:
        raise InputError(
            f"{len(found)} folders in the input folder hold data sets of the same layout",
            "run each of them on its own",
        )
    return found[0] if found else None


C = TypeVar("C", Case, Case | None)


def case_of(folder: Path, look: Callable[[Path], C]) -> C | Case:
    """The case that ``look`` finds in a patient's folder; a failed one if it cannot be read."""
    try:
        with readable("its folder"):
            return look(folder)
    except InputError as error:
        return Case(folder.name, {}, f"case {folder.name}", problem=error)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Something in an input folder that no case is made of.

    Attributes:
        name: as it is called, for the summary; names may be patients' and stay out of logs.
        kind: what it is (".zip", "folder without DICOM slices").
    """

    name: str
    kind: str


def left_over(
    root: Path, used: Iterable[Path], without: Path, expected: str = r"(?!)"
) -> list[PassedOver]:
    """What below an input folder no case is made of; a folder as a whole where that is true.

    Args:
        root: the input folder; names are told from there.
        used: images, and folders that are a case as a whole.
        without: the output folder.
        expected: for which names a layout has a use that is no case, a regular expression.
    """
    whole = set(used)
    around = {parent for path in whole for parent in path.parents}

    def below(folder: Path) -> Iterator[PassedOver]:
        for path in entries(folder):
            name = path.relative_to(root).as_posix()
            if path in whole or re.search(expected, name):
                continue
            if not path.is_dir():
                yield PassedOver(name, _kind(path))
            elif path in around:
                yield from below(path)
            elif not same_or_around(path, without):
                yield PassedOver(name, "folder without cases")
            elif path.is_symlink():
                yield PassedOver(name, "link to a folder around the output")

    return list(below(root))


def _kind(path: Path) -> str:
    if not path.is_file():
        return "no regular file"
    if holds_dicom_file(path):
        return "DICOM file outside a folder of slices"
    if path.name.lower().endswith(SUFFIXES):
        return "image of no case"
    return path.suffix.lower() or "file without ending"


def in_kinds(passed: Sequence[PassedOver]) -> str:
    """What was passed over, by kind, for log lines ("2 x .zip, 1 x .nhdr"); "" for nothing."""
    counts = Counter(one.kind for one in passed)
    return ", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items()))


def dicom_folders(folder: Path, without: Path | None = None, depth: int = 8) -> Iterator[Path]:
    """The folder if slices lie in it, else those below it in which some do, by name."""
    if without is not None and same_or_around(folder, without):
        return
    if holds_dicom(folder):
        yield folder
    elif depth:
        for below in entries(folder):
            if below.is_dir() and not below.is_symlink():
                yield from dicom_folders(below, without, depth - 1)


def holds_dicom(folder: Path) -> bool:
    """Whether a DICOM file lies in a folder, whatever lies beside it."""
    return any(holds_dicom_file(path) for path in entries(folder))


def holds_dicom_file(path: Path) -> bool:
    """Whether a file is named or begins like DICOM."""
    with readable("the input folder"):
        return is_dicom(path)


def same_or_around(folder: Path, inner: Path) -> bool:
    """Whether a folder is another, or holds it."""
    return inner.resolve().is_relative_to(folder.resolve())


def same_folder(first: Path, second: Path) -> bool:
    """Whether two paths lead to the same folder, by whatever links."""
    return first.exists() and second.exists() and first.samefile(second)
