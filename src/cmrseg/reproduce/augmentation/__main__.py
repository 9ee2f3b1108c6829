"""``python -m cmrseg.reproduce.augmentation``, as ``make augmentation`` calls it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cmrseg import bundle
from cmrseg.reproduce.augmentation.measure import cohorts, measure
from cmrseg.reproduce.augmentation.page import write
from cmrseg.reproduce.provenance import commit_of_code
from cmrseg.synthetic.record import generation_in


def main(arguments: Sequence[str] | None = None) -> None:
    """Score what is not scored yet, then write the page."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if len(dict(given.weights)) < 2:
        parser.error("two trainings at least are compared: give --weights twice")
    bundles = {name: bundle.find("mnms2", Path(place)) for name, place in given.weights}
    shown = cohorts(given.data, given.source, given.drawn, list(bundles.values()))
    scores = {}
    for cohort in shown:
        scores[cohort.name] = measure(
            bundles, cohort, given.work, device=given.device, precision=given.precision
        )
        print(f"{cohort.name}: {len(cohort.patients)} patients", flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    generation = generation_in(given.drawn)
    write(
        given.out,
        {cohort.name: scores[cohort.name] for cohort in shown},
        bundles,
        made=f"cmrseg {commit_of_code()}, {datetime.now(UTC):%Y-%m-%d}, "
        f"{given.precision or 'fastest precision'}",
        note=given.note,
        drawn="" if generation is None else str(generation),
    )


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m cmrseg.reproduce.augmentation",
        description="What each group of augmentation brings where images shift.",
    )
    p.add_argument("out", type=Path, help="folder for the page")
    p.add_argument("--data", type=Path, required=True, help="patients in the M&Ms-2 layout")
    p.add_argument("--source", required=True, help="what the bundles call them")
    p.add_argument("--drawn", type=Path, required=True, help="hearts drawn in held-out styles")
    p.add_argument(
        "--weights",
        type=_named,
        action="append",
        required=True,
        metavar="NAME=BUNDLE",
        help="a training; the first is what the others are compared with",
    )
    p.add_argument("--work", type=Path, required=True, help="scores are kept here")
    p.add_argument("--note", default="", help="what else the page tells of the trainings")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    p.add_argument("--precision", choices=("fp32", "bf16", "fp16"), help="default: the fastest")
    return p


def _named(text: str) -> tuple[str, str]:
    name, equals, place = text.partition("=")
    if not (name and equals and place):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=BUNDLE")
    return name, place


if __name__ == "__main__":
    main()
