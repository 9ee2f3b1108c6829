"""Small hearts, small networks and small bundles, all made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cmrseg.imaging import Geometry, Volume, write
from cmrseg.models.manifest import QualityEntry
from cmrseg.models.unet import UNet, UNetConfig
from cmrseg.quality.selection import Fences, Thresholds
from cmrseg_lab.training import cache, checkpoint
from cmrseg_lab.training.loop import CHECKPOINT, fit, make_optimiser
from cmrseg_lab.training.pack import pack
from cmrseg_lab.training.preset import Augmentation, AutoencoderPreset, SegmenterPreset, as_values

CLASSES = {"emidec": 5, "mnms2-sa": 4, "mnms2-la": 4}


def heart(seed: int = 0, shape: tuple[int, int, int] = (4, 40, 44)) -> tuple[np.ndarray, ...]:
    """Image (z, y, x) float32 and label uint8: LV 1 in myocardium 2, RV 3 beside it."""
    rng = np.random.default_rng(seed)
    _, y, x = np.indices(shape).astype(float)
    centre_y, centre_x = shape[1] / 2 + rng.uniform(-3, 3), shape[2] / 2 + rng.uniform(0, 4)
    radius = np.hypot(y - centre_y, x - centre_x)
    right = np.hypot((y - centre_y) / 1.3, x - centre_x + 9) < 6
    label = np.select([radius < 4.5, radius < 7.5, right], [1, 2, 3], 0).astype(np.uint8)
    grey = np.array([60.0, 300.0, 20.0, 230.0])[label]
    image = grey + rng.normal(0, 8, shape)
    return image.astype(np.float32), label


def network_config(recipe: str, **changed: Any) -> UNetConfig:
    """Three stages; 3-D with dropout for emidec, 2-D without for mnms2."""
    return replace(segmenter_preset(recipe).network, **changed)


def segmenter_preset(recipe: str, **changed: Any) -> SegmenterPreset:
    """A few steps on small patches."""
    deep = recipe == "emidec"
    preset = SegmenterPreset(
        recipe=recipe,
        classes=CLASSES[recipe],
        features=(4, 8, 8),
        across=(False, deep, deep),
        dropout=(0.0, 0.2, 0.2) if deep else (),
        deep_supervision=2,
        patch=(4 if deep else 1, 32, 32),
        batch=2,
        steps=6,
        learning_rate=2e-3,
        warm_up=0,
        weight_decay=1e-2,
        look_every=2,
        folds=5,
        augmentation=Augmentation(other_phase=0.0),
    )
    return replace(preset, **changed)


def autoencoder_preset(recipe: str, **changed: Any) -> AutoencoderPreset:
    """One step in a small window."""
    preset = AutoencoderPreset(
        recipe=recipe,
        slices=1,
        size=32,
        layers=((4, 2), (4, 2)),
        batch=2,
        steps=1,
        learning_rate=1e-3,
        weight_decay=1e-5,
        folds=5,
    )
    return replace(preset, **changed)


def sample(seed: int = 0) -> cache.Sample:
    """A cached heart."""
    image, label = heart(seed)
    return cache.Sample((image - image.mean()) / image.std(), label, (10.0, 1.5, 1.5))


def make_cache(folder: Path, recipe: str, patients: int = 6, source: str = "hospital") -> Path:
    """A cache of small hearts, one a patient, of two groups."""
    folder.mkdir(parents=True, exist_ok=True)
    known = cache.read_index(folder, recipe) if (folder / cache.INDEX).exists() else []
    name = "LGE" if recipe == "emidec" else "ED"
    for number in range(patients):
        one = sample(number)
        patient = cache.Patient(
            source=source,
            patient=f"{number:03d}",
            vendor="A",
            disease="PN"[number % 2],
            images=(name,),
            spacing_mm=(one.spacing_mm,),
        )
        cache.save_patient(folder, patient, {name: one})
        known.append(patient)
    cache.write_index(folder, recipe, known)
    return folder


def about(
    fold: int | None, seed: int, sources: Sequence[str], patients: Sequence[str]
) -> dict[str, Any]:
    """Who a network was trained on, as its checkpoint says."""
    learned = [[source, patient] for source in sources or ["hospital"] for patient in patients]
    return {"fold": fold, "without": None, "seed": seed, "patients": learned}


def make_checkpoint(
    folder: Path,
    recipe: str,
    *,
    fold: int | None = 0,
    seed: int = 0,
    sources: Sequence[str] = (),
    patients: Sequence[str] = ("001", "002"),
) -> Path:
    """The checkpoint of a randomly initialised network that says it was trained.

    Args:
        folder: to write into.
        recipe: whose.
        fold: that it says it held out.
        seed: of its weights.
        sources: data sets.
        patients: whom of each it was trained on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    preset = segmenter_preset(recipe)
    torch.manual_seed(seed)
    network = UNet(preset.network)
    with torch.no_grad():
        for head in network.heads:
            head.weight.mul_(4.0)
    state = {
        "step": 6,
        "preset": as_values(preset),
        "about": about(fold, seed, sources, patients),
    }
    path = folder / CHECKPOINT
    checkpoint.save(path, network, make_optimiser(network, preset), state)
    return path


