"""Control groups: where Linux keeps the limits of a container, a Slurm job or a service.

Inside a container the group's own files lie at the root of the mount; elsewhere
``/proc/self/cgroup`` names a folder below it. A limit of any folder on the way down binds, so all
that exist are looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def v2_folders(root: Path = ROOT, own: Path = OWN) -> Iterator[Path]:
    """Folders of the unified hierarchy that bind this process, innermost first."""
    yield from _upwards(root, _path(own, ""))


def v1_folders(controller: str, root: Path = ROOT, own: Path = OWN) -> Iterator[Path]:
    """Folders of one controller's hierarchy that bind this process, innermost first."""
    yield from _upwards(root / controller, _path(own, controller))


def number_in(path: Path) -> int | None:
    """The number in a file; None if there is none ("max", no such file)."""
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _path(own: Path, controller: str) -> PurePosixPath:
    """This process's group, as lines like ``4:memory:/slurm/job_7`` and ``0::/`` tell."""
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                return PurePosixPath(path)
    return PurePosixPath("/")


def _upwards(root: Path, path: PurePosixPath) -> Iterator[Path]:
    for folder in (path, *path.parents):
        found = root / folder.relative_to("/")
        if found.is_dir():
            yield found
