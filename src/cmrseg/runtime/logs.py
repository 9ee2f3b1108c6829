"""Lines for logs: whole, newline-terminated, UTF-8, in words or as JSON.

Progress and warnings go to stdout, errors to stderr; the last line there is the reason why a
command failed. Lines name cases as contracts do, never by file names.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, TextIO

LogFormat = Literal["text", "json"]
Level = Literal["info", "warning", "error"]
LONGEST = 4000
"""Characters of a message; platforms cut off or lose what is far longer."""
ERASE = "\r\033[K"
"""Empties the line that a terminal's cursor is on."""


class Line(str):
    """One line of a log: a string in words, which also knows what it is made of.

    Attributes:
        message: what happened.
        level: ``error`` goes to stderr, the others to stdout.
        case: the log name of the case it is about.
    """

    __slots__ = ("case", "level", "message")
    message: str
    level: Level
    case: str | None

    def __new__(cls, message: str, level: Level = "info", case: str | None = None) -> Line:
        """The line for a message."""
        words = f"warning: {message}" if level == "warning" else message
        line = super().__new__(cls, one_line(f"{case}: {words}" if case else words))
        line.message, line.level, line.case = one_line(message), level, case
        return line


def tell(line: Line) -> None:
    """Print a line where it belongs, in the format that is on."""
    stream = sys.stderr if line.level == "error" else sys.stdout
    if isinstance(stream, JsonLines):
        stream.put(line)
    else:
        print(f"{ERASE if stream.isatty() else ''}{line}", file=stream, flush=True)


def under_way(text: str) -> None:
    """On a terminal: a line of what is being done, which the next line takes the place of."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"{ERASE}{one_line(text)[:width]}", end="", flush=True)


def one_line(text: str) -> str:
    """Text as one line of valid UTF-8 that no log cuts off and no terminal takes for commands."""
    line = " ".join(text.split())[:LONGEST]
    return printable(line)


def printable(text: str) -> str:
    """Text with its lines, and all else that a terminal takes for commands written out."""
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    """A control character, or half of one, in signs that can be printed."""
    return character.encode("unicode_escape").decode("ascii")


def use_utf8() -> None:
    """Both streams write UTF-8 whatever the locale, and write at the end of every line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


@contextlib.contextmanager
def formatted(log_format: LogFormat) -> Iterator[None]:
    """Within this block both streams carry lines in ``log_format``, whoever prints them."""
    if log_format == "text":
        yield
        return
    with (
        JsonLines(sys.stdout, "info") as out,
        JsonLines(sys.stderr, "error") as err,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        yield


class JsonLines(io.TextIOBase):
    """A text stream that makes one JSON object of each line.

    Keys: ``level`` (info, warning, error), ``time`` (ISO 8601, UTC), ``case`` (or null),
    ``message``.

    Args:
        stream: where the objects go.
        level: of lines that were printed, not told by :func:`tell`.
    """

    def __init__(self, stream: TextIO, level: Level) -> None:
        self.stream, self.level, self.begun = stream, level, ""

    def write(self, text: str) -> int:
        """Take text; whole lines go on at once."""
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            if line.strip():
                self.put(Line(line, self.level))
        return len(text)

    def put(self, line: Line) -> None:
        """Write one object."""
        told = {
            "level": line.level,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "case": one_line(line.case) if line.case else None,
            "message": line.message,
        }
        self.stream.write(json.dumps(told, ensure_ascii=False) + "\n")
        self.stream.flush()

    def writable(self) -> bool:
        """Yes."""
        return True

    def flush(self) -> None:
        """Hand on what was written."""
        self.stream.flush()

    def __exit__(self, *what: object) -> None:
        if self.begun.strip():
            self.write("\n")
        self.flush()


STDERR = 2


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Whatever is written to the process's stderr within this block is dropped.

    For readers of image formats (ITK prints a line of its own on a truncated MHA), whose failure
    is known by their exceptions. It acts on the file descriptor, since C++ code knows no
    ``sys.stderr``.
    """
    with contextlib.suppress(ValueError, OSError):
        sys.stderr.flush()
    try:
        kept = os.dup(STDERR)
    except OSError:  # a process without stderr has nothing to silence
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, STDERR)
        os.close(nowhere)
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            sys.stderr.flush()
        os.dup2(kept, STDERR)
        os.close(kept)
