"""What compares with expert labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK, UsageError
from cmrseg.runtime.logs import printable


def add_evaluate(p: argparse.ArgumentParser) -> None:
    """`cmrseg evaluate`."""
    options.add_challenge(p)
    p.add_argument("predictions", type=Path, help="folder of predictions")
    p.add_argument("truth", type=Path, help="folder of expert labels")
    p.add_argument("--out", type=Path, help="write evaluation.csv, .json and .md here")
    p.set_defaults(run=_run_evaluate)


def _run_evaluate(o: argparse.Namespace) -> int:
    from cmrseg.evaluation.run import evaluate

    report = evaluate(o.challenge, o.predictions, o.truth, o.out)
    print(printable(report.text()))
    return report.exit_code


def add_evaluate_submission(p: argparse.ArgumentParser) -> None:
    """`cmrseg evaluate-submission`."""
    p.add_argument(
        "challenge",
        choices=options.CHALLENGES,
        nargs="?",
        help="default: the one the truth is laid out for",
    )
    p.add_argument(
        "--predictions",
        type=Path,
        default=Path("/input"),
        help="predictions.json with its jobs, or a folder in the challenge's layout "
        "(default: /input)",
    )
    p.add_argument(
        "--truth",
        type=Path,
        default=Path("/opt/ml/input/data/ground_truth"),
        help="expert labels in the challenge's layout (default: where the platform unpacks them)",
    )
    p.add_argument(
        "--out",
        type=Path,
        default=Path("/output/metrics.json"),
        help="the file to write (default: /output/metrics.json)",
    )
    p.add_argument("--sockets", type=Path, help="a Grand Challenge socket table (JSON)")
    options.add_log_format(p)
    p.set_defaults(run=_run_evaluate_submission)


def _run_evaluate_submission(o: argparse.Namespace) -> int:
    try:
        from cmrseg.evaluation.evalutils_evaluation import evaluate_submission
    except ImportError as error:
        raise UsageError(
            f"scoring a submission needs evalutils ({error})", "pip install 'cmrseg[evalutils]'"
        ) from error
    print(
        evaluate_submission(o.predictions, o.truth, o.out, challenge=o.challenge, sockets=o.sockets)
    )
    return EXIT_OK


def add_compare(p: argparse.ArgumentParser) -> None:
    """`cmrseg compare`."""
    options.add_challenge(p)
    p.add_argument("first", type=Path, help="a weights bundle or a folder of predictions")
    p.add_argument("other", type=Path, help="likewise; differences are the first less this one")
    p.add_argument("out", type=Path, help="folder for tables and pictures")
    p.add_argument("--truth", type=Path, help="expert labels; without, the two with each other")
    p.add_argument(
        "--images", type=Path, help="the cases: what bundles segment, and what pictures show"
    )
    p.add_argument(
        "--names", nargs=2, default=("A", "B"), metavar=("A", "B"), help="how to call the two"
    )
    options.add_device(p)
    options.add_log_format(p)
    p.set_defaults(run=_run_compare)


def _run_compare(o: argparse.Namespace) -> int:
    from cmrseg.evaluation.compare import compare

    found = compare(
        o.challenge,
        o.first,
        o.other,
        o.out,
        truth=o.truth,
        images=o.images,
        names=tuple(o.names),
        device=o.device,
    )
    print(printable(found.text()))
    return found.exit_code
