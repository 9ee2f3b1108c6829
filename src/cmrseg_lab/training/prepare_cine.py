"""From M&Ms-2 folders to the cache that training reads (:mod:`cmrseg_lab.training.cine_cache`)."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from cmrseg.imaging.grid import Grid
from cmrseg.imaging.prepare import prepare_interior
from cmrseg.imaging.read import check_image, read
from cmrseg.runtime.progress import Progress
from cmrseg_lab.training.cine_cache import PHASES, Patient, write_index

GRID = Grid((None, 1.5, 1.5))


def prepare_folder(data: Path, source: str, out: Path) -> list[Patient]:
    """Bring every labelled short-axis patient under ``data`` to the grid and write its npz."""
    with (data / "dataset_information.csv").open(newline="", encoding="utf-8") as file:
        facts = {row["SUBJECT_CODE"]: row for row in csv.DictReader(file)}
    patients = []
    folders = sorted(p for p in (data / "dataset").iterdir() if p.is_dir())
    with Progress(len(folders), f"prepare {source}") as progress:
        for done, folder in enumerate(folders, start=1):
            patients.append(_prepare_patient(folder, source, facts[folder.name], out))
            progress.show(done)
    return patients


def _prepare_patient(folder: Path, source: str, facts: dict[str, str], out: Path) -> Patient:
    arrays: dict[str, Any] = {}
    found, spacing_z = [], 0.0
    for phase in PHASES:
        path = folder / f"{folder.name}_SA_{phase}.nii.gz"
        if not path.exists():
            continue
        image = read(path)
        check_image(image)
        prepared = prepare_interior(image, GRID)
        truth = read(path.with_name(path.name.replace(".nii.gz", "_gt.nii.gz")))
        label = prepared.labels(truth, GRID)
        arrays[f"{phase}_image"] = prepared.image.array.astype(np.float16)
        arrays[f"{phase}_label"] = label.array.astype(np.uint8)
        found.append(phase)
        spacing_z = prepared.image.spacing_mm[0]
    patient = Patient(
        source=source,
        patient=folder.name,
        vendor=facts["VENDOR"],
        disease=facts["DISEASE"],
        spacing_z_mm=spacing_z,
        phases=tuple(found),
    )
    np.savez_compressed(out / patient.file, **arrays)
    return patient


def main() -> None:
    """``python -m cmrseg_lab.training.prepare_cine OUT SOURCE=FOLDER ...``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", nargs="+", help="SOURCE=FOLDER, a folder in the M&Ms-2 layout")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    patients: list[Patient] = []
    for one in args.data:
        source, folder = one.split("=", 1)
        patients += prepare_folder(Path(folder), source, args.out)
    write_index(args.out, patients)


if __name__ == "__main__":
    main()
