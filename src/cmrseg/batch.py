"""The run over cases: one bad case never ends it."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cmrseg.contracts.case import Case, Contract, ImageSource, Result
from cmrseg.contracts.staging import OutputGoneError
from cmrseg.errors import (
    EXIT_BUG,
    EXIT_INPUT,
    EXIT_MEMORY,
    EXIT_OK,
    EXIT_OUTPUT,
    EXIT_PARTIAL,
    EXIT_WEIGHTS,
    CmrsegError,
    InputError,
    MemoryLimitError,
    WeightsError,
)

Say = Callable[[str], None]

DEBUG_VARIABLE = "CMRSEG_DEBUG"
LONGEST_LINE = 4000
# After these every further case would fail alike.
ENDS_THE_RUN = (OutputGoneError, WeightsError)
# Where no case could be written, the gravest failure names the exit code.
GRAVEST_FIRST = (EXIT_OUTPUT, EXIT_WEIGHTS, EXIT_MEMORY, EXIT_INPUT)


def to_stdout(line: str) -> None:
    """One progress line."""
    print(line, flush=True)


def to_stderr(line: str) -> None:
    """One error line."""
    print(line, file=sys.stderr, flush=True)


def run(
    contract: Contract,
    segment: Callable[[Case], Result],
    *,
    say: Say = to_stdout,
    complain: Say = to_stderr,
) -> int:
    """Segment and write every case of a contract.

    A case that fails becomes a failed result and one line ("case 012: problem. remedy."); the run
    goes on, except where every further case would fail alike (output disk full or read-only,
    weights altered). An exception that is no ``CmrsegError`` is a fault of cmrseg: told by class
    and message, with a traceback where ``CMRSEG_DEBUG=1``.

    Args:
        contract: where cases come from and results go.
        segment: the recipe; raises a ``CmrsegError``, or returns a result.
        say: takes progress lines, one a case and one a warning.
        complain: takes error lines; the last one is the reason of a code other than 0.

    Returns:
        0 if every case was written; 1 if cmrseg has a fault; 5 or 6 if the output or the weights
        ended the run; 4 if some cases were written; else the gravest failure's code (5 output,
        6 weights, 7 memory, 3 input).
    """
    account = _Account(say, complain)
    try:
        cases = list(contract.cases())
        if not cases:
            raise InputError("there is no case in the input folder", "put cases there")
    except CmrsegError as error:
        account.complain(str(error))
        return error.exit_code
    for number, case in enumerate(cases, 1):
        if account.stopped:
            account.not_tried(case)
        else:
            _one_case(contract, segment, case, account, f"({number}/{len(cases)})")
    try:
        contract.finish(account.results)
    except CmrsegError as error:
        account.failed("summary", error)
    return account.close()


@dataclass(slots=True)
class _Account:
    """What has come out so far, and the lines that tell it."""

    say_line: Say
    complain_line: Say
    results: dict[str, Result] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)
    stopped: CmrsegError | None = None

    def say(self, line: str) -> None:
        self.say_line(_one_line(line))

    def complain(self, line: str) -> None:
        self.complain_line(_one_line(line))

    def failed(self, place: str, error: CmrsegError) -> None:
        named = error if error.problem.startswith(place) else error.within(place)
        self.complain(str(named))
        self.reasons.append(str(named))
        self.codes.add(error.exit_code)
        if isinstance(error, ENDS_THE_RUN):
            self.stopped = named

    def not_tried(self, case: Case) -> None:
        self.results[case.id] = Result(error=f"not tried, the run had ended: {self.stopped}")

    def close(self) -> int:
        """The exit code; its reason becomes the last line."""
        failures = sum(result.error is not None for result in self.results.values())
        if failures and len(self.results) > 1:
            reason = self.stopped or self.reasons[0]
            self.complain(f"{failures} of {len(self.results)} cases failed, such as {reason}")
        return self._code(written=len(self.results) - failures)

    def _code(self, written: int) -> int:
        if not self.codes or EXIT_BUG in self.codes:
            return EXIT_BUG if self.codes else EXIT_OK
        if self.stopped:
            return self.stopped.exit_code
        if written and written < len(self.results):
            return EXIT_PARTIAL
        return next(code for code in (*GRAVEST_FIRST, *self.codes) if code in self.codes)


def _one_case(
    contract: Contract,
    segment: Callable[[Case], Result],
    case: Case,
    account: _Account,
    progress: str,
) -> None:
    """Segment, write, and tell of one case."""
    started = time.perf_counter()
    try:
        result = _attempt(contract, segment, case)
    except CmrsegError as error:
        account.failed(case.log_name, error)
        result = Result(error=str(error), warnings=case.warnings)
        outcome = "failed after"
    else:
        outcome = "done in"
    result = _timed(result, started)
    account.results[case.id] = result
    for warning in result.warnings:
        account.say(f"{case.log_name}: warning: {warning}")
    account.say(f"{case.log_name}: {outcome} {result.timings_s['total']:.1f} s {progress}")


def _attempt(contract: Contract, segment: Callable[[Case], Result], case: Case) -> Result:
    """Segment and write one case; every failure is a ``CmrsegError``."""
    started = time.perf_counter()
    try:
        if case.problem:
            raise case.problem
        result = segment(case)
        if result.error:
            raise InputError(result.error, "see the case's warnings")
        warnings = tuple(dict.fromkeys((*case.warnings, *result.warnings)))
        result = _timed(replace(result, warnings=warnings), started)
        contract.write(case, result)
        return result
    except CmrsegError:
        raise
    except MemoryError as error:
        raise MemoryLimitError(
            "the case does not fit the memory", "give the process more memory, or smaller images"
        ) from error
    except Exception as error:  # one case's fault must not cost the others
        raise _understood(error, case) from error


def _understood(error: Exception, case: Case) -> CmrsegError:
    """An exception nobody foresaw, in words and without file names."""
    if isinstance(error, OSError) and (role := _role_of(error.filename, case.images)):
        return InputError(
            f"{role} cannot be read ({error.strerror})", "check the file and its permissions"
        )
    if os.environ.get(DEBUG_VARIABLE) == "1":
        traceback.print_exception(error)
    message = str(error)
    for role, source in case.images.items():
        message = message.replace(str(source.path), role).replace(source.path.name, role)
    return CmrsegError(
        f"a fault of cmrseg ({type(error).__name__}: {message})",
        f"please report it; {DEBUG_VARIABLE}=1 shows where it happened",
    )


def _role_of(filename: str | bytes | None, images: Mapping[str, ImageSource]) -> str | None:
    """The role whose file or folder of slices an operating system's error is about."""
    if not isinstance(filename, str):
        return None
    path = Path(filename)
    return next((role for role, s in images.items() if path.is_relative_to(s.path)), None)


def _timed(result: Result, started: float) -> Result:
    seconds = round(time.perf_counter() - started, 3)
    return replace(result, timings_s={**result.timings_s, "total": seconds})


def _one_line(text: str) -> str:
    """Text as one line of valid UTF-8 that no log cuts off."""
    line = " ".join(text.split())[:LONGEST_LINE]
    return line.encode("utf-8", "backslashreplace").decode()
