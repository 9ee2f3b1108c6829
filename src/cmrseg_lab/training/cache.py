"""Labelled images, prepared once: one npz a patient, read with numpy alone.

Layout: ``index.json`` and ``<source>-<patient>.npz`` with, for each image there is (``ED``, ``ES``,
``LGE`` or a frame), ``ED_image`` (z, y, x) float16 on the recipe's grid with zero mean and unit
variance, and ``ED_label`` (z, y, x) uint8 in the recipe's codes. Where only the LV was drawn all
else is :data:`UNKNOWN`. Both phases lie on one grid where the files say so. Fitting reads this
folder and nothing else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cmrseg.imaging.volume import Array
from cmrseg.runtime.errors import InputError

INDEX = "index.json"
PHASES = ("ED", "ES")
UNKNOWN = 255
"""Label of what is not the LV, where nobody said what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One patient of the cache.

    Attributes:
        source: the data set (``acdc``, ``mnms1-reformatted``).
        patient: the unit folds are dealt by.
        vendor: of the scanner.
        disease: the data set's own word.
        images: what there is: ``ED``, ``ES``, ``LGE``.
        spacing_mm: (z, y, x) of each image.
    """

    source: str
    patient: str
    vendor: str
    disease: str
    images: tuple[str, ...] = ()
    spacing_mm: tuple[tuple[float, float, float], ...] = ()

    @property
    def file(self) -> str:
        """The npz beside the index."""
        return f"{self.source}-{self.patient}.npz"

    @property
    def group(self) -> str:
        """Whose members are dealt evenly among folds."""
        return f"{self.source} {self.vendor} {self.disease}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One image in memory.

    Attributes:
        image: (z, y, x) float16.
        label: (z, y, x) uint8.
        spacing_mm: (z, y, x).
    """

    image: Array
    label: Array
    spacing_mm: tuple[float, float, float]

    @property
    def partial(self) -> bool:
        """Whether only the LV was drawn."""
        return bool((self.label == UNKNOWN).any())


def save_patient(folder: Path, patient: Patient, samples: dict[str, Sample]) -> None:
    """Write a patient's npz (the index is written once, at the end)."""
    arrays = {f"{name}_image": s.image.astype(np.float16) for name, s in samples.items()}
    arrays |= {f"{name}_label": s.label.astype(np.uint8) for name, s in samples.items()}
    np.savez_compressed(folder / patient.file, **arrays)  # type: ignore[arg-type]


def load_patient(folder: Path, patient: Patient) -> dict[str, Sample]:
    """A patient's images by name."""
    with np.load(folder / patient.file, allow_pickle=False) as data:
        return {
            name: Sample(data[f"{name}_image"], data[f"{name}_label"], spacing)
            for name, spacing in zip(patient.images, patient.spacing_mm, strict=True)
        }


def write_index(folder: Path, recipe: str, patients: list[Patient]) -> None:
    """Name every patient of the cache."""
    told = {"recipe": recipe, "patients": [asdict(p) for p in patients]}
    (folder / INDEX).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_index(folder: Path, recipe: str) -> list[Patient]:
    """Every patient of the cache.

    Raises:
        InputError: no cache there, or one of another recipe.
    """
    try:
        told = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        patients = told["patients"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{folder} holds no cache", "Run `cmrseg-lab prepare` first") from error
    if told["recipe"] != recipe:
        raise InputError(
            f"the cache in {folder} is of recipe {told['recipe']}, not {recipe}",
            f"Run `cmrseg-lab prepare {recipe}` into a folder of its own",
        )
    return [
        Patient(
            **{
                **one,
                "images": tuple(one["images"]),
                "spacing_mm": tuple(map(tuple, one["spacing_mm"])),
            }
        )
        for one in patients
    ]
