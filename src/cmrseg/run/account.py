"""What has come out of a run so far, and the exit code that this makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cmrseg.cases.case import Case, Result
from cmrseg.cases.staging import OutputGoneError
from cmrseg.runtime.errors import (
    EXIT_BUG,
    EXIT_INPUT,
    EXIT_MEMORY,
    EXIT_OK,
    EXIT_OUTPUT,
    EXIT_PARTIAL,
    EXIT_WEIGHTS,
    CmrsegError,
    WeightsError,
)
from cmrseg.runtime.logs import Line

Say = Callable[[Line], None]

# After these every further case would fail alike.
ENDS_THE_RUN = (OutputGoneError, WeightsError)
# Where no case could be written, the gravest failure names the exit code.
GRAVEST_FIRST = (EXIT_OUTPUT, EXIT_WEIGHTS, EXIT_MEMORY, EXIT_INPUT)


@dataclass(slots=True)
class Account:
    """Results by case, reasons of failures, and the lines that tell of them.

    Attributes:
        say: takes progress lines.
        complain: takes error lines.
        results: case id -> what came of it.
        reasons: error lines so far.
        codes: exit codes of the failures so far.
        stopped: why no further case is tried.
    """

    say: Say
    complain: Say
    results: dict[str, Result] = field(default_factory=dict)
    reasons: list[Line] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)
    stopped: CmrsegError | None = None

    def failed(self, place: str, error: CmrsegError) -> None:
        """Tell of a failure; ``place`` is a case's log name or a part of the run."""
        problem = error.problem.removeprefix(f"{place}: ")
        line = Line(str(type(error)(problem, error.remedy)), "error", place)
        self.complain(line)
        self.reasons.append(line)
        self.codes.add(error.exit_code)
        if isinstance(error, ENDS_THE_RUN):
            self.stopped = error.within(place)

    def not_tried(self, case: Case) -> None:
        """A case after the end of the run."""
        self.results[case.id] = Result(error=f"not tried, the run had ended: {self.stopped}")

    def close(self, account: str | None) -> int:
        """The exit code; its reason becomes the last line.

        Args:
            account: the file that tells of each case by name, if there is one.
        """
        failed = sum(result.error is not None for result in self.results.values())
        partial = sum(bool(result.failed) for result in self.results.values())
        if failed + partial and len(self.results) > 1:
            told = [f"{failed} of {len(self.results)} cases failed"] if failed else []
            told += [f"{partial} of {len(self.results)} cases are done in part"] if partial else []
            where = f" ({account} tells which)" if account else ""
            reason = self.stopped or self.reasons[0]
            line = f"{' and '.join(told)}{where}, such as {reason}"
            self.complain(Line(line, "error"))
        return self._code(written=len(self.results) - failed, lacking=failed + partial)

    def _code(self, written: int, lacking: int) -> int:
        if not self.codes or EXIT_BUG in self.codes:
            return EXIT_BUG if self.codes else EXIT_OK
        if self.stopped:
            return self.stopped.exit_code
        if written and lacking:
            return EXIT_PARTIAL
        return next(code for code in (*GRAVEST_FIRST, *self.codes) if code in self.codes)
