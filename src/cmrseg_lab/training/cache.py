"""The preprocessed data set: one npz a volume and an index, read with numpy alone.

Layout: ``index.json`` and ``<patient>_<role>.npz`` with ``image`` (z, y, x) float16 on the recipe's
grid with robust zero mean and unit variance, ``label`` (z, y, x) uint8, ``spacing_mm`` (3,).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cmrseg.imaging.volume import Array
from cmrseg.runtime.errors import InputError

INDEX = "index.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One cached volume.

    Attributes:
        patient: the unit folds are dealt by.
        role: ``LGE``, ``SA_ED``, ...
        group: pathology group.
        file: npz beside the index.
        source: what data set it came from ("acdc", "synthetic", ...), for the manifest.
    """

    patient: str
    role: str
    group: str
    file: str
    source: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A cached volume in memory: image (z, y, x) float32, label (z, y, x) uint8."""

    image: Array
    label: Array
    spacing_mm: tuple[float, float, float]


def save(folder: Path, entry: Entry, sample: Sample) -> None:
    """Write one volume's npz (the index is written once, at the end)."""
    np.savez_compressed(
        folder / entry.file,
        image=sample.image.astype(np.float16),
        label=sample.label.astype(np.uint8),
        spacing_mm=np.array(sample.spacing_mm),
    )


def write_index(folder: Path, recipe: str, entries: list[Entry]) -> None:
    """Write the index that names every volume."""
    content = {"recipe": recipe, "volumes": [asdict(e) for e in entries]}
    (folder / INDEX).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_index(folder: Path, recipe: str) -> list[Entry]:
    """The volumes of a cache.

    Raises:
        InputError: no cache there, or one of another recipe.
    """
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"no preprocessing cache in {folder}", "run `cmrseg-lab preprocess` first"
        ) from error
    if content["recipe"] != recipe:
        raise InputError(
            f"the cache in {folder} is of recipe {content['recipe']}, not {recipe}",
            f"run `cmrseg-lab preprocess` for {recipe} into a folder of its own",
        )
    return [Entry(**volume) for volume in content["volumes"]]


def load(folder: Path, entry: Entry) -> Sample:
    """Read one volume."""
    with np.load(folder / entry.file, allow_pickle=False) as data:
        spacing = tuple(float(s) for s in data["spacing_mm"])
        return Sample(data["image"].astype(np.float32), data["label"], spacing)  # type: ignore[arg-type]
