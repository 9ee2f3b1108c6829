"""From labelled data to the cache that training reads (:mod:`cmrseg_lab.training.cine_cache`).

Short axes come from folders in the M&Ms-2 layout. Long axes come from three kinds of folders: the
same layout with long axes in it; the same layout without, then 4-chamber slices are cut out of its
short-axis stacks; and 4-chamber frames as PNG on which only the LV cavity is drawn (``frames.csv``,
``images`` and ``masks``, as of the second Data Science Bowl).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cmrseg.imaging.grid import Grid
from cmrseg.imaging.prepare import prepare_interior
from cmrseg.imaging.read import check_image, read
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.runtime.progress import Progress
from cmrseg_lab.synthetic.reformat import four_chamber
from cmrseg_lab.training.cine_cache import PHASES, UNKNOWN, Patient, write_index

View = Literal["SA", "LA"]
Pair = tuple[str, Volume, Volume]
"""What an image is called, the image, its labels."""

GRID = Grid((None, 1.5, 1.5))
TURNS_DEG = (-20.0, 0.0, 20.0)
"""How 4-chamber planes cut out of a short-axis stack are turned around the long axis."""
USUAL_PIXEL_MM = 1.1
"""Of frames whose pixel size nobody knows: the median of the others."""


def prepare_folder(data: Path, source: str, view: View, out: Path) -> list[Patient]:
    """Bring every labelled patient under ``data`` to the grid and write its npz."""
    if (data / "frames.csv").exists():
        return _prepare_frames(data, source, out)
    with (data / "dataset_information.csv").open(newline="", encoding="utf-8") as file:
        facts = {row["SUBJECT_CODE"].zfill(3): row for row in csv.DictReader(file)}
    patients = []
    folders = sorted(p for p in (data / "dataset").iterdir() if p.is_dir())
    with Progress(len(folders), f"prepare {source}") as progress:
        for done, folder in enumerate(folders, start=1):
            row = facts[folder.name]
            patient = Patient(
                source=source,
                patient=folder.name,
                vendor=row["VENDOR"],
                disease=row["DISEASE"],
                spacing_z_mm=0.0,
                phases=(),
            )
            patients.append(_write(patient, _pairs(folder, view), out))
            progress.show(done)
    return patients


def _pairs(folder: Path, view: View) -> Iterator[Pair]:
    """The labelled images of a patient's folder."""
    own = any(folder.glob(f"{folder.name}_{view}_*.nii.gz"))
    for phase in PHASES:
        path = folder / f"{folder.name}_{view if own else 'SA'}_{phase}.nii.gz"
        if not path.exists():
            continue
        image, truth = read(path), read(path.with_name(path.name.replace(".nii", "_gt.nii")))
        check_image(image)
        if own:
            yield phase, image, truth
            continue
        for turn in TURNS_DEG:
            name = phase if turn == 0 else f"{phase}{turn:+.0f}"
            yield name, *four_chamber(image, truth, turn_deg=turn)


def _prepare_frames(data: Path, source: str, out: Path) -> list[Patient]:
    """4-chamber frames with the LV drawn and nothing else known."""
    frames: dict[str, list[dict[str, str]]] = {}
    with (data / "frames.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            frames.setdefault(row["patient"], []).append(row)
    patients = []
    for name, rows in sorted(frames.items()):
        patient = Patient(
            source=source,
            patient=name,
            vendor="unknown",
            disease="unknown",
            spacing_z_mm=0.0,
            phases=(),
        )
        patients.append(_write(patient, (_frame(data, row) for row in rows), out))
    return patients


def _frame(data: Path, row: dict[str, str]) -> Pair:
    known = float(row["pixel_mm"])
    pixel = USUAL_PIXEL_MM if isnan(known) else known
    image, mask = (_picture(data / kind / row["file"], pixel) for kind in ("images", "masks"))
    drawn = mask.like(np.where(mask.array > 0, 1, UNKNOWN).astype(np.uint8))
    return f"frame{row['frame']}", image, drawn


def _picture(path: Path, pixel_mm: float) -> Volume:
    """A PNG as one slice."""
    import SimpleITK

    array: Array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).astype(np.float32)[
        None
    ]
    return Volume(array, Geometry(shape=array.shape, spacing_mm=(8.0, pixel_mm, pixel_mm)))


def _write(patient: Patient, pairs: Iterator[Pair], out: Path) -> Patient:
    """Prepare a patient's images and store them; returns the patient with what was found."""
    arrays: dict[str, Any] = {}
    names, spacing_z = [], 0.0
    for name, image, truth in pairs:
        prepared = prepare_interior(image, GRID)
        arrays[f"{name}_image"] = prepared.image.array.astype(np.float16)
        arrays[f"{name}_label"] = prepared.labels(truth, GRID).array.astype(np.uint8)
        names.append(name)
        spacing_z = prepared.image.spacing_mm[0]
    np.savez_compressed(out / patient.file, **arrays)
    return replace(patient, spacing_z_mm=spacing_z, phases=tuple(names))


def main() -> None:
    """``python -m cmrseg_lab.training.prepare_cine OUT --view SA SOURCE=FOLDER ...``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", nargs="+", help="SOURCE=FOLDER")
    parser.add_argument("--view", choices=("SA", "LA"), default="SA")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    patients: list[Patient] = []
    for one in args.data:
        source, folder = one.split("=", 1)
        patients += prepare_folder(Path(folder), source, args.view, args.out)
    write_index(args.out, patients)


if __name__ == "__main__":
    main()
