"""The command line of the lab: what makes, scores and studies weights.

Exit codes are those of :mod:`cmrseg.runtime.errors`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cmrseg import __version__
from cmrseg.cli.completion import add_completion
from cmrseg.cli.main import EXIT_CODES, run_command
from cmrseg.cli.parser import Parser
from cmrseg_lab.cli import score, study, synthesize, train


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of ``cmrseg-lab`` and return its exit code."""
    return run_command(parser(), arguments)


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = Parser(
        prog="cmrseg-lab",
        description="Trains, calibrates and studies the networks that cmrseg ships with.",
        epilog=EXIT_CODES,
    )
    top.add_argument("--version", action="version", version=f"cmrseg-lab {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for add, name, text in (
        (synthesize.add_synthesize, "synthesize", "make labelled synthetic patients"),
        (train.add_prepare, "prepare", "write the cache that training reads"),
        (train.add_train, "train", "train one network from the cache, or a whole bundle"),
        (score.add_score_qc, "score-qc", "score how well a QC autoencoder detects wrong masks"),
        (train.add_pack, "pack", "make a weights bundle of trained networks"),
        (train.add_calibrate, "calibrate", "fit thresholds or rules and store them in a bundle"),
        (train.add_export_onnx, "export-onnx", "write a bundle's networks as ONNX, checked"),
        (score.add_validate, "validate", "score a bundle out of fold"),
        (score.add_reproduce, "reproduce", "make a paper's tables and figures from a bundle"),
        (study.add_study, "study", "try cmrseg out on changed and on faulty images"),
        (score.add_lint_image, "lint-image", "check a submission as the platform would"),
    ):
        add(commands.add_parser(name, help=text))
    add_completion(
        commands.add_parser("completion", help="print a script for shell completion"), top
    )
    return top


if __name__ == "__main__":
    sys.exit(main())
