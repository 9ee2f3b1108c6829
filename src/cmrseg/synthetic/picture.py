"""Real slices beside synthetic ones in the same windows: the picture to look twice at.

What it draws holds the user's own images: it is for looking at, never for committing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cmrseg.errors import OutputError, UsageError
from cmrseg.imaging.volume import Array, Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOW_MM = 190.0
"""Side of each tile."""

HEIGHTS = (0.15, 0.5, 0.8)
"""Which slices are shown: share of the way through those with labels."""

TILE_IN, DPI = 2.4, 100

Pair = tuple[Volume, Volume]
"""Image and labels."""


def save_picture(rows: Sequence[tuple[Pair, Pair]], path: Path) -> None:
    """Write a PNG with a row for each pair of patients: real left, synthetic right.

    Args:
        rows: (real, synthetic) short-axis stacks with their labels.
        path: a ``.png`` file.

    Raises:
        UsageError: another ending.
        OutputError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if path.suffix != ".png":
        raise UsageError(f"a picture cannot end in '{path.suffix}'", "use .png")
    columns = 2 * len(HEIGHTS)
    figure = Figure(figsize=(columns * TILE_IN, len(rows) * TILE_IN), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        len(rows), columns, squeeze=False, gridspec_kw={"wspace": 0.02, "hspace": 0.02}
    )
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    for axes, (real, synthetic) in zip(grid, rows, strict=True):
        for side, pair in enumerate((real, synthetic)):
            first = side * len(HEIGHTS)
            _draw(axes[first : first + len(HEIGHTS)], *pair)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    except OSError as error:
        raise OutputError(
            f"the picture cannot be written ({error.strerror})", "give --picture another place"
        ) from error


def _draw(axes: Sequence[Axes], image: Volume, label: Volume) -> None:
    """Slices of one patient at the same heights, each in its own grey window."""
    shown = np.flatnonzero(label.array.any((1, 2)))
    for axis, height in zip(axes, HEIGHTS, strict=True):
        axis.axis("off")
        z = int(shown[round(height * (len(shown) - 1))])
        tile = window(image.array[z], label.array[z], image.spacing_mm[1:])
        seen = image.array[z][image.array[z] > 0]
        low, high = np.percentile(seen, (1, 99.5)) if seen.size else (0, 1)
        axis.imshow(tile, "gray", vmin=low, vmax=high, extent=(0, 1, 0, 1), interpolation="bicubic")


def window(image: Array, label: Array, spacing_mm: tuple[float, float]) -> Array:
    """A square of ``WINDOW_MM`` around the labels, with zeros where the image ends."""
    middle = np.argwhere(label > 0).mean(0)
    sizes = [round(WINDOW_MM / mm) for mm in spacing_mm]
    margins = [(size, size) for size in sizes]
    starts = [round(float(m)) + size - size // 2 for m, size in zip(middle, sizes, strict=True)]
    padded: Array = np.pad(image, margins)[
        starts[0] : starts[0] + sizes[0], starts[1] : starts[1] + sizes[1]
    ]
    return padded
