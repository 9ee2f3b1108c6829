"""Time a case may take, and what of the work fits into it.

The rule is simple so that it can be foreseen: the first pass of a network over an image is timed.
Of the time then left, its share for this image and of that ``FOR_PASSES`` may go to further
passes, each counted as long as the first. What does not fit is left out: mirror images first
(4, 2, 1), then dropout samples (all down to 2; none if 2 do not fit).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

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
