"""Looking into input folders: listing, finding a layout's root, all in words for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cmrseg.errors import InputError


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
    """What lies in a folder, hidden names left out, sorted by name.

    Raises:
        InputError: the folder cannot be listed.
    """
    with readable("the input folder"):
        found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(found, key=lambda path: path.name)


def subfolders(folder: Path, without: Path | None = None) -> list[Path]:
    """The folders in a folder, except the one that is, or holds, ``without``."""
    apart = without.resolve() if without else None
    return [
        path
        for path in entries(folder)
        if path.is_dir() and not (apart and apart.is_relative_to(path.resolve()))
    ]


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


def same_folder(first: Path, second: Path) -> bool:
    """Whether two paths lead to the same folder, by whatever links."""
    return first.exists() and second.exists() and first.samefile(second)
