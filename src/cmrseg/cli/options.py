"""Options that several commands share, and the kinds of values they take."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cmrseg.cases.challenge import EMIDEC, MNMS2, SPECS
from cmrseg.cli.parser import ForRecipe
from cmrseg.runtime.budget import USUAL_S

if TYPE_CHECKING:
    from cmrseg.run.batch import Chosen, Shard
    from cmrseg.run.settings import Settings

Options: TypeAlias = argparse.ArgumentParser | argparse._ArgumentGroup
CHALLENGES = tuple(SPECS)


def add_challenge(p: argparse.ArgumentParser) -> None:
    """Which recipe."""
    p.add_argument("challenge", metavar="RECIPE", choices=CHALLENGES, help="emidec or mnms2")


def add_device(p: Options) -> None:
    """Where to compute."""
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def add_weights(p: Options) -> None:
    """Which bundle."""
    p.add_argument("--weights", type=Path, help="a weights bundle (default: the usual places)")


def add_computing(p: argparse.ArgumentParser) -> None:
    """How a case is computed: what exec and invoke have in common."""
    speed = p.add_argument_group("speed")
    add_device(speed)
    speed.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "fp16"),
        default="auto",
        help="what networks compute in (default: auto, bf16 or fp16 where the processor has matrix "
        "units for it, else fp32)",
    )
    speed.add_argument(
        "--mirrors",
        type=int,
        choices=(1, 2, 4),
        default=4,
        help="passes of test-time augmentation by flips",
    )
    speed.add_argument(
        "--samples",
        action=ForRecipe,
        recipe=EMIDEC.name,
        type=samples,
        default=20,
        help="dropout passes in all, 0 for none",
    )
    speed.add_argument(
        "--time-budget",
        type=positive_seconds,
        metavar="SECONDS",
        help="what a case may take, the first one's with start-up; where its first pass shows that "
        "time is short, fewer mirror images are computed, then fewer samples, with a warning",
    )
    add_case_timeout(speed)
    quality = p.add_argument_group("quality")
    add_weights(quality)
    quality.add_argument(
        "--thresholds",
        action=ForRecipe,
        recipe=MNMS2.name,
        choices=("frozen", "cohort"),
        default="frozen",
        help="what is out of distribution, by the bundle's own thresholds or by the cases at "
        "hand, 8 at least (folders only; all cases are looked at first, so it takes twice the "
        "time, with --resume too)",
    )
    quality.add_argument(
        "--refine",
        action=ForRecipe,
        recipe=MNMS2.name,
        choices=("never", "case", "cohort"),
        default="never",
        help="refine who answers on each image out of distribution by itself, or on all of "
        "them together (folders only; all cases are looked at first, with --resume too, which "
        "answers a case anew if refinement came out differently)",
    )
    quality.add_argument(
        "--refine-budget",
        action=ForRecipe,
        recipe=MNMS2.name,
        type=positive_seconds,
        default=60.0,
        metavar="SECONDS",
        help="what refining one case may take, in a cohort on average",
    )
    quality.add_argument(
        "--selection",
        action=ForRecipe,
        recipe=MNMS2.name,
        choices=("averaged", "paper"),
        default="averaged",
        help="of candidates nearly as good as the best by pseudo-Dice take the mean, or the best "
        "alone as the paper does",
    )
    quality.add_argument(
        "--septum",
        action=ForRecipe,
        recipe=EMIDEC.name,
        type=float,
        dest="septum_deg",
        metavar="DEGREES",
        help="where the middle of the septum is in the image, counted upwards from its right (180 "
        "is left), for headers without orientation: the 17 segments are counted from it",
    )
    platform = p.add_argument_group("platform")
    platform.add_argument("--sockets", type=Path, help="a Grand Challenge socket table (JSON)")
    add_log_format(platform)


def add_case_timeout(p: Options) -> None:
    """How long a case may hang."""
    p.add_argument(
        "--case-timeout",
        type=whole,
        default=int(USUAL_S),
        metavar="SECONDS",
        help="a case that takes longer has failed, and the next one's turn comes; 0 for no limit",
    )


def add_part(p: Options) -> None:
    """Which of a folder's cases a run takes."""
    part = p.add_mutually_exclusive_group()
    part.add_argument(
        "--cases",
        dest="shard",
        type=cases,
        metavar="ID[,ID]",
        help="take these cases alone, named as in summary.csv, for arrays of jobs that are run "
        "again in part; the summary is summary-ID",
    )
    part.add_argument(
        "--shard",
        type=shard,
        metavar="I/N",
        help="take every N-th case from the I-th on (I from 1), for arrays of jobs; the summary is "
        "summary-IofN; --resume without --shard gathers them afterwards",
    )


