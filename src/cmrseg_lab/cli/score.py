"""What scores a bundle or an autoencoder on patients that it was not trained on."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK


def add_validate(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab validate`."""
    options.add_challenge(p)
    p.add_argument("data", type=Path, help="the labelled data the bundle was trained on")
    p.add_argument("out", type=Path, help="folder for predictions and scores")
    p.add_argument("--source", required=True, help="the name the data was prepared under")
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
    """`cmrseg-lab score-qc`."""
    p.add_argument(
        "checkpoint", type=Path, help="checkpoint.safetensors of `cmrseg-lab train qc_short_axis`"
    )
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
