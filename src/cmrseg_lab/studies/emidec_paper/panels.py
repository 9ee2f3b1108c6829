"""Figure 3's panels on a synthetic heart: its pixels are nobody's.

Rows are an apical, a mid and a basal slice; columns the image, the truth it was drawn with, and of
each method the mask and its uncertainty (sample variance), as in the paper: myocardium yellow, scar
green, and no-reflow red.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cmrseg.cases.case import Case, ImageSource
from cmrseg.cases.challenge import EMIDEC
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Array
from cmrseg.models.bundle import Bundle
from cmrseg.models.ensemble import Segmenter
from cmrseg.recipes.emidec import RECIPE, Emidec
from cmrseg.recipes.emidec_rules import Rules
from cmrseg.runtime import use_device
from cmrseg_lab.studies.emidec_paper.positions import positions
from cmrseg_lab.synthetic.synthesize import synthesize
from cmrseg_lab.training import datasets
from cmrseg_lab.training.calibration.emidec_out_of_fold import RunSettings

SEED = 2021
PAINT = {2: (0.95, 0.8, 0.1), 3: (0.1, 0.75, 0.25), 4: (0.9, 0.15, 0.15)}
OPAQUE = 0.55
AROUND = 14
"""Voxels around the heart that are shown."""


@dataclass(frozen=True, slots=True, eq=False)
class MethodPanel:
    """What one method says of the heart: mask and, where samples were drawn, variance."""

    name: str
    mask: Array
    variance: Array | None


def save_panels(bundles: Sequence[tuple[str, Bundle]], effort: RunSettings, path: Path) -> None:
    """Draw a heart, let each bundle's networks segment it, and show both.

    Args:
        bundles: (name, bundle) of each method.
        effort: how to compute.
        path: the picture.
    """
    with tempfile.TemporaryDirectory() as folder:
        synthesize(EMIDEC.name, Path(folder), patients=1, seed=SEED, group="P", jobs=1)
        item = datasets.emidec(Path(folder))[0]
        image, truth = read(item.image).array, read(item.label).array
        shown = [_shown(name, found, item.image, effort) for name, found in bundles]
    _draw(image, truth, shown, path)


def _shown(name: str, found: Bundle, image: Path, effort: RunSettings) -> MethodPanel:
    segmenter = Segmenter.from_bundle(
        found, RECIPE.name, use_device(effort.device), precision=effort.precision
    )
    recipe = Emidec(
        segmenter,
        Rules.from_manifest(found.manifest),
        mirrors=effort.mirrors,
        samples=effort.samples,
    )
    case = Case("heart", {"LGE": ImageSource(image)}, "heart")
    prediction = recipe.segment(case).predictions["LGE"]
    variance = prediction.maps.get("variance")
    return MethodPanel(name, prediction.mask.array, None if variance is None else variance.array)


def _draw(image: Array, truth: Array, shown: Sequence[MethodPanel], path: Path) -> None:
    rows = [(name, int(slices[len(slices) // 2])) for name, slices in positions(truth).items()]
    window = _window(truth)
    top = max([float(s.variance.max()) for s in shown if s.variance is not None], default=0.0)
    columns = ["image", "truth", *(f"{s.name}\n{w}" for s in shown for w in ("mask", "variance"))]
    size = (1.5 * len(columns), 1.6 * len(rows) + 0.3)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for (position, z), line in zip(rows, axes, strict=True):
        here = (z, *window)
        grey = _grey(image[here])
        pictures: list[Array | None] = [grey, _painted(grey, truth[here])]
        for one in shown:
            pictures.append(_painted(grey, one.mask[here]))
            pictures.append(None if one.variance is None else one.variance[here])
        for number, (ax, picture) in enumerate(zip(line, pictures, strict=True)):
            ax.set(xticks=[], yticks=[])
            if picture is not None and picture.ndim == 2:
                ax.imshow(picture, cmap="inferno", vmin=0, vmax=top or 1)
            elif picture is not None:
                ax.imshow(picture)
            if z == rows[0][1]:
                ax.set_title(columns[number], fontsize=8)
        line[0].set_ylabel(position, fontsize=8)
    figure.savefig(path, metadata={"Software": None})


def _window(truth: Array) -> tuple[slice, slice]:
    """Where the heart is, in plane."""
    y, x = (np.flatnonzero((truth > 0).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    return (
        slice(max(0, y[0] - AROUND), y[-1] + AROUND),
        slice(max(0, x[0] - AROUND), x[-1] + AROUND),
    )


def _grey(plane: Array) -> Array:
    """(y, x, 3) in 0..1."""
    low, high = np.percentile(plane, (1, 99.5))
    grey = np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
    return np.repeat(grey[..., None], 3, axis=-1)


def _painted(grey: Array, mask: Array) -> Array:
    """Labels over the grey image."""
    picture = grey.copy()
    for label, colour in PAINT.items():
        here = mask == label
        picture[here] = (1 - OPAQUE) * picture[here] + OPAQUE * np.array(colour)
    return picture
