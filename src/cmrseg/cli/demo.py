"""Both recipes on sample cases: a table, a picture and reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmrseg.cases.challenge import MNMS2, SPECS, Challenge
from cmrseg.cases.detect import open_contract
from cmrseg.cases.summary import CaseRecord
from cmrseg.imaging import read
from cmrseg.report.overlay import Panel, contact_sheet
from cmrseg.run.predict import predict
from cmrseg.runtime.errors import EXIT_OK, InputError

PICTURE = "overlay.png"
REAL = "real"
"""A folder of real hearts in the M&Ms-2 layout, where there is one."""


def demo(samples: Path, output: Path, *, device: str = "auto") -> int:
    """Segment ``samples/emidec``, ``samples/mnms2`` and real hearts; print, draw, report.

    Returns:
        0, or the exit code of the recipe that failed.

    Raises:
        CmrsegError: a recipe could not be started.
    """
    if not samples.is_dir():
        raise InputError(
            f"there is no folder {samples}", "run it in a clone of the repository, or name one"
        )
    rows: list[tuple[str, ...]] = []
    panels: list[Panel] = []
    folders: list[tuple[Challenge, str]] = [(challenge, challenge) for challenge in SPECS]
    folders += [(MNMS2.name, REAL)] if (samples / REAL).is_dir() else []
    for challenge, name in folders:
        source, out = samples / name, output / name
        code = predict(
            challenge,
            source,
            out,
            device=device,
            labels="all",
            save_uncertainty=True,
            report=True,
            command=f"cmrseg predict {challenge} {name}",
        )
        if code != EXIT_OK:
            return code
        for record in json.loads((out / "summary.json").read_text(encoding="utf-8"))["cases"]:
            rows += _rows(challenge, record)
        panels += _panels(challenge, source, out)
    _print(("case", "image", "volumes in mL (areas in cm2)", "trust", "s"), rows)
    contact_sheet(panels, output / PICTURE)
    print(f"\nmasks, maps and summaries: {output}\noverlay picture: {output / PICTURE}")
    for _, name in folders:
        print(f"report: {output / name / 'report.html'}")
    return EXIT_OK


def _rows(challenge: Challenge, record: CaseRecord) -> list[tuple[str, ...]]:
    """One line an image: what was found, and how far samples or mirror images agree on it."""
    case, seconds, found = record["case"], f"{record['seconds']:.1f}", record["measures"]
    if SPECS[challenge].one_image:
        uncertainty = found["uncertainty"]
        agreed = uncertainty["dice_within_samples"]["myocardium"]
        trust = f"variance {uncertainty['image_level']:.1e}, myocardium agrees {agreed:.2f}"
        trust += _verdict(found)
        (role,) = SPECS[challenge].roles
        return [(case, role, _sizes(found["volume_ml"]), trust, seconds)]
    roles = [role for role in found if role[:2] in ("SA", "LA")]
    return [
        (
            case,
            role,
            _sizes(found[role].get("volume_ml") or found[role]["area_cm2"]),
            _trust(found[role]),
            seconds if role == roles[0] else "",
        )
        for role in roles
    ]


def _trust(found: Mapping[str, Any]) -> str:
    """How far mirror images agree on the RV, and quality control's verdict if there is one."""
    agreed = f"RV agrees {found['agreement']['RV']:.2f}"
    if "quality" in found:
        agreed += f", pDC {found['quality']['answer']['RV']['pDC']:.2f}"
    return agreed + _verdict(found)


def _verdict(found: Mapping[str, Any]) -> str:
    """Nothing where the bundle has no quality control."""
    if "quality" not in found:
        return ""
    flagged = found["quality"]["out_of_distribution"]
    return ", out of distribution" if flagged else ", in range"


def _sizes(sizes: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.1f}" for name, value in sizes.items())


def _panels(challenge: Challenge, samples: Path, out: Path) -> list[Panel]:
    """The first image of each case beside its mask."""
    contract = open_contract(challenge, samples, out)
    panels = []
    for case in contract.cases():
        role, source = next(iter(case.images.items()))
        mask = out / contract.mask_path(case, role)
        image = source.read()
        title = f"{case.id} {role}"
        panels.append(
            Panel(title=title, image=image, mask=read(mask), names=SPECS[challenge].labels)
        )
    return panels


def _print(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """A table with columns as wide as they need be."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    rule = tuple("-" * width for width in widths)
    for row in [header, rule, *rows]:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
