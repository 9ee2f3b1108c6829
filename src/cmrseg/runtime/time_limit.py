"""An end to what would never end: a case that hangs is one failed case, not a stopped run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from cmrseg.runtime.errors import InputError

USUAL_S = 3600.0
"""Seconds a case may take unless told otherwise: an hour."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """End the block with an error once it has taken too long.

    The alarm interrupts Python and waiting for a file; one call of a library, a layer of a network
    say, is ended once it returns. Outside the main thread, where no signal comes, there is no
    limit.

    Args:
        seconds: how long; None for no limit.

    Raises:
        InputError: the time is over.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise InputError(
            f"the case took longer than {seconds:g} s",
            "look at its images, or allow more by --case-timeout",
        )

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
