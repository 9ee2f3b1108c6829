"""What lies in an output folder is not trusted: others may have put it there, or changed it."""

from __future__ import annotations

import errno
import os
from pathlib import Path, PurePath


def inside(path: PurePath) -> bool:
    """Whether a relative path stays below the folder that it is relative to."""
    return not path.is_absolute() and path.parts != () and ".." not in path.parts


def own_file(folder: Path, path: PurePath) -> Path | None:
    """A regular file below a folder on whose way lies no link; None if it is none.

    Args:
        folder: may itself be reached by links: the user named it.
        path: relative to it.
    """
    if not inside(path):
        return None
    way = [folder / part for part in (*reversed(path.parents), path) if part != PurePath()]
    if any(step.is_symlink() for step in way):
        return None
    return way[-1] if way[-1].is_file() else None


def refuse_link(path: Path) -> None:
    """Refuse to write through a link.

    Raises:
        NotADirectoryError: the path is one.
    """
    if path.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