def add_report(p: Options) -> None:
    """Whether there is a page for people."""
    p.add_argument(
        "--report",
        nargs="?",
        const=True,
        choices=("single-file",),
        help="a page for people (report.html) and pictures beside it; single-file: all in the "
        "page, to be mailed; default: yes, except on Grand Challenge, which would upload it",
    )
    p.add_argument("--no-report", dest="report", action="store_false", help="leave it out")


def shown(arguments: Sequence[str], o: argparse.Namespace) -> str:
    """A command line without paths, which may name patients: each option's name in its place."""
    paths = {}
    for name, value in vars(o).items():
        for one in value if isinstance(value, list) else [value]:
            path = one[-1] if isinstance(one, tuple) else one
            if isinstance(path, Path):
                paths[str(path)] = name.upper()
    words = []
    for word in arguments:
        # A path may stand behind an option's or a name's equals sign, and have one itself.
        ends = [word[at:] for at in (0, word.find("=") + 1, word.rfind("=") + 1)]
        found = next((end for end in ends if end and str(Path(end)) in paths), "")
        words.append(word.removesuffix(found) + paths[str(Path(found))] if found else word)
    return shlex.join(["cmrseg", *words])


def settings(o: argparse.Namespace) -> Settings:
    """The options of a command as :class:`cmrseg.run.settings.Settings`."""
    from dataclasses import fields

    from cmrseg.quality.selection import TIE
    from cmrseg.run.settings import Settings

    told = {f.name: getattr(o, f.name) for f in fields(Settings) if hasattr(o, f.name)}
    told["case_timeout"] = o.case_timeout or None
    told["precision"] = None if told.get("precision") == "auto" else told.get("precision")
    told["cohort"] = [n for n in ("thresholds", "refine") if getattr(o, n, "") == "cohort"]
    told["refine_s"] = 0.0 if getattr(o, "refine", "never") == "never" else o.refine_budget
    told["tie"] = 0.0 if getattr(o, "selection", "") == "paper" else TIE
    return Settings(**told)


def add_log_format(p: Options) -> None:
    """Lines in words or as JSON."""
    p.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="json: one object a line on both streams, with level, time, case and message",
    )


def shard(text: str) -> Shard:
    """``I/N``."""
    from cmrseg.run.batch import Shard

    try:
        return Shard.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not I/N with I from 1 to N") from error


def cases(text: str) -> Chosen:
    """``ID[,ID]``."""
    from cmrseg.run.batch import Chosen

    ids = tuple(dict.fromkeys(filter(None, text.split(","))))
    if not ids:
        raise argparse.ArgumentTypeError("give a case, or several apart by commas")
    return Chosen(ids)


def positive_seconds(text: str) -> float:
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


def samples(text: str) -> int:
    """A number of dropout passes: none, or two and more, as one of them has no variance."""
    value = whole(text)
    if value == 1:
        raise argparse.ArgumentTypeError("one sample has no variance: 0 for none, or 2 and more")
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


def fold_number(text: str) -> int | None:
    """A fold's number, or ``all`` for none held out."""
    return None if text == "all" else whole(text)


def name_and_path(text: str) -> tuple[str, Path]:
    """``NAME=PLACE`` in two."""
    name, equals, place = text.partition("=")
    if not (name and equals and place):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PLACE")
    return name, Path(place)
