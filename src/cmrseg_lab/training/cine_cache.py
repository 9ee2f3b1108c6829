"""Cine of one view with labels, preprocessed once: one npz a patient, read with numpy alone.

Layout: ``index.json`` and ``<source>-<patient>.npz`` with, for each image there is (``ED``, ``ES``,
or a frame's number), ``ED_image`` (z, y, x) float16 on a 1.5 mm grid with zero mean and unit
variance, and ``ED_label`` (z, y, x) uint8 (1 LV, 2 MYO, 3 RV). Where only the LV was drawn all else
is :data:`UNKNOWN`. Both phases lie on one grid where the files say so. Fitting reads this folder
and nothing else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cmrseg.imaging.volume import Array

INDEX = "index.json"
PHASES = ("ED", "ES")
UNKNOWN = 255
"""Label of what is not the LV, where nobody said what it is."""
FOLD_SEED = 2026
"""One split for every network, so that out-of-fold scores stay comparable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One patient of the cache.

    Attributes:
        source: the data set (``acdc``, ``mnms1``).
        patient: the unit folds are dealt by.
        vendor: of the scanner; ACDC stands for one of its own (its scanners are of one hospital).
        disease: the data set's own word.
        spacing_z_mm: distance of slices.
        phases: which images there are, ED and ES as a rule.
    """

    source: str
    patient: str
    vendor: str
    disease: str
    spacing_z_mm: float
    phases: tuple[str, ...]

    @property
    def file(self) -> str:
        """The npz beside the index."""
        return f"{self.source}-{self.patient}.npz"


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase in memory: image (z, y, x) float16, label (z, y, x) uint8."""

    image: Array
    label: Array


def write_index(folder: Path, patients: list[Patient]) -> None:
    """Name every patient of the cache."""
    text = json.dumps([asdict(p) for p in patients], indent=1)
    (folder / INDEX).write_text(text + "\n", encoding="utf-8")


def read_index(folder: Path) -> list[Patient]:
    """Every patient of the cache."""
    stored = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    return [Patient(**{**one, "phases": tuple(one["phases"])}) for one in stored]


def load(folder: Path, patient: Patient) -> dict[str, Phase]:
    """A patient's phases by name."""
    with np.load(folder / patient.file, allow_pickle=False) as data:
        return {p: Phase(data[f"{p}_image"], data[f"{p}_label"]) for p in patient.phases}


SAME_PERSON = {("acdc", "076"): ("acdc", "074")}
"""Two entries of ACDC are one scan; they must not be divided between training and test."""


def folds(patients: list[Patient], count: int) -> dict[tuple[str, str], int]:
    """(source, patient) -> fold, every vendor and disease dealt out evenly."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one in sorted(patients, key=lambda p: (p.source, p.patient)):
        key = one.source, one.patient
        if key not in SAME_PERSON:
            groups.setdefault((one.source + one.vendor, one.disease), []).append(key)
    rng, seat, dealt = np.random.default_rng(FOLD_SEED), 0, {}
    for group in sorted(groups):
        for at in rng.permutation(len(groups[group])):
            dealt[groups[group][at]] = seat % count
            seat += 1
    return dealt | {twin: dealt[first] for twin, first in SAME_PERSON.items() if first in dealt}
