"""What makes a paper's tables and figures anew."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmrseg.cases.challenge import EMIDEC
from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK

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
