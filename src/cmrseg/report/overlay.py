"""Contours on images: one contact sheet for people who would rather look than read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmrseg.imaging.orient import canonical
from cmrseg.imaging.volume import Array, Volume

COLOURS = {1: "#56b4e9", 2: "#d55e00", 3: "#f0e442", 4: "#cc79a7"}
"""By label: Okabe and Ito's sky blue, vermillion, yellow and purple, which readers with any form of
colour blindness tell apart; by contour and place too, never by colour alone."""

WALL = 2
"""The myocardium in both challenges' codes: drawn first, as its borders are its neighbours' too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One image with its mask, and what to write above it."""

    title: str
    image: Volume
    mask: Volume
    names: dict[int, str]


def contact_sheet(panels: list[Panel], path: Path, columns: int = 4) -> None:
    """Draw each panel as a row of slices with contours and a legend.

    Args:
        panels: image and mask on the same voxels.
        path: the PNG to write.
        columns: slices a row, evenly spread over those that hold the heart.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    figure, axes = plt.subplots(
        len(panels), columns, figsize=(3 * columns, 3.3 * len(panels)), squeeze=False
    )
    for row, panel in zip(axes, panels, strict=True):
        image, mask = canonical(panel.image)[0], canonical(panel.mask)[0]
        window = _window(mask.array)
        low, high = np.percentile(image.array, (1, 99))
        aspect = image.spacing_mm[1] / image.spacing_mm[2]
        chosen = _slices(mask.array, columns)
        for axis, z in zip(row, [*chosen, *[None] * (columns - len(chosen))], strict=True):
            axis.axis("off")
            if z is None:
                continue
            axis.imshow(image.array[z][window], cmap="gray", vmin=low, vmax=high, aspect=aspect)
            for label in sorted(panel.names, key=lambda each: each != WALL):
                inside = mask.array[z][window] == label
                if inside.any():
                    axis.contour(inside, levels=[0.5], colors=COLOURS[label], linewidths=1.1)
            axis.set_title(f"slice {z + 1} of {len(mask.array)}", fontsize=8)
        row[0].set_title(panel.title, fontsize=9, loc="left")
        handles = [Line2D([], [], color=COLOURS[k], label=v) for k, v in panel.names.items()]
        row[-1].legend(handles=handles, fontsize=7, loc="lower right", framealpha=0.8)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _slices(mask: Array, count: int) -> list[int]:
    """Up to ``count`` slices spread over those with labels, else over all."""
    inside = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(inside):
        inside = np.arange(len(mask))
    picks = np.linspace(0, len(inside) - 1, min(count, len(inside)))
    return [int(inside[round(p)]) for p in picks]


def _window(mask: Array, margin: float = 0.5) -> tuple[slice, slice]:
    """Rows and columns around the labels, half their extent wider on each side."""
    inside = np.argwhere(mask.any(axis=0))
    if not len(inside):
        return slice(None), slice(None)
    low, high = inside.min(axis=0), inside.max(axis=0) + 1
    grow = np.ceil((high - low) * margin).astype(int)
    (top, left), (bottom, right) = np.maximum(low - grow, 0), high + grow
    return slice(top, bottom), slice(left, right)
