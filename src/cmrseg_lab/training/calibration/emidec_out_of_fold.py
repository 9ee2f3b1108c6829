"""EMIDEC patients as seen by the networks that never learned from them.

Which patients those are follows from the manifest alone: each network says which fold of how many
it held out, dealt with which seed. One pass a patient gives everything that rules are chosen by and
tables are made of, and stays on disk, so that an interrupted run goes on and a second one reads.
What is kept are predictions and labels of patients: the folder refuses to be committed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmrseg.cases.case import ImageSource
from cmrseg.cases.challenge import EMIDEC
from cmrseg.imaging.prepare import prepare
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.models.bundle import Bundle
from cmrseg.models.ensemble import Segmenter
from cmrseg.models.manifest import NetworkEntry
from cmrseg.models.roi_crop import Roi
from cmrseg.quality.uncertainty import measures
from cmrseg.recipes.emidec import RECIPE
from cmrseg.recipes.steps import prepared_image
from cmrseg.runtime import Precision, Progress, use_device
from cmrseg.runtime.errors import CmrsegError, InputError
from cmrseg_lab.synthetic.restyle import restyle
from cmrseg_lab.synthetic.styles import choose_style
from cmrseg_lab.synthetic.synthesize import GENERATION
from cmrseg_lab.training import datasets
from cmrseg_lab.training.datasets import Labelled
from cmrseg_lab.training.held_out import deal, is_held_out

Triple = tuple[float, float, float]
KEPT = 1
"""Counts up when what is kept changes, or how it is made: then nothing older is read."""
PARTS = 5
"""Into so many parts the patients of one or two folds are dealt where a choice needs folds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """What networks that never saw a patient say of it, and what an expert says.

    Attributes:
        patient: the case's name.
        group: its pathology group (P or N).
        fold: the fold it was held out in.
        truth: (z, y, x) expert labels on the image's voxels.
        probabilities: (C, z, y, x) class probabilities there, float32, mean over mirror images.
        variance: (z, y, x) sample variance there, mean over classes; zeros without samples.
        spacing_mm: (z, y, x) of these voxels.
        image_level: image-level uncertainty (arega2021 Eq. 4); 0 without samples.
        grid_truth: (z, y, x) expert labels on the recipe's grid.
        central: (z, y, x) mask of the samples' mean there (S_mean of Eq. 6).
        samples: (N, z, y, x) mask of each sample there.
        grid_spacing_mm: (z, y, x) of that grid.
    """

    patient: str
    group: str
    fold: int
    truth: Array
    probabilities: Array
    variance: Array
    spacing_mm: Triple
    image_level: float
    grid_truth: Array
    central: Array
    samples: Array
    grid_spacing_mm: Triple

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel of the image."""
        return Geometry(self.truth.shape, self.spacing_mm).voxel_ml

    @property
    def grid_voxel_ml(self) -> float:
        """Volume of a voxel of the recipe's grid."""
        return Geometry(self.grid_truth.shape, self.grid_spacing_mm).voxel_ml


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How patients are computed.

    Attributes:
        mirrors: mirror images a network sees.
        samples: dropout passes in all; 0 for none.
        device: ``auto``, ``cpu``, ``cuda``.
        precision: None for the device's usual one.
        style: show patients as a scanner of this style would; "" for as they are.
    """

    mirrors: int = 4
    samples: int = 20
    device: str = "auto"
    precision: Precision | None = None
    style: str = ""


def folds_of(found: Bundle, items: list[Labelled], source: str) -> dict[int, list[Labelled]]:
    """Fold -> the patients that none of its networks was trained on.

    Raises:
        InputError: no network held anybody out.
    """
    groups = {item.patient: item.group for item in items}
    by_fold: dict[int, list[NetworkEntry]] = {}
    for network in found.of(RECIPE.name):
        if (fold := network["training"]["fold"]) is not None:
            by_fold.setdefault(fold, []).append(network)
    dealt = {
        fold: [i for i in items if all(is_held_out(n, source, i.patient, groups) for n in own)]
        for fold, own in sorted(by_fold.items())
    }
    if not any(dealt.values()):
        raise InputError(
            f"no network in the bundle held out a fold of {source}",
            "Pack networks trained with --fold N, and give --source the name the data was "
            "prepared under",
        )
    return dealt


def predict_held_out(
    found: Bundle, data: Path, work: Path, *, source: str, effort: RunSettings
) -> Iterator[Held]:
    """Every patient that a fold's networks held out, seen by those networks alone.

    Args:
        found: the bundle.
        data: the labelled data it learned from, in the challenge's layout.
        work: results are kept here; those of the same weights and effort are read, not made anew.
        source: the name the data was preprocessed under.
        effort: how to compute.

    Raises:
        InputError: as :func:`folds_of`; or an image or its labels cannot be used.
        WeightsError: a network does not fit.
    """
    dealt = folds_of(found, datasets.emidec(data), source)
    folder = work / identity(found, effort)
    folder.mkdir(parents=True, exist_ok=True)
    (work / ".gitignore").write_text("*\n", encoding="utf-8")
    with Progress(sum(map(len, dealt.values())), "held-out patients") as progress:
        done = 0
        for fold, items in dealt.items():
            segmenter: Segmenter | None = None
            for item in items:
                path = folder / f"{item.patient}.npz"
                if not path.exists():
                    segmenter = segmenter or _segmenter(found, fold, effort)
                    _save(path, _predicted(segmenter, item, fold, effort))
                done += 1
                progress.show(done)
                yield _load(path)


def identity(found: Bundle, effort: RunSettings) -> str:
    """Names a bundle's networks, whatever else its manifest says, and the effort."""
    digests = "".join(sorted(found.manifest["files"][n["file"]] for n in found.of(RECIPE.name)))
    name = hashlib.sha256(digests.encode()).hexdigest()[:12]
    style = f"-{effort.style}-{GENERATION}" if effort.style else ""
    return f"{KEPT}-{name}-{effort.mirrors}-{effort.samples}-{effort.precision or 'auto'}{style}"


