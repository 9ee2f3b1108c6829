"""Errors made for people, and the exit codes they end a command with.

Exit codes (docs/site/reference/exit-codes.md is made from this table):

====  =================================================================
0     every case was segmented and written
1     internal error (please report it)
2     the command line is wrong
3     the input cannot be used: no case could be segmented
4     some cases, or some of a case's images, failed; the others were written
5     the output cannot be written (permission, disk full)
6     the weights are missing or altered
7     not enough memory
130   interrupted (SIGINT); 143 terminated (SIGTERM)
====  =================================================================
"""

from __future__ import annotations

import re

DEBUG_VARIABLE = "CMRSEG_DEBUG"
"""Set to 1, internal errors come with their tracebacks (which may show file names)."""

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_PARTIAL = 4
EXIT_OUTPUT = 5
EXIT_WEIGHTS = 6
EXIT_MEMORY = 7


class CmrsegError(Exception):
    """What was wrong and where, and what to do about it; one line each.

    Args:
        problem: what was wrong, naming the case and the image's role ("case 012, SA_ED"), never
            a patient's file name: messages go to logs that others read.
        remedy: what the user can do about it.
    """

    exit_code = EXIT_BUG

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = " ".join(problem.split())
        self.remedy = " ".join(remedy.split())

    def __str__(self) -> str:
        return f"{_sentence(self.problem)} {_sentence(self.remedy)}"

    def within(self, place: str) -> CmrsegError:
        """The same error with the place it happened in put before it ("case 012, SA_ED")."""
        return type(self)(f"{place}: {self.problem}", self.remedy)


def _sentence(words: str) -> str:
    return words if words.endswith("?") else f"{words.rstrip('.')}."


class UsageError(CmrsegError):
    """The command line asks for something that does not exist or contradicts itself."""

    exit_code = EXIT_USAGE


class InputError(CmrsegError):
    """An input folder, image or label file that cannot be used."""

    exit_code = EXIT_INPUT


class OutputError(CmrsegError):
    """A result that cannot be written, or that failed its own verification."""

    exit_code = EXIT_OUTPUT


class WeightsError(CmrsegError):
    """A bundle that is missing, incomplete or altered."""

    exit_code = EXIT_WEIGHTS


class MemoryLimitError(CmrsegError):
    """The case does not fit the memory at hand."""

    exit_code = EXIT_MEMORY


OWN = ("cmrseg", "cmrseg_lab")


def missing_package(error: ModuleNotFoundError) -> UsageError | None:
    """A missing package in words, with the line that installs it; None where it is our own.

    Args:
        error: what importing the package raised.
    """
    package = (error.name or "").partition(".")[0]
    if not package or package in OWN:
        return None
    extra = _extra_of(package)
    wanted = f"'cmrseg[{extra}]'" if extra else package
    return UsageError(f"the package {package} is not installed", f"pip install {wanted}")


def _extra_of(package: str) -> str | None:
    """The extra of ours that brings a package; the first one that names it."""
    from importlib import metadata  # takes a while

    try:
        requirements = metadata.requires("cmrseg") or []
    except metadata.PackageNotFoundError:
        return None
    for line in requirements:
        found = re.match(r"([\w.-]+)[^;]*;.*extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if found and found[1].lower().replace("-", "_") == package.lower():
            return found[2]
    return None
