"""Options that several commands share, and the kinds of values they take."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmrseg.batch import Shard

CHALLENGES = ("emidec", "mnms2")


def add_challenge(p: argparse.ArgumentParser) -> None:
    """Which recipe."""
    p.add_argument("challenge", choices=CHALLENGES, help="which recipe")


def add_device(p: argparse.ArgumentParser) -> None:
    """Where to compute."""
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def add_log_format(p: argparse.ArgumentParser) -> None:
    """Lines in words or as JSON."""
    p.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="json: one object a line on both streams, with level, time, case and message",
    )


def shard(text: str) -> Shard:
    """``I/N``."""
    from cmrseg.batch import Shard

    try:
        return Shard.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not I/N with I from 1 to N") from error


def seconds(text: str) -> float:
    """A number of seconds above zero."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time to work in")
    return value


def whole(text: str) -> int:
    """A whole number, zero included."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return value


def count(text: str) -> int:
    """A whole number from one."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below one")
    return value


def weight(text: str) -> float:
    """A finite number from zero."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no weight")
    return value


def fold(text: str) -> int | None:
    """A fold's number, or ``all`` for none held out."""
    return None if text == "all" else whole(text)
