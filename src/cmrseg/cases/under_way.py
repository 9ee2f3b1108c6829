"""Which case a run is at, so that the next run knows at which one it was killed.

A note lies in the account's folder while a case is computed, locked by its run. The system drops
the lock when the run ends, however it does: a note without a lock is of a run that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def noted(path: Path) -> Iterator[None]:
    """Within this block a note says that the case is under way.

    It goes with the block, an exception included; it stays if the process is killed. Where it
    cannot be written or locked, there is none.

    Args:
        path: of the note.
    """
    handle = -1
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if handle >= 0:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            os.close(handle)


def was_killed(path: Path) -> bool:
    """Whether a run was killed while this note's case was under way; the note then goes."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except OSError:
        return False  # another run is at it now
    finally:
        os.close(handle)
    return True
