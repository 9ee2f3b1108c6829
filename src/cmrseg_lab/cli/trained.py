"""Tables from data alone: bundles are trained first."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmrseg.cli import options

if TYPE_CHECKING:
    from cmrseg.cases.labels import Challenge


def add_trained(p: argparse.ArgumentParser, what: str) -> None:
    """Options that train instead of load."""
    p.add_argument("--train", metavar="CONFIG", help=f"train {what} from DATA first, below "
                   "OUT/work: paper (a GPU's work) or compact; given again it goes on")  # fmt: skip
    p.add_argument("--steps", type=options.count, help="of each training (the configuration's)")


def trained_words(o: argparse.Namespace) -> list[str]:
    """What of the command line is told in tables."""
    steps = [f"--steps {o.steps}"] if o.steps else []
    return [f"--train {o.train}", *steps] if o.train else []


def trained(
    challenge: Challenge,
    o: argparse.Namespace,
    wanted: Mapping[str, tuple[str, Mapping[str, Any]]],
) -> dict[str, Path | None]:
    """Bundles trained from the data, below ``OUT/work``; what is there already is gone on from.

    Args:
        challenge: whose.
        o: ``data``, ``out``, ``source``, ``steps`` and ``device`` of the command line.
        wanted: what tables call a bundle -> configuration and further settings of its training.
    """
    from cmrseg_lab.studies.provenance import commit_of_code
    from cmrseg_lab.training.pipeline import Course, train_whole

    (o.out / "work").mkdir(parents=True, exist_ok=True)
    (o.out / "work" / ".gitignore").write_text("*\n", encoding="utf-8")
    found: dict[str, Path | None] = {}
    for name, (config, settings) in wanted.items():
        course = Course(
            challenge=challenge,
            data=o.data,
            out=o.out / "work" / "trained" / name,
            source=o.source,
            config=config,
            settings={**settings, "steps": o.steps, "device": o.device},
            commit=o.commit or commit_of_code(),
        )
        found[name] = train_whole(course)
    return found
