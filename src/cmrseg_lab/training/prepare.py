"""From labelled data to the cache that training reads (:mod:`cmrseg_lab.training.cache`).

Images may be made of another kind of labelled ones, by the ending of a source's name:
``acdc-reformatted`` are 4-chamber slices cut out of short-axis stacks, ``acdc-implanted`` late
enhancement with infarcts put on, of late enhancement or of recoloured cine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from zlib import crc32

import numpy as np

from cmrseg.imaging.prepare import prepare_interior
from cmrseg.imaging.read import check_image, read
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.recipes import emidec, mnms2
from cmrseg.recipes.recipe import Recipe
from cmrseg.runtime import Progress
from cmrseg.runtime.errors import CmrsegError, InputError
from cmrseg_lab.synthetic.implant import implant_infarct
from cmrseg_lab.synthetic.reformat import reformatted_four_chamber
from cmrseg_lab.training import cache, datasets
from cmrseg_lab.training.datasets import Labelled

Made = Iterator[tuple[str, Volume, Volume]]
"""What an image is called, the image, its labels."""

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (emidec.RECIPE, *mnms2.RECIPES.values())
}
TURNS_DEG = (-20.0, 0.0, 20.0)
"""How 4-chamber planes cut out of a short-axis stack are turned around the long axis."""
NORMAL_SHARE = 0.25
"""Hearts that get no infarct: a network must know those too."""
SAME_PLACE_MM = 1.0
"""How far apart the headers of an image and its labels may put the same voxel."""


def prepare_cache(recipe: str, sources: dict[str, Path], out: Path) -> list[cache.Patient]:
    """Bring every image and its labels to the recipe's grid and write the cache.

    Args:
        recipe: ``emidec``, ``mnms2-sa`` or ``mnms2-la``.
        sources: the data set's name, for manifest and model card -> its folder.
        out: the cache's folder; what other sources it holds stays.

    Raises:
        InputError: an image or its labels cannot be used, or ``out`` is another recipe's cache.
    """
    out.mkdir(parents=True, exist_ok=True)
    known = cache.read_index(out, recipe) if (out / cache.INDEX).exists() else []
    patients = [p for p in known if p.source not in sources]
    for source, folder in sources.items():
        items = labelled(recipe, source, folder)
        groups = [list(own) for _, own in groupby(items, lambda item: item.patient)]
        with Progress(len(groups), f"prepare {source}") as progress:
            for done, own in enumerate(groups, start=1):
                patients.append(_prepared(recipe, source, own, out))
                progress.show(done)
    cache.write_index(out, recipe, patients)
    return patients


def labelled(recipe: str, source: str, folder: Path) -> list[Labelled]:
    """The labelled images that a source's images are, or are made of."""
    if source.endswith("-reformatted"):
        return datasets.mnms2(folder, "SA")
    if source.endswith("-implanted"):
        try:
            return datasets.emidec(folder)
        except InputError:
            return datasets.mnms2(folder, "SA")
    return datasets.find_labelled(recipe, folder)


def _prepared(recipe: str, source: str, items: Sequence[Labelled], out: Path) -> cache.Patient:
    """Prepare one patient's images and store them."""
    samples: dict[str, cache.Sample] = {}
    grid = RECIPES[recipe].grid
    for item in items:
        try:
            for name, image, label in images(source, item):
                prepared = prepare_interior(image, grid)
                on_grid = prepared.labels(label, grid)
                samples[name] = cache.Sample(
                    prepared.image.array, on_grid.array, prepared.image.spacing_mm
                )
        except CmrsegError as error:
            raise error.within(f"case {item.patient}, {item.role}") from error
    if len(samples) > 1 and all(s.partial for s in samples.values()):
        samples = _phases(samples)
    patient = cache.Patient(
        source=source,
        patient=items[0].patient,
        vendor=items[0].vendor,
        disease=items[0].group,
        images=tuple(samples),
        spacing_mm=tuple(s.spacing_mm for s in samples.values()),
    )
    cache.save_patient(out, patient, samples)
    return patient


def _phases(frames: dict[str, cache.Sample]) -> dict[str, cache.Sample]:
    """Of several drawn frames the largest ventricle as ED and the smallest as ES."""
    by_area = sorted(
        frames.values(), key=lambda s: -int((s.label == 1).sum() * s.spacing_mm[1] ** 2)
    )
    return dict(zip(cache.PHASES, (by_area[0], by_area[-1]), strict=True))


def images(source: str, item: Labelled) -> Made:
    """An image as it is, or what is made of it."""
    if item.pixel_mm is not None:
        image, mask = (_picture(path, item.pixel_mm) for path in (item.image, item.label))
        drawn = np.where(mask.array > 0, 1, cache.UNKNOWN).astype(np.uint8)
        yield item.role, image, mask.like(drawn)
        return
    image, label = read(item.image), read(item.label)
    check_image(image)
    if not label.geometry.same_as(image.geometry, tolerance=SAME_PLACE_MM):
        raise InputError(
            "the labels lie on other voxels than the image",
            "give labels of the image's size, spacing and position",
        )
    name = item.role.split("_")[-1]
    if source.endswith("-reformatted"):
        for turn in TURNS_DEG:
            cut = reformatted_four_chamber(image, label, turn_deg=turn)
            yield f"{name}{turn:+.0f}" if turn else name, *cut
    elif source.endswith("-implanted"):
        yield name, *_implanted(image, label, item)
    else:
        yield name, image, label


def _implanted(image: Volume, label: Volume, item: Labelled) -> tuple[Volume, Volume]:
    """Late enhancement with an infarct put on; which one follows from the patient's name."""
    seed = crc32(f"{item.patient} {item.role}".encode())
    rng = np.random.default_rng(seed)
    share = 0.0 if rng.random() < NORMAL_SHARE else float(rng.uniform(0.04, 0.45))
    core = float(rng.choice([0.0, rng.uniform(0.05, 0.5)]))
    source = "late" if item.role == "LGE" else "cine"
    return implant_infarct(image, label, seed=seed, share=share, core_share=core, source=source)  # type: ignore[arg-type]


def _picture(path: Path, pixel_mm: float) -> Volume:
    """A PNG as one slice."""
    from matplotlib.image import imread

    array: Array = np.asarray(imread(path))  # 0 to 1; colour channels last, if there are any
    array = array if array.ndim == 2 else array[..., :3].mean(axis=2)
    geometry = Geometry(shape=(1, *array.shape), spacing_mm=(8.0, pixel_mm, pixel_mm))
    return Volume(array[None].astype(np.float32), geometry)
