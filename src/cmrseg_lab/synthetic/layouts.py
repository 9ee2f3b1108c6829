"""Writing synthetic patients in the challenges' folder layouts."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cmrseg.imaging.write import write
from cmrseg.runtime.errors import OutputError
from cmrseg_lab.synthetic.patient import SyntheticPatient, clinical_text

MNMS2_COLUMNS = ("SUBJECT_CODE", "DISEASE", "VENDOR", "SCANNER", "FIELD")


def write_mnms2(patient: SyntheticPatient, case_id: str, output_dir: Path) -> None:
    """``dataset/<id>/<id>_<role>.nii.gz`` and ``<id>_<role>_gt.nii.gz``.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    folder = _folder(output_dir / "dataset" / case_id)
    for role, image in patient.images.items():
        write(image, folder / f"{case_id}_{role}.nii.gz")
        write(patient.labels[role], folder / f"{case_id}_{role}_gt.nii.gz")


def write_emidec(patient: SyntheticPatient, case_id: str, output_dir: Path) -> None:
    """``Case_X/Images``, ``Case_X/Contours`` and ``Case X.txt`` in ``emidec-dataset-1.0.1``.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    root = output_dir / "emidec-dataset-1.0.1"
    image, label = patient.images["LGE"], patient.labels["LGE"]
    write(image, _folder(root / case_id / "Images") / f"{case_id}.nii.gz")
    write(label, _folder(root / case_id / "Contours") / f"{case_id}.nii.gz")
    name = case_id.replace("_", " ")
    text = clinical_text(name, image.spacing_mm[0], patient.facts["clinical"])
    _save(root / f"{name}.txt", text)


def write_mnms2_table(rows: Sequence[tuple[str, dict[str, Any]]], output_dir: Path) -> None:
    """``dataset_information.csv``; codes without leading zeros, as the organisers write them.

    Args:
        rows: case id and facts of each patient.
        output_dir: where ``dataset`` lies.

    Raises:
        OutputError: the file cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(MNMS2_COLUMNS)
    for case_id, facts in rows:
        group, vendor = facts["group"], facts["vendor"]
        table.writerow((int(case_id), group, vendor, facts["scanner"], facts["field_tesla"]))
    _save(output_dir / "dataset_information.csv", text.getvalue().encode())


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable("a folder", error) from error
    return path


def _save(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise _unwritable("a table", error) from error


def _unwritable(what: str, error: OSError) -> OutputError:
    return OutputError(
        f"{what} of the synthetic patients cannot be written ({error.strerror})",
        "check that the output folder may be written to and has space left",
    )
