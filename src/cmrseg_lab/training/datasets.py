"""Labelled data: which image belongs to which labels, and whose they are.

EMIDEC: ``Case_X/Images/Case_X.nii.gz`` beside ``Case_X/Contours/Case_X.nii.gz``; the letter after
``Case_`` tells pathological (P) from normal (N). M&Ms-2: ``<id>/<id>_{SA,LA}_{ED,ES}.nii.gz``
beside ``..._gt.nii.gz``; ``dataset_information.csv`` tells disease and vendor. Four-chamber frames
with the LV drawn (second Data Science Bowl): ``images/`` and ``masks/`` with equal names, and
``frames.csv`` (file, patient, frame, pixel_mm).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from cmrseg.cases.challenge import EMIDEC
from cmrseg.runtime.errors import InputError

USUAL_PIXEL_MM = 1.1
"""Of frames whose pixel size nobody knows: the median of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One image with its labels.

    Attributes:
        patient: whose.
        role: ``LGE``, ``SA_ED``, ..., or a frame's name.
        group: disease.
        vendor: of the scanner.
        image: file.
        label: file.
        pixel_mm: of a picture, which has no header.
    """

    patient: str
    role: str
    group: str
    vendor: str = "unknown"
    image: Path
    label: Path
    pixel_mm: float | None = None


def find_labelled(recipe: str, data: Path) -> list[Labelled]:
    """All labelled images for a recipe's networks.

    Raises:
        InputError: none found.
    """
    if recipe in EMIDEC.grids_mm:
        return emidec(data)
    view = recipe[-2:].upper()
    return frames(data) if (data / "frames.csv").exists() else mnms2(data, view)


def emidec(data: Path) -> list[Labelled]:
    """All labelled LGE stacks under ``data`` (the data set's root or its parent).

    Raises:
        InputError: none found.
    """
    found = [
        Labelled(
            patient=image.name.removesuffix(".nii.gz"),
            role="LGE",
            group=image.name[5],
            image=image,
            label=image.parents[1] / "Contours" / image.name,
        )
        for image in sorted(_files(data, "Case_*/Images/Case_*.nii.gz"))
    ]
    return _with_labels(found, "Case_*/Images and Case_*/Contours")


def mnms2(data: Path, view: str) -> list[Labelled]:
    """All labelled ED and ES images of one view (``SA`` or ``LA``) under ``data``.

    Raises:
        InputError: none found.
    """
    facts, found = _facts(data), []
    for image in sorted(_files(data, f"*/*_{view}_E[DS].nii.gz")):
        patient, role = re.fullmatch(r"(.+)_([SL]A_E[DS])\.nii\.gz", image.name).groups()  # type: ignore[union-attr]
        row = facts.get(patient.lstrip("0"), {})
        found.append(
            Labelled(
                patient=patient,
                role=role,
                group=row.get("DISEASE", "unknown"),
                vendor=row.get("VENDOR", "unknown"),
                image=image,
                label=image.with_name(f"{patient}_{role}_gt.nii.gz"),
            )
        )
    return _with_labels(found, f"<id>/<id>_{view}_ED.nii.gz and ..._gt.nii.gz")


def frames(data: Path) -> list[Labelled]:
    """All 4-chamber frames of a ``frames.csv``.

    Raises:
        InputError: none found.
    """
    with (data / "frames.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = []
    for row in rows:
        known = float(row["pixel_mm"])
        found.append(
            Labelled(
                patient=row["patient"],
                role=f"frame{row['frame']}",
                group="unknown",
                image=data / "images" / row["file"],
                label=data / "masks" / row["file"],
                pixel_mm=USUAL_PIXEL_MM if isnan(known) else known,
            )
        )
    return _with_labels(found, "images/ and masks/ as frames.csv names them")


def _files(data: Path, pattern: str) -> Iterator[Path]:
    """Matches in ``data`` itself, else one folder deeper."""
    here = list(data.glob(pattern))
    yield from here or data.glob(f"*/{pattern}")


def _with_labels(found: list[Labelled], layout: str) -> list[Labelled]:
    labelled = [item for item in found if item.label.is_file()]
    if not labelled:
        raise InputError(
            "no labelled images in the data folder", f"expected {layout} in it or one level deeper"
        )
    return labelled


def _facts(data: Path) -> dict[str, dict[str, str]]:
    """Patient number without leading zeros -> its row; empty without the information file."""
    tables = [*data.glob("dataset_information.csv"), *data.glob("*/dataset_information.csv")]
    tables += [*data.parent.glob("dataset_information.csv")]
    if not tables:
        return {}
    with tables[0].open(newline="", encoding="utf-8", errors="replace") as file:
        return {r["SUBJECT_CODE"].lstrip("0"): r for r in csv.DictReader(file)}