def choosing_parts(patients: Sequence[tuple[str, str, int]]) -> list[int]:
    """For each patient the part it is scored in, by choices made on the others.

    These are the training's folds where there are three or more, else the patients are dealt.

    Args:
        patients: (patient, group, fold) of each.
    """
    if len({fold for *_, fold in patients}) >= 3:
        return [fold for *_, fold in patients]
    dealt = deal({patient: group for patient, group, _ in patients}, PARTS, seed=0)
    return [dealt[patient] for patient, *_ in patients]


def _segmenter(found: Bundle, fold: int, effort: RunSettings) -> Segmenter:
    part = found.having([n for n in found.of(RECIPE.name) if n["training"]["fold"] == fold])
    return Segmenter.from_bundle(
        part, RECIPE.name, use_device(effort.device), precision=effort.precision
    )


def _predicted(segmenter: Segmenter, item: Labelled, fold: int, effort: RunSettings) -> Held:
    how = segmenter.preparation
    try:
        source, prepared = prepared_image(ImageSource(item.image), RECIPE.grid, how)
        label = read(item.label)
    except CmrsegError as error:
        raise error.within("a held-out patient") from error
    if effort.style:
        prepared = prepare(_restyled(source, item.patient, effort.style), RECIPE.grid, how)
    passes = len(segmenter.networks) * effort.mirrors + effort.samples
    roi = Roi.on(segmenter, prepared.image, passes)
    found = segmenter.mirrored(roi.image, effort.mirrors).maps.mean(axis=0)
    grid_truth = prepared.labels(label, RECIPE.grid).array.astype(np.uint8)
    variance, image_level = np.zeros(source.array.shape, np.float32), 0.0
    central, drawn = np.zeros_like(grid_truth), np.zeros((0, *grid_truth.shape), np.uint8)
    if effort.samples:
        samples = segmenter.dropout_samples(roi.image, effort.samples).maps
        mean, spread = measures.mean_and_variance(samples)
        image_level = measures.image_uncertainty(spread) * roi.share
        variance = prepared.restore(roi.back(spread.mean(axis=0)[None]))[0]
        central = roi.back(mean.argmax(axis=0).astype(np.uint8)[None])[0]
        drawn = roi.back(samples.argmax(axis=1).astype(np.uint8))
    return Held(
        patient=item.patient,
        group=item.group,
        fold=fold,
        truth=label.array.astype(np.uint8),
        probabilities=prepared.restore(roi.probabilities(found)),
        variance=variance,
        spacing_mm=source.spacing_mm,
        image_level=image_level,
        grid_truth=grid_truth,
        central=central,
        samples=drawn,
        grid_spacing_mm=prepared.image.spacing_mm,
    )


def _restyled(image: Volume, patient: str, style: str) -> Volume:
    """Settings are drawn by patient: the same in every run, whoever else is there."""
    rng = np.random.default_rng(list(hashlib.sha256(patient.encode()).digest()[:8]))
    return restyle(image, choose_style(rng, EMIDEC.name, style)[1], rng)


HALF = ("probabilities", "variance")
"""Kept in half precision: a thousandth of a probability changes no table."""


def _save(path: Path, held: Held) -> None:
    arrays = {name: getattr(held, name) for name in Held.__dataclass_fields__}
    arrays |= {name: arrays[name].astype(np.float16) for name in HALF}
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, **arrays)
    part.replace(path)


def _load(path: Path) -> Held:
    with np.load(path, allow_pickle=False) as stored:
        values = {name: stored[name] for name in Held.__dataclass_fields__}
    values |= {name: values[name].astype(np.float32) for name in HALF}
    for name in ("spacing_mm", "grid_spacing_mm"):
        values[name] = tuple(float(v) for v in values[name])
    for name in ("patient", "group", "fold", "image_level"):
        values[name] = values[name].item()
    return Held(**values)
