"""The command line: which command runs, and how it ends; options are in :mod:`cmrseg.cli.options`.

Exit codes are those of :mod:`cmrseg.runtime.errors`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cmrseg import __version__
from cmrseg.cli import completion, evaluate, judge, predict
from cmrseg.cli.options import shown
from cmrseg.cli.parser import Parser
from cmrseg.runtime import share_cpus
from cmrseg.runtime.errors import (
    DEBUG_VARIABLE,
    EXIT_BUG,
    EXIT_MEMORY,
    EXIT_OUTPUT,
    CmrsegError,
    UsageError,
    missing_package,
)
from cmrseg.runtime.logs import Line, formatted, tell, use_utf8
from cmrseg.runtime.memory import ran_out

STDOUT = 1
COMMANDS = {
    "segment": ("predict", "demo"),
    "check and compare": ("judge", "evaluate", "compare"),
    "platforms": ("serve", "evaluate-submission"),
    "about": ("info", "completion"),
}
"""Heading -> commands."""
EXIT_CODES = (
    "exit codes: 0 all done, 1 internal error, 2 command line, 3 input, 4 some cases failed,\n"
    "5 output, 6 weights, 7 memory, 130 interrupted, 143 terminated"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of ``cmrseg`` and return its exit code."""
    return run_command(parser(), arguments)


def run_command(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """Run one command of a parser, whose ``run`` default takes the options; its exit code."""
    former = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, _end)
        use_utf8()
        options = parser.parse_args(arguments)
        options.command = shown(sys.argv[1:] if arguments is None else arguments, options)
        share_cpus()
        with formatted(getattr(options, "log_format", "text")):
            return _run(options)
    except (KeyboardInterrupt, _TerminatedError) as error:  # they come at any moment
        return _signalled(error)
    finally:
        signal.signal(signal.SIGTERM, former or signal.SIG_DFL)


def _run(options: argparse.Namespace) -> int:
    """The command's exit code; where it is not 0, the last line on stderr is the reason."""
    try:
        _check_working_folder()
        return int(options.run(options))
    except CmrsegError as error:
        return _ended(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if told := missing_package(error):
            return _ended(str(told), told.exit_code)
        return _fault(error)
    except BrokenPipeError:  # whoever read the lines has gone: `cmrseg info | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        return EXIT_OUTPUT
    except OSError as error:
        # Unreadable input is a CmrsegError already; what is left are folders to write into.
        reason = error.strerror or type(error).__name__
        return _ended(f"{error.filename or 'the disk'}: {reason}. Check it.", EXIT_OUTPUT)
    except (KeyboardInterrupt, _TerminatedError) as error:
        return _signalled(error)
    except Exception as error:  # whatever it is, the last line says so and what to do
        if ran_out(error):
            return _ended("the memory does not suffice. Give the process more memory.", EXIT_MEMORY)
        return _fault(error)


def _fault(error: Exception) -> int:
    """What nobody foresaw."""
    if os.environ.get(DEBUG_VARIABLE) == "1":
        sys.excepthook(type(error), error, error.__traceback__)
    told = f"internal error ({type(error).__name__}: {error}). Please report it"
    return _ended(f"{told}; {DEBUG_VARIABLE}=1 shows where it happened.", EXIT_BUG)


def _check_working_folder() -> None:
    """Refuse to start in a folder that was deleted: libraries end the process there.

    Raises:
        UsageError: it was.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            "the working folder does not exist any more", "change to another folder and run again"
        ) from error


def _signalled(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return _ended("interrupted. Nothing half-written was left.", 130)
    return _ended("terminated. Nothing half-written was left.", 143)


def _ended(reason: str, code: int) -> int:
    tell(Line(f"cmrseg: {reason}", "error"))
    return code


class _TerminatedError(BaseException):
    """SIGTERM came."""


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM as an exception, so that what is staged gets cleaned up on the way out."""
    raise _TerminatedError


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = Parser(
        prog="cmrseg",
        description="Segments cardiac MR and says how far each result can be trusted.",
        epilog=EXIT_CODES,
        groups=COMMANDS,
    )
    top.add_argument("--version", action="version", version=f"cmrseg {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add, name, text, example in (
        (predict.add_predict, "predict", "segment a folder of cases", "predict mnms2 IN OUT"),
        (
            predict.add_demo,
            "demo",
            "segment the sample cases with both recipes",
            "demo",
        ),
        (
            judge.add_judge,
            "judge",
            "check the quality of external masks and choose the best",
            "judge mnms2 IMAGES OUT --candidate nnunet=MASKS",
        ),
        (
            evaluate.add_evaluate,
            "evaluate",
            "score predictions against expert labels",
            "evaluate mnms2 OUT TRUTH --out SCORES",
        ),
        (
            evaluate.add_compare,
            "compare",
            "compare two weights bundles or prediction folders",
            "compare mnms2 OUT1 OUT2 COMPARISON --truth TRUTH",
        ),
        (
            predict.add_serve,
            "serve",
            "answer the platform's invocations over HTTP",
            "serve mnms2 --port 4743",
        ),
        (
            evaluate.add_evaluate_submission,
            "evaluate-submission",
            "score a submission as a challenge's platform does",
            "evaluate-submission mnms2 --predictions IN --truth TRUTH --out metrics.json",
        ),
        (
            predict.add_info,
            "info",
            "show the weights, their scores and their limits",
            "info mnms2",
        ),
    ):
        add(commands.add_parser(name, help=text, example=f"cmrseg {example}"))
    completion.add_completion(
        commands.add_parser("completion", help="print a script for shell completion"), top
    )
    return top


if __name__ == "__main__":
    sys.exit(main())
