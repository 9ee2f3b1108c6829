"""The run over cases: one bad case never ends it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cmrseg.cases.case import Case, Contract, ImageSource, Result
from cmrseg.run.account import Account, Say
from cmrseg.runtime.budget import time_limit
from cmrseg.runtime.errors import (
    DEBUG_VARIABLE,
    CmrsegError,
    InputError,
    MemoryLimitError,
    missing_package,
)
from cmrseg.runtime.logs import Line, tell, under_way
from cmrseg.runtime.memory import ran_out, too_little

LONGEST_NAME = 60
PLAIN_NAME = re.compile(r"[\w+-][\w.+-]*")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several runs that share the cases of a folder: every ``count``-th case.

    Attributes:
        number: which one, from 1.
        count: of how many.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"there is no shard {self.number} of {self.count}")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From ``I/N``.

        Raises:
            ValueError: it is not of that form, or I is not one of 1 to N.
        """
        number, _, count = text.partition("/")
        return cls(int(number), int(count))

    @property
    def name(self) -> str:
        """What its summary and report are called after."""
        return f"{self.number}of{self.count}"

    def of(self, cases: Sequence[Case]) -> list[Case]:
        """This shard's cases."""
        return list(cases[self.number - 1 :: self.count])


@dataclass(frozen=True, slots=True)
class Chosen:
    """A run over some of the cases of a folder, by name.

    Attributes:
        ids: of the cases.
    """

    ids: tuple[str, ...]

    @property
    def name(self) -> str:
        """What its summary and report are called after: a single case, or a digest of several."""
        told = "+".join(self.ids)
        if len(told) <= LONGEST_NAME and PLAIN_NAME.fullmatch(told):
            return told
        return hashlib.sha256(os.fsencode(told)).hexdigest()[:16]

    def of(self, cases: Sequence[Case]) -> list[Case]:
        """The cases of these names.

        Raises:
            InputError: the folder lacks one.
        """
        lacking = set(self.ids) - {case.id for case in cases}
        if lacking:
            raise InputError(
                f"--cases: {len(lacking)} of {len(self.ids)} are not in the input folder",
                "give the names that summary.csv has in its first column, apart by commas",
            )
        return [case for case in cases if case.id in self.ids]


Part = Shard | Chosen
"""Which cases a run takes."""


def to_stdout(line: str) -> None:
    """One progress line."""
    tell(line if isinstance(line, Line) else Line(line))


def to_stderr(line: str) -> None:
    """One error line."""
    tell(line if isinstance(line, Line) else Line(line, "error"))


def run(
    contract: Contract,
    segment: Callable[[Case], Result],
    *,
    cases: Sequence[Case] | None = None,
    shard: Part | None = None,
    case_timeout: float | None = None,
    say: Say = to_stdout,
    complain: Say = to_stderr,
) -> int:
    """Segment and write every case of a contract.

    A case that fails becomes a failed result and one line ("case 012: problem. remedy."), and what
    an earlier run wrote for it is taken away; the run goes on, except where every further case
    would fail alike (output disk full or read-only, weights altered). An exception that is no
    ``CmrsegError`` is an internal error: told by class and message, with a traceback where
    ``CMRSEG_DEBUG=1``. A run that is interrupted still writes the summary of what it has done.

    Args:
        contract: where cases come from and results go.
        segment: the recipe; raises a ``CmrsegError``, or returns a result.
        cases: the contract's, where they have been listed already.
        shard: which cases to take; None for all.
        case_timeout: seconds after which a case has failed; None for no limit.
        say: takes progress lines, one a case and one a warning.
        complain: takes error lines; the last one is the reason of a code other than 0.

    Returns:
        0 if every case was written; 1 if cmrseg has a fault; 5 or 6 if the output or the weights
        ended the run; 4 if some cases, or some of a case's images, were written; else the gravest
        failure's code (5 output, 6 weights, 7 memory, 3 input).
    """
    account = Account(say, complain)

    def timed(case: Case) -> Result:
        with time_limit(case_timeout):
            return segment(case)

    try:
        cases = listed(contract) if cases is None else cases
        chosen = shard.of(cases) if shard else list(cases)
    except CmrsegError as error:
        complain(Line(str(error), "error"))
        return error.exit_code
    for note in contract.notes():
        say(Line(note, "warning"))
    try:
        _all_cases(contract, timed, chosen, account)
    except BaseException:
        with contextlib.suppress(CmrsegError):
            contract.finish(account.results)
        raise
    try:
        for warning in contract.finish(account.results):
            say(Line(warning, "warning"))
        if told := contract.closing(account.results):
            say(Line(told))
    except CmrsegError as error:
        account.failed("summary", error)
    return account.close(contract.account())


