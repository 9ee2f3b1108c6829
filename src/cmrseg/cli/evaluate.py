"""What compares with expert labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK, UsageError


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
    print(report.text())
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
    print(found.text())
    return found.exit_code


def add_validate(p: argparse.ArgumentParser) -> None:
    """`cmrseg validate`."""
    options.add_challenge(p)
    p.add_argument("data", type=Path, help="the labelled data the bundle was trained on")
    p.add_argument("out", type=Path, help="folder for predictions and scores")
    p.add_argument("--source", required=True, help="the name the data was preprocessed under")
    options.add_weights(p)
    p.add_argument("--record", action="store_true", help="write scores into manifest and card")
    options.add_device(p)
    options.add_log_format(p)
    p.set_defaults(run=_run_validate)


def _run_validate(o: argparse.Namespace) -> int:
    from cmrseg_lab.training.validate import validate

    report = validate(
        o.challenge,
        o.data,
        o.out,
        source=o.source,
        weights=o.weights,
        device=o.device,
        record=o.record,
    )
    print(report.text())
    return report.exit_code


def add_score_qc(p: argparse.ArgumentParser) -> None:
    """`cmrseg score-qc`."""
    p.add_argument("checkpoint", type=Path, help="checkpoint.safetensors of `cmrseg train-qc`")
    p.add_argument("cache", type=Path, help="the one it was trained from")
    p.add_argument("out", type=Path, help="folder for autoencoder.md and autoencoder.json")
    p.add_argument("--segmenter", type=Path, help="a segmenter's checkpoint: judge its errors too")
    p.add_argument(
        "--errors", type=options.count, default=10, help="wrong masks an image, all kinds mixed"
    )
    p.add_argument(
        "--alone", type=options.count, default=10, help="wrong masks an image and kind by itself"
    )
    p.add_argument("--work", type=Path, help="keep the segmenter's masks here for the next scores")
    p.add_argument("--seed", type=int, default=0, help="decides the errors")
    options.add_device(p)
    p.set_defaults(run=_run_score_qc)


def _run_score_qc(o: argparse.Namespace) -> int:
    from cmrseg_lab.training.qc_detection import score_autoencoder

    text = score_autoencoder(
        o.checkpoint,
        o.cache,
        o.out,
        segmenter=o.segmenter,
        errors=o.errors,
        alone=o.alone,
        seed=o.seed,
        device=o.device,
        work=o.work,
    )
    print(text)
    return EXIT_OK
