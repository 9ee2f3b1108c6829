"""From a challenge's folders to the cache that fitting reads."""

from __future__ import annotations

from pathlib import Path

from cmrseg.imaging.grid import Grid
from cmrseg.imaging.prepare import prepare, prepare_labels
from cmrseg.imaging.read import check_image, read
from cmrseg.runtime import Progress
from cmrseg.training import cache
from cmrseg.training.datasets import Labelled


def preprocess(
    recipe: str, items: list[Labelled], grid: Grid, out: Path, *, source: str
) -> list[cache.Entry]:
    """Bring every image and its labels to the recipe's grid and write the cache.

    Args:
        recipe: written into the index, so that a cache is never taken for another's.
        items: what to preprocess.
        grid: the recipe's spacing.
        out: a folder to make or to add to.
        source: names the data set in the index and later in the manifest.
    """
    out.mkdir(parents=True, exist_ok=True)
    progress = Progress(len(items), f"preprocess {recipe}")
    entries: list[cache.Entry] = []
    for done, item in enumerate(items, start=1):
        image = read(item.image)
        check_image(image)
        prepared = prepare(image, grid)
        label = prepare_labels(read(item.label), grid)
        entry = cache.Entry(
            patient=item.patient,
            role=item.role,
            group=item.group,
            file=f"{source}-{item.patient}_{item.role}.npz",
            source=source,
        )
        sample = cache.Sample(prepared.image.array, label.array, prepared.image.spacing_mm)
        cache.save(out, entry, sample)
        entries.append(entry)
        progress.show(done)
    known = cache.read_index(out, recipe) if (out / cache.INDEX).exists() else []
    kept = [e for e in known if e.source != source]
    cache.write_index(out, recipe, kept + entries)
    return entries
