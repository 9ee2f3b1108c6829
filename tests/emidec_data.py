"""A small EMIDEC data set and bundles whose networks say that they learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cmrseg_lab.training.held_out import deal
from cmrseg_lab.training.pack import pack
from tiny import heart, make_checkpoint, save, volume

GROUPS = "PPN"


def name(number: int) -> str:
    """A case's name."""
    return f"Case_{GROUPS[number % 3]}{number:03d}"


def make_data(folder: Path, patients: int) -> Path:
    """Labelled cases of four slices in the challenge's layout."""
    for number in range(patients):
        image = volume(number)
        label = image.like(heart(number)[1])
        stem = f"{name(number)}/{{}}/{name(number)}.nii.gz"
        save(folder / stem.format("Images"), image)
        save(folder / stem.format("Contours"), label)
    return folder


def held(patients: int, fold: int) -> set[str]:
    """Whom a fold holds out."""
    groups = {f"emidec/{name(n)}": f"emidec unknown {name(n)[5]}" for n in range(patients)}
    return {p.split("/")[1] for p, dealt in deal(groups, 5).items() if dealt == fold}


def make_bundle(folder: Path, patients: int, folds: Sequence[int], seed: int = 0) -> Path:
    """One untrained network a fold."""
    paths = [
        make_checkpoint(
            folder.with_name(f"{folder.name}-runs") / str(fold),
            "emidec",
            fold=fold,
            seed=seed,
            sources=["emidec"],
            patients=sorted({name(n) for n in range(patients)} - held(patients, fold)),
        )
        for fold in folds
    ]
    return pack("emidec", paths, folder, commit="0" * 40)
