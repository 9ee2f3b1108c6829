"""The challenges' training folders: which image belongs to which labels.

EMIDEC: ``Case_X/Images/Case_X.nii.gz`` beside ``Case_X/Contours/Case_X.nii.gz``; the letter after
``Case_`` tells pathological (P) from normal (N). M&Ms-2: ``<id>/<id>_{SA,LA}_{ED,ES}.nii.gz``
beside ``..._gt.nii.gz``; ``dataset_information.csv`` tells the disease.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cmrseg.runtime.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One image with its labels."""

    patient: str
    role: str
    group: str
    image: Path
    label: Path


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
    diseases = _diseases(data)
    found = []
    for image in sorted(_files(data, f"*/*_{view}_E[DS].nii.gz")):
        patient, role = re.fullmatch(r"(.+)_([SL]A_E[DS])\.nii\.gz", image.name).groups()  # type: ignore[union-attr]
        group = diseases.get(patient.lstrip("0"), "unknown")
        label = image.with_name(f"{patient}_{role}_gt.nii.gz")
        found.append(Labelled(patient=patient, role=role, group=group, image=image, label=label))
    return _with_labels(found, f"<id>/<id>_{view}_ED.nii.gz and ..._gt.nii.gz")


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


def _diseases(data: Path) -> dict[str, str]:
    """Patient number without leading zeros -> disease; empty without the information file."""
    tables = [*data.glob("dataset_information.csv"), *data.glob("*/dataset_information.csv")]
    tables += [*data.parent.glob("dataset_information.csv")]
    if not tables:
        return {}
    with tables[0].open(newline="", encoding="utf-8", errors="replace") as file:
        return {r["SUBJECT_CODE"].lstrip("0"): r["DISEASE"] for r in csv.DictReader(file)}
