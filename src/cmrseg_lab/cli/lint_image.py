"""What checks a submission as the platform would."""

from __future__ import annotations

import argparse

from cmrseg.cli import options


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
