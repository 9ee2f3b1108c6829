"""Libraries that print on their own: their lines may carry patients' file names."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

STDERR = 2


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Whatever is written to the process's stderr within this block is dropped.

    For readers of image formats (ITK prints a line of its own on a truncated MHA), whose failure
    is known by their exceptions. It acts on the file descriptor, since C++ code knows no
    ``sys.stderr``.
    """
    with contextlib.suppress(ValueError, OSError):
        sys.stderr.flush()
    try:
        kept = os.dup(STDERR)
    except OSError:  # a process without stderr has nothing to silence
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, STDERR)
        os.close(nowhere)
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            sys.stderr.flush()
        os.dup2(kept, STDERR)
        os.close(kept)
