"""The user's own labelled data, read in pairs for the comparison; nothing of them is kept."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Volume

GROUP_OF = {"DCM": "LV"}
"""Groups that the real sets call otherwise."""

Pair = tuple[Volume, Volume]
"""Image and labels."""


def read_cine(root: Path, groups: Mapping[str, str], phase: str) -> Iterator[tuple[str, Pair]]:
    """Group, image and labels of each case's short axis at a phase.

    Args:
        root: folder in the M&Ms-2 layout with ``_gt`` labels.
        groups: of :func:`cine_groups`.
        phase: ``ED`` or ``ES``.
    """
    for case_id, group in groups.items():
        stem = root / "dataset" / case_id / f"{case_id}_SA_{phase}"
        yield group, (read(Path(f"{stem}.nii.gz")), read(Path(f"{stem}_gt.nii.gz")))


def cine_groups(root: Path) -> dict[str, str]:
    """Case id -> group of the cases that have a folder."""
    with (root / "dataset_information.csv").open(encoding="utf-8") as file:
        rows = {row["SUBJECT_CODE"]: row["DISEASE"] for row in csv.DictReader(file)}
    found = {}
    for folder in sorted(path.name for path in (root / "dataset").iterdir() if path.is_dir()):
        group = rows.get(folder, rows.get(folder.lstrip("0"), ""))
        found[folder] = GROUP_OF.get(group, group)
    return found


def read_late(root: Path) -> Iterator[tuple[str, Pair]]:
    """Group (N or P), image and labels of each case of a folder in the EMIDEC layout."""
    for path in sorted(root.glob("emidec-dataset-1.0.1/Case_*/Images/*.nii.gz")):
        label = path.parent.parent / "Contours" / path.name
        yield path.name.removeprefix("Case_")[0], (read(path), read(label))
