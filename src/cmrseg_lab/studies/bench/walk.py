"""Where a case's time goes, step by step, in a process that is warm."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cmrseg.cases.case import Case, Contract, ImageSource, Result
from cmrseg.imaging import postprocess
from cmrseg.imaging.prepare import Prepared
from cmrseg.quality.uncertainty import measures
from cmrseg.recipes import steps
from cmrseg.run import batch
from cmrseg.runtime.errors import CmrsegError
from cmrseg_lab.studies.bench.table import Spread

TIMED: tuple[tuple[Any, str, str], ...] = (
    (ImageSource, "read", "read"),
    (steps, "check_image", "read"),
    (steps, "prepare", "prepare"),
    (Prepared, "restore", "restore"),
    (postprocess, "labels", "measures"),
    (measures, "mean_and_variance", "measures"),
    (measures, "predictive_entropy", "measures"),
    (measures, "dice_within_samples", "measures"),
    (measures, "image_uncertainty", "measures"),
)
"""Owner, function and the step its time is booked on; none of them calls another."""
STEPS = ("read", "prepare", "network", "quality", "restore", "measures", "write", "rest")


def walk(contract: Contract, segment: Callable[[Case], Result], rounds: int) -> list[Walk]:
    """Run all cases ``rounds`` times after one run to warm up, and time the steps.

    Returns:
        One walk a case and round.

    Raises:
        CmrsegError: a case failed; there is nothing to measure.
    """
    walks: list[Walk] = []
    for number in range(rounds + 1):
        watch = Stopwatch()
        witness = _Witness(contract, watch)
        complaints: list[str] = []
        with ExitStack() as stack:
            for owner, function, step in TIMED:
                stack.enter_context(watch.around(owner, function, step))
            code = batch.run(witness, segment, say=_unheard, complain=complaints.append)
        if code:
            raise CmrsegError(f"the sample cannot be measured: {complaints[-1]}", "mend that first")
        if number:
            walks += witness.walks
    return walks


@dataclass(frozen=True, slots=True)
class Walk:
    """One case's seconds.

    Attributes:
        seconds: by step, in the order of ``STEPS``; they add up to ``total_s``.
        total_s: from reading to verified files in their place, as a run reports it.
    """

    seconds: Mapping[str, float]
    total_s: float

    @classmethod
    def of(cls, timed: Mapping[str, float], network_s: float, total_s: float) -> Walk:
        """From the steps that were timed; the remainder is ``rest``."""
        known = {**timed, "network": network_s}
        rest = total_s - sum(known.values())
        return cls({step: {**known, "rest": rest}.get(step, 0.0) for step in STEPS}, total_s)

    @property
    def outside(self) -> float:
        """Share of the time, 0..1, that is not the network's."""
        return 1 - self.seconds["network"] / self.total_s


def shares(walks: list[Walk]) -> dict[str, Spread]:
    """Step -> its share of the case's time, 0..1, over all walks."""
    return {step: Spread.of([w.seconds[step] / w.total_s for w in walks]) for step in STEPS}


@dataclass(slots=True)
class Stopwatch:
    """Seconds by step, of functions wrapped for as long as they are watched.

    The product carries no timers for this: the benchmark puts them around its functions from
    outside, and an ``AttributeError`` tells when one of them has moved.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def around(self, owner: Any, name: str, step: str) -> Iterator[None]:
        """Book every call of ``owner.name`` on ``step``."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.booking(step):
                return original(*args, **kwargs)

        setattr(owner, name, timed)
        try:
            yield
        finally:
            setattr(owner, name, original)

    @contextmanager
    def booking(self, step: str) -> Iterator[None]:
        """Book the time of a block on ``step``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self.seconds[step] = self.seconds.get(step, 0.0) + seconds


class _Witness(Contract):
    """A contract that is watched while it writes, and keeps what the run tells at its end."""

    name: ClassVar[str] = "witness"

    def __init__(self, contract: Contract, watch: Stopwatch) -> None:
        self.contract, self.watch = contract, watch
        self.steps: dict[str, dict[str, float]] = {}
        self.walks: list[Walk] = []

    def cases(self) -> Iterator[Case]:
        return self.contract.cases()

    def write(self, case: Case, result: Result) -> Result:
        with self.watch.booking("write"):
            written = self.contract.write(case, result)
        self.steps[case.id] = dict(self.watch.seconds)
        self.watch.seconds.clear()
        return written

    def finish(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        for case, timed in self.steps.items():
            told = results[case].timings_s
            timed["quality"] = told.get("quality", 0.0)
            self.walks.append(Walk.of(timed, told["network"], told["total"]))
        return ()


def _unheard(_: str) -> None:
    """The benchmark prints its own lines."""
