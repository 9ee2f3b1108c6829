"""How much memory is left: the machine's, the container's (cgroup v1, v2) and RLIMIT_DATA.

A container that goes beyond its limit is killed without a word, and under RLIMIT_DATA (how Grand
Challenge bounds an algorithm) an allocation fails. Whoever asks before can work in smaller pieces,
or say what is missing.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cmrseg.runtime.errors import MemoryLimitError

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
PROC = Path("/proc")
NO_LIMIT = 1 << 60
"""Larger numbers mean that there is no limit (cgroup v1 writes 2**63 less a page)."""
USABLE = 0.8
"""Share of what is left that may be planned with; estimates are not exact."""

RESERVED = 64 << 20
"""Bytes of address space left to libraries: they crash where no room is for a thread's stack or for
code that they make at run time."""
NO_MEMORY = (
    *("bad_alloc", "can't allocate memory", "allocate memory for image"),
    *("could not create a memory", "could not create a primitive"),
)
"""How C++ libraries word what Python calls a MemoryError."""


def memory_left(root: Path = ROOT, own: Path = OWN, proc: Path = PROC) -> int | None:
    """Bytes this process can still allocate, by the tightest limit; None where nothing is known.

    What the C library freed and kept counts as left: it is used again first.
    """
    left = [*_machine(proc), *_groups(root, own), *_rlimits(proc)]
    return max(0, min(left)) + freed_and_kept() if left else None


def too_little(problem: str) -> MemoryLimitError:
    """The error for all that does not fit."""
    return MemoryLimitError(problem, "give the process or container more memory")


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out; libraries say so in words only."""
    if isinstance(error, RuntimeError):
        return any(word in str(error) for word in NO_MEMORY)
    return isinstance(error, MemoryError)


def freed_and_kept() -> int:
    """Bytes the C library holds free in its heap; 0 elsewhere than on glibc 2.33 or newer."""
    with contextlib.suppress(OSError, AttributeError):
        glibc = ctypes.CDLL("libc.so.6")
        glibc.mallinfo2.restype = _MallInfo
        return int(glibc.mallinfo2().fordblks)
    return 0


class _MallInfo(ctypes.Structure):
    """``struct mallinfo2``."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def _machine(proc: Path) -> Iterator[int]:
    available = _kilobytes(proc / "meminfo", "MemAvailable:")
    if available is not None:
        yield available


def _groups(root: Path, own: Path) -> Iterator[int]:
    """What each control group has left; file pages it could drop count as left."""
    for folder in v2_folders(root, own):
        yield from _group(folder, "memory.max", "memory.current", "inactive_file")
    for folder in v1_folders("memory", root, own):
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        yield from _group(folder, *names)


def _group(folder: Path, limit_name: str, used_name: str, droppable_name: str) -> Iterator[int]:
    limit, used = number_in(folder / limit_name), number_in(folder / used_name)
    if limit is None or used is None or limit >= NO_LIMIT:
        return
    droppable = 0
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = (folder / "memory.stat").read_text().splitlines()
        droppable = int(dict(line.split() for line in lines)[droppable_name])
    yield limit - used + droppable


def _rlimits(proc: Path) -> Iterator[int]:
    """What ``ulimit -d`` and ``ulimit -v`` leave; both count address space, some of it reserved."""
    for limit, used_name in ((resource.RLIMIT_DATA, "VmData:"), (resource.RLIMIT_AS, "VmSize:")):
        soft, _ = resource.getrlimit(limit)
        used = _kilobytes(proc / "self" / "status", used_name)
        if soft != resource.RLIM_INFINITY and used is not None:
            yield soft - used - RESERVED


def _kilobytes(path: Path, name: str) -> int | None:
    """Bytes behind a name in a file of lines like ``MemAvailable:   1024 kB``."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return None


def bytes_text(count: float) -> str:
    """A number of bytes for people."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


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
