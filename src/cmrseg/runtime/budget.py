"""Time a case may take, and what of the work fits into it.

The rule is simple so that it can be foreseen: the first pass of a network over an image is timed.
Of the time then left, its share for this image and of that ``FOR_PASSES`` may go to further
passes, each counted as long as the first. What does not fit is left out: mirror images first
(4, 2, 1), then dropout samples (all down to 2; none if 2 do not fit).

Refinement is cut in pieces that are begun only if they fit (:class:`Deadline`), and what would
never end is ended (:func:`time_limit`): a case that hangs is one failed case, not a stopped run.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from cmrseg.runtime.errors import InputError

FOR_PASSES = 0.7
"""Share of the time left that further passes may take; the rest is for masks, maps and writing."""
MIRRORS = (4, 2, 1)
FEWEST_SAMPLES = 2
"""One sample has no variance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassCounts:
    """How much is computed of an image.

    Attributes:
        mirrors: mirror images a network sees (1, 2 or 4).
        samples: dropout samples of an image, those of all networks together.
    """

    mirrors: int
    samples: int = 0

    def passes(self, networks: int) -> int:
        """Passes over the image, the first one included."""
        return networks * self.mirrors + self.samples

    def least(self, other: PassCounts) -> PassCounts:
        """The fewer of both."""
        return PassCounts(
            mirrors=min(self.mirrors, other.mirrors), samples=min(self.samples, other.samples)
        )

    def within(self, further: float, networks: int) -> PassCounts:
        """As much of this as ``further`` passes after the first allow; one mirror at least."""
        samples = range(self.samples, FEWEST_SAMPLES - 1, -1)
        fewer = [PassCounts(mirrors=m, samples=self.samples) for m in MIRRORS if m <= self.mirrors]
        fewer += [PassCounts(mirrors=1, samples=n) for n in samples] if self.samples else []
        fitting = (effort for effort in fewer if effort.passes(networks) - 1 <= further)
        return next(fitting, PassCounts(mirrors=1))


@dataclass(slots=True)
class Budget:
    """A clock that a case is held against.

    Attributes:
        seconds: what a case may take; None for as long as it takes.
        start_up_s: time already spent that the first case has to bear.
        started: when the case began.
    """

    seconds: float | None = None
    start_up_s: float = 0.0
    started: float = field(default_factory=lambda: time.perf_counter())

    def restart(self) -> None:
        """A new case begins."""
        self.started = time.perf_counter() - self.start_up_s
        self.start_up_s = 0.0

    @property
    def left_s(self) -> float:
        """Seconds left of the case's time; below zero if it is over."""
        if self.seconds is None:
            return math.inf
        return self.seconds - (time.perf_counter() - self.started)

    def further_passes(self, pass_s: float, share: float = 1.0) -> float:
        """How many passes still fit into ``share`` of what is left, none below zero."""
        left_s = self.left_s
        if math.isinf(left_s):
            return math.inf
        return max(0, math.floor(left_s * share * FOR_PASSES / max(pass_s, 1e-9)))


class TimeOverError(Exception):
    """The next piece of work would not fit."""


class Deadline:
    """Times pieces of work by kind, and says whether more of them fit.

    A machine that gets busy makes every guess wrong, so work is cut in small pieces and the clock
    looked at before each: what may be late is one piece.

    Args:
        seconds: the budget, from now.
        clock: tells seconds.
        longest: seconds by kind that are known already; it is kept up to date.
    """

    MARGIN = 1.2
    """A piece may take this much longer than the longest of its kind so far."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        longest: dict[str, float] | None = None,
    ) -> None:
        self.clock, self.started = clock, clock()
        self.seconds = seconds
        self.longest = {} if longest is None else longest

    @property
    def spent_s(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    @property
    def left_s(self) -> float:
        """Seconds until the end; below zero after it."""
        return self.seconds - self.spent_s

    def fits(self, **expected_s: float) -> bool:
        """Whether one piece of each kind fits one after the other.

        Args:
            expected_s: kind -> seconds to expect while none of the kind has been timed.
        """
        needed = sum(self.longest.get(kind, first) for kind, first in expected_s.items())
        return needed * self.MARGIN <= self.left_s

    def ask(self, kind: str, first_s: float = 0.0) -> None:
        """Leave to begin a piece of work.

        Raises:
            TimeOverError: it would not fit.
        """
        if not self.fits(**{kind: first_s}):
            raise TimeOverError

    @contextlib.contextmanager
    def timing(self, kind: str) -> Iterator[None]:
        """Time a piece of work of this kind."""
        began = self.clock()
        yield
        self.longest[kind] = max(self.longest.get(kind, 0.0), self.clock() - began)


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