def listed(contract: Contract) -> list[Case]:
    """A contract's cases, at least one.

    Raises:
        InputError: there is none, or the input folder cannot be used.
    """
    cases = list(contract.cases())
    if not cases:
        raise InputError("there is no case in the input folder", "put cases there")
    return cases


def announce(layout: str, cases: Sequence[Case]) -> None:
    """Say what was found, before anything slow is loaded."""
    tell(Line(f"Found {len(cases)} case{'s' * (len(cases) != 1)}, {layout}"))
    under_way("Loading the networks ...")


def _all_cases(
    contract: Contract,
    segment: Callable[[Case], Result],
    cases: Sequence[Case],
    account: Account,
) -> None:
    started, computed = time.monotonic(), 0
    for number, case in enumerate(cases, 1):
        progress = f"({number}/{len(cases)})"
        if account.stopped:
            account.not_tried(case)
        elif earlier := contract.done(case):
            account.results[case.id] = earlier
            account.say(Line(f"done before {progress}", case=case.log_name))
        else:
            left = (
                (time.monotonic() - started) / computed * (len(cases) - number + 1)
                if computed
                else 0
            )
            under_way(f"{case.log_name} {progress} ..." + f" about {_told(left)} left" * bool(left))
            _one_case(contract, segment, case, account, progress)
            computed += 1


def _told(seconds: float) -> str:
    """A time for people."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _one_case(
    contract: Contract,
    segment: Callable[[Case], Result],
    case: Case,
    account: Account,
    progress: str,
) -> None:
    """Segment, write, and tell of one case."""
    started = time.perf_counter()
    outcome = "done in"
    try:
        result = _attempt(contract, segment, case)
    except CmrsegError as error:
        outcome = "failed after"
        result = Result(error=str(error), warnings=(*case.warnings, *case.review))
        _discard(contract, case, account)
        account.failed(case.log_name, error)
    for failure in result.failed.values():
        outcome = "done in part in"
        account.failed(case.log_name, failure)
    # Masks and maps of thousands of cases would fill the memory.
    result = _timed(replace(result, predictions={}, cine=None), started)
    account.results[case.id] = result
    for warning in result.warnings:
        account.say(Line(warning, "warning", case.log_name))
    for note in result.notes:
        account.say(Line(note, case=case.log_name))
    seconds = f"{result.timings_s['total']:.1f} s"
    account.say(Line(f"{outcome} {seconds} {progress}", case=case.log_name))


def _discard(contract: Contract, case: Case, account: Account) -> None:
    """Leave no older result where the new one failed."""
    try:
        contract.discard(case)
    except CmrsegError as error:
        account.complain(Line(f"an older result is still there: {error}", "error", case.log_name))


def _attempt(contract: Contract, segment: Callable[[Case], Result], case: Case) -> Result:
    """Segment and write one case; every failure is a ``CmrsegError``."""
    started = time.perf_counter()
    try:
        if case.problem:
            raise case.problem
        if contract.was_killed(case):
            raise MemoryLimitError(
                "left out, as an earlier run was killed while it computed this case, most often "
                "for want of memory",
                "look at its images, give more memory, and run with --resume once more",
            )
        with contract.under_way(case):
            result = segment(case)
        if result.error:
            raise InputError(result.error, "see the case's warnings")
        review = tuple(dict.fromkeys((*case.review, *result.review)))
        warnings = tuple(dict.fromkeys((*case.warnings, *result.warnings, *review)))
        notes = (*case.notes, *result.notes)
        result = replace(result, warnings=warnings, review=review, notes=notes)
        result = _timed(result, started)
        return contract.write(case, result)
    except CmrsegError:
        raise
    except Exception as error:  # one case's fault must not cost the others
        if ran_out(error):
            raise too_little("the case does not fit the memory") from error
        if isinstance(error, ModuleNotFoundError) and (told := missing_package(error)):
            raise told from error
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
        f"an internal error ({type(error).__name__}: {message})",
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
