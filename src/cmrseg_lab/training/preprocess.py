"""From a challenge's folders to the cache that fitting reads."""

from __future__ import annotations

from pathlib import Path

from cmrseg.imaging.grid import Grid
from cmrseg.imaging.prepare import prepare, prepare_labels
from cmrseg.imaging.read import check_image, read
from cmrseg.runtime import Progress
from cmrseg.runtime.errors import CmrsegError, InputError
from cmrseg_lab.training import cache
from cmrseg_lab.training.datasets import Labelled
from cmrseg_lab.training.derived_pairs import Remake

SAME_PLACE_MM = 1.0
"""How far apart the headers of an image and its labels may put the same voxel."""


def preprocess(
    recipe: str,
    items: list[Labelled],
    grid: Grid,
    out: Path,
    *,
    source: str,
    remake: Remake | None = None,
) -> list[cache.Entry]:
    """Bring every image and its labels to the recipe's grid and write the cache.

    Args:
        recipe: written into the index, so that a cache is never taken for another's.
        items: what to preprocess.
        grid: the recipe's spacing.
        out: a folder to make or to add to.
        source: names the data set in the index and later in the manifest.
        remake: makes other images and labels of each pair first
            (:mod:`cmrseg_lab.training.derived_pairs`).

    Raises:
        InputError: an image or its labels cannot be used, or ``out`` is another recipe's cache.
    """
    out.mkdir(parents=True, exist_ok=True)
    known = cache.read_index(out, recipe) if (out / cache.INDEX).exists() else []
    entries: list[cache.Entry] = []
    with Progress(len(items), f"preprocess {recipe}") as progress:
        for done, item in enumerate(items, start=1):
            try:
                sample = _sample(item, grid, remake)
            except CmrsegError as error:
                raise error.within(f"case {item.patient}, {item.role}") from error
            entry = cache.Entry(
                patient=item.patient,
                role=item.role,
                group=item.group,
                file=f"{source}-{item.patient}_{item.role}.npz",
                source=source,
            )
            cache.save(out, entry, sample)
            entries.append(entry)
            progress.show(done)
    kept = [e for e in known if e.source != source]
    cache.write_index(out, recipe, kept + entries)
    return entries


def _sample(item: Labelled, grid: Grid, remake: Remake | None) -> cache.Sample:
    image, label = read(item.image), read(item.label)
    check_image(image)
    if not label.geometry.same_as(image.geometry, tolerance=SAME_PLACE_MM):
        raise InputError(
            "the labels lie on other voxels than the image",
            "give labels of the image's size, spacing and position",
        )
    if remake:
        image, label = remake(image, label)
    prepared = prepare(image, grid)
    return cache.Sample(
        prepared.image.array, prepare_labels(label, grid).array, prepared.image.spacing_mm
    )
