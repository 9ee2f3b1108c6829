"""What scores a bundle, an autoencoder, a paper's claims, and a submission."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmrseg.cases.challenge import EMIDEC
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


SHIFTS = ("magnitude",)
"""A held-out style: what a scan without phase-sensitive reconstruction looks like."""


def add_reproduce(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab reproduce`."""
    papers = p.add_subparsers(metavar="CHALLENGE", required=True)
    _add_emidec(papers.add_parser(EMIDEC.name, help="arega2021: uncertainty in the loss"))


def _add_emidec(p: argparse.ArgumentParser) -> None:
    p.add_argument("data", type=Path, help="the labelled data the bundles learned from")
    p.add_argument(
        "out",
        type=Path,
        nargs="?",
        default=Path("docs/results/emidec"),
        help="page, tables, figures; predictions stay in OUT/work, out of version control",
    )
    p.add_argument("--weights", type=Path, help="the proposed method's bundle")
    p.add_argument(
        "--baseline", type=Path, help="a bundle of the preset emidec_baseline, to compare"
    )
    p.add_argument("--source", default=EMIDEC.name, help="the name the data was prepared under")
    p.add_argument("--mirrors", type=int, choices=(1, 2, 4), default=4, help="mirror images")
    p.add_argument("--samples", type=options.whole, default=20, help="dropout passes a patient")
    p.add_argument("--shift", action="append", metavar="STYLE", help="show patients in this style "
                   f"too; several (default: {', '.join(SHIFTS)}; none: '')")  # fmt: skip
    p.add_argument("--precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto")
    p.add_argument("--note", default="", help="what else proposed and baseline differ in, told "
                   "beside the comparison")  # fmt: skip
    p.add_argument("--commit", help="of the code, told in the tables (default: git is asked)")
    options.add_device(p)
    options.add_log_format(p)
    p.set_defaults(run=_run_reproduce)


def _run_reproduce(o: argparse.Namespace) -> int:
    from cmrseg_lab.studies.emidec_paper.emidec import reproduce
    from cmrseg_lab.studies.provenance import commit_of_code
    from cmrseg_lab.training.calibration.emidec_out_of_fold import RunSettings

    effort = RunSettings(
        mirrors=o.mirrors,
        samples=o.samples,
        device=o.device,
        precision=None if o.precision == "auto" else o.precision,
    )
    bundles = {"weights": o.weights, "baseline": o.baseline}
    # Names alone: whole paths say more of this machine than of the figures.
    named = [f"--{option} {path.name}" for option, path in bundles.items() if path]
    usual = {"mirrors": 4, "samples": 20, "source": EMIDEC.name, "precision": "auto"}
    named += [f"--{k} {getattr(o, k)}" for k, v in usual.items() if getattr(o, k) != v]
    named += [f"--shift {style!r}" for style in o.shift or ()]
    page = reproduce(
        o.data,
        o.out,
        styles=[style for style in o.shift or SHIFTS if style],
        weights=bundles["weights"],
        baseline=bundles["baseline"],
        source=o.source,
        effort=effort,
        note=o.note,
        commit=o.commit or commit_of_code(),
        command=" ".join(["cmrseg-lab reproduce emidec", o.data.name, o.out.name, *named]),
    )
    for path in page.files:
        print(f"written: {path}")
    return EXIT_OK


def add_lint_image(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab lint-image`."""
    p.add_argument("image", metavar="TAR_OR_TAG", help="written by docker save, or an image's name")
    p.add_argument(
        "--challenge", choices=options.CHALLENGES, help="default: that of the weights inside"
    )
    p.add_argument("--engine", default="docker", help="the container engine's command")
    p.add_argument("--static", action="store_true", help="do not run sample cases")
    p.add_argument("--json", action="store_true", help="JSON instead of a table")
    p.set_defaults(run=_run_lint_image)


def _run_lint_image(o: argparse.Namespace) -> int:
    from cmrseg_lab.lint_image.lint import lint_image

    return lint_image(
        o.image, challenge=o.challenge, engine=o.engine, static=o.static, as_data=o.json
    )
