"""What judges masks that others made."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmrseg.cases.challenge import MNMS2
from cmrseg.cli import options
from cmrseg.runtime.errors import UsageError


def add_judge(p: argparse.ArgumentParser) -> None:
    """`cmrseg judge`."""
    p.add_argument(
        "challenge",
        metavar="RECIPE",
        choices=(MNMS2.name,),
        help="mnms2: structures, views, phases",
    )
    p.add_argument("input", type=Path, help="the images: M&Ms-2, Grand Challenge or a plain folder")
    p.add_argument("output", type=Path, help="where the chosen masks and the verdicts go")
    p.add_argument(
        "--candidate",
        type=candidate,
        action="append",
        required=True,
        metavar="NAME=FOLDER",
        help="masks of one segmenter (1 LV, 2 myocardium, 3 RV), laid out as `cmrseg predict "
        "mnms2` does or called as their images; several: the best of each image is taken",
    )
    quality = p.add_argument_group("quality")
    options.add_weights(quality)
    quality.add_argument(
        "--thresholds",
        choices=("frozen", "cohort"),
        default="frozen",
        help="what is out of distribution, by the bundle's own thresholds or by the masks at hand, "
        "8 images of a view and phase at least (folders only)",
    )
    common = p.add_argument_group("common")
    common.add_argument(
        "--contract",
        choices=("grand-challenge", MNMS2.name, "nnunet", "bids", "folder"),
        help="the input's layout (default: detected)",
    )
    common.add_argument(
        "--labels",
        default="all",
        help="how chosen masks are written: all, rv (RV = 3 alone) or rv1 (RV = 1)",
    )
    common.add_argument(
        "--frame", type=options.whole, help="plain folders: the frame of 4-D images, from 0"
    )
    common.add_argument(
        "--resume",
        action="store_true",
        help="leave out cases done before with the same images, masks, weights and thresholds",
    )
    options.add_part(common)
    options.add_report(common)
    speed = p.add_argument_group("speed")
    options.add_device(speed)
    options.add_case_timeout(speed)
    platform = p.add_argument_group("platform")
    platform.add_argument("--sockets", type=Path, help="a Grand Challenge socket table (JSON)")
    options.add_log_format(platform)
    p.set_defaults(run=_run_judge)


def candidate(text: str) -> tuple[str, Path]:
    """``NAME=FOLDER``."""
    name, _, folder = text.partition("=")
    if not name.strip() or not folder:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=FOLDER")
    return name.strip(), Path(folder)


def _run_judge(o: argparse.Namespace) -> int:
    from cmrseg.run.judge import judge

    candidates = dict(o.candidate)
    if len(candidates) < len(o.candidate):
        raise UsageError("two candidates have one name", "give each --candidate a name of its own")
    return judge(o.input, o.output, candidates, options.settings(o))