def make_autoencoder(
    folder: Path,
    recipe: str,
    *,
    fold: int | None = 0,
    sources: Sequence[str] = (),
    patients: Sequence[str] = ("001", "002"),
) -> Path:
    """The checkpoint of an autoencoder that took one step on two small hearts."""
    # Here, so that segmenters' training can be tested where scipy is not installed.
    from cmrseg_lab.training.autoencoder import Autoencoders

    task = Autoencoders(autoencoder_preset(recipe), [heart(0)[1], heart(1)[1]], [])
    told = about(fold, 0, sources, patients)
    return fit(task, folder, seed=0, device=torch.device("cpu"), about=told, workers=0)


def make_bundles(folder: Path) -> Path:
    """Bundles of both challenges: ``folder/emidec`` and ``folder/mnms2``."""
    for challenge, recipes in {"emidec": ("emidec",), "mnms2": ("mnms2-sa", "mnms2-la")}.items():
        paths = [make_checkpoint(folder / "runs" / r, r, seed=3) for r in recipes]
        pack(challenge, paths, folder / challenge, commit="0" * 40)
    return folder


def volume(seed: int = 0, slices: int = 4) -> Volume:
    """A small heart as a scanner would store it: int16, oblique, finer than the recipes' grids."""
    image, _ = heart(seed, (slices, 40, 44))
    cos, sin = np.cos(0.4), np.sin(0.4)
    tilt = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
    geometry = Geometry((slices, 40, 44), (9.0, 1.25, 1.3), (-20.0, 31.5, 7.25), tilt[:, ::-1])
    return Volume(image.round().astype(np.int16), geometry)


def save(path: Path, image: Volume) -> Path:
    """Write an image, its folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(image, path)
    return path


def save_patients(out: Path, count: int = 8) -> Path:
    """Labelled patients with both phases of the short axis, in the M&Ms-2 layout."""
    for number in range(count):
        for phase in ("ED", "ES"):
            image = volume(number)
            label = image.like(heart(number, image.array.shape)[1])
            stem = out / f"{number:03d}" / f"{number:03d}_SA_{phase}"
            save(stem.with_name(stem.name + ".nii.gz"), image)
            save(stem.with_name(stem.name + "_gt.nii.gz"), label)
    return out


def quality_entry(**fences: Fences) -> QualityEntry:
    """What calibration would find: the fences by role, fitted on nobody."""
    thresholds = Thresholds(fences).as_dict()
    return {"thresholds": thresholds, "rehearsal": None, "fitted_on": "nobody"}
