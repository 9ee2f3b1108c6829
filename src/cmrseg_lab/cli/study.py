"""What tries cmrseg out on inputs that it should take in its stride."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK


def add_study(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab study`."""
    studies = p.add_subparsers(metavar="STUDY", required=True)
    _add_invariance(
        studies.add_parser("invariance", help="whether an image's form changes its mask")
    )


def _add_invariance(p: argparse.ArgumentParser) -> None:
    options.add_challenge(p)
    p.add_argument("data", type=Path, nargs="?", help="cases (default: the checkout's samples)")
    p.add_argument("--out", type=Path, help="write the table there, as Markdown, too")
    p.add_argument("--cases", type=options.count, default=2, help="how many (default: 2)")
    options.add_weights(p)
    options.add_device(p)
    p.set_defaults(run=_run_invariance)


def _run_invariance(o: argparse.Namespace) -> int:
    from cmrseg.models import bundle
    from cmrseg.run.predict import recipe
    from cmrseg_lab.studies import invariance
    from cmrseg_lab.studies.bench.samples import CHECKOUT

    found = bundle.find(o.challenge, o.weights)
    cases = invariance.cases_of(o.challenge, o.data or CHECKOUT / o.challenge, o.cases)
    segment = recipe(o.challenge, found, device=o.device)
    outcomes = invariance.study(o.challenge, cases, segment, _progress)
    text = invariance.table(o.challenge, outcomes).markdown()
    print(text)
    if o.out:
        shown = o.data.name if o.data else "the sample cases"
        words = (
            f"# Invariance: {o.challenge}\n\nLowest Dice against the unchanged image's own mask; "
            f"{len(cases)} cases of {shown}, weights {found.digest[:12]}.\n\n"
        )
        o.out.parent.mkdir(parents=True, exist_ok=True)
        o.out.write_text(f"{words}{text}\n", encoding="utf-8")
    return EXIT_OK


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
