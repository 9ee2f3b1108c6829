"""Height, weight and sex of patients, from M&Ms-2's ``dataset_information.csv`` or an own table.

Columns, in any order and case: ``SUBJECT_CODE`` (or ``case``, ``subject``, ``id``), ``HEIGHT`` in
cm, ``WEIGHT`` in kg, ``SEX`` (M or F). What is empty, "unknown" or not a number is not known.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cmrseg.runtime.errors import InputError

USUAL = "dataset_information.csv"
CODES = ("subject_code", "case", "subject", "id", "participant_id")
HEIGHT_CM, WEIGHT_KG = (40.0, 250.0), (2.0, 400.0)
"""What people measure; anything else is in other units, or wrong."""
Sex = Literal["male", "female"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of a patient's body.

    Attributes:
        height_cm: None where it is not known, likewise the others.
        weight_kg: body mass.
        sex: as it is recorded.
    """

    height_cm: float | None = None
    weight_kg: float | None = None
    sex: Sex | None = None

    @property
    def bsa_m2(self) -> float | None:
        """Body surface area (Mosteller, N Engl J Med 1987;317:1098)."""
        if self.height_cm is None or self.weight_kg is None:
            return None
        return float((self.height_cm * self.weight_kg / 3600) ** 0.5)


def read_subjects(path: Path) -> dict[str, Subject]:
    """Patients by :func:`code`; those of whom nothing is known are left out.

    Raises:
        InputError: the table cannot be read, names no patients, or a height or weight is none.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            text = stream.read(1 << 24)
        dialect = ";" if text.partition("\n")[0].count(";") else ","
        rows = list(csv.DictReader(text.splitlines(), delimiter=dialect))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"the table of subjects {path.name} cannot be read", "give a CSV file"
        ) from error
    known = [{str(k).strip().lower(): str(v or "").strip() for k, v in r.items()} for r in rows]
    name = next((one for one in CODES if known and one in known[0]), None)
    if name is None:
        raise InputError(
            f"the table of subjects {path.name} has no column that names them",
            f"call it one of {', '.join(CODES)}",
        )
    found = {code(row[name]): _subject(row, path.name) for row in known}
    return {key: subject for key, subject in found.items() if subject != Subject()}


def code(case_id: str) -> str:
    """A case's name as tables have it: numbers may have lost their leading zeros."""
    return case_id.lstrip("0") or "0" if case_id.isdigit() else case_id


def _subject(row: Mapping[str, str], table: str) -> Subject:
    return Subject(
        height_cm=_number(row, ("height", "height_cm"), HEIGHT_CM, "cm", table),
        weight_kg=_number(row, ("weight", "weight_kg"), WEIGHT_KG, "kg", table),
        sex={"m": "male", "f": "female"}.get(row.get("sex", "")[:1].lower()),  # type: ignore[arg-type]
    )


def _number(
    row: Mapping[str, str],
    columns: tuple[str, ...],
    bounds: tuple[float, float],
    unit: str,
    table: str,
) -> float | None:
    text = next((row[column] for column in columns if row.get(column)), "")
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    low, high = bounds
    if not low <= value <= high:
        raise InputError(
            f"the table of subjects {table} has a {columns[0]} of {value:g}: that is not in {unit}",
            f"give {columns[0]} in {unit} ({low:g} to {high:g}), or leave it empty",
        )
    return value
