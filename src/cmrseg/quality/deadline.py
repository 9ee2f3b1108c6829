"""A time budget that is met, because nothing is begun that would not fit."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator


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
