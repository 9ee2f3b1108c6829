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
from cmrseg.synthetic import reality
from cmrseg.synthetic.patient import draw_patient

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOW_MM = 190.0
"""Side of each tile."""

HEIGHTS = (0.15, 0.5, 0.8)
"""Which slices are shown: share of the way through those with labels."""

TILE_IN, DPI = 2.4, 100

Chosen = tuple[str, str, str, reality.Pair]
"""Challenge, role and group of a real image, and the image with its labels."""


def side_by_side(
    real_mnms2: Path | None, real_emidec: Path | None, path: Path, *, rows: int, seed: int
) -> None:
    """Draw real patients beside synthetic ones of their groups.

    Args:
        real_mnms2: as for :func:`cmrseg.synthetic.realism.compare`.
        real_emidec: as for :func:`cmrseg.synthetic.realism.compare`.
        path: the picture, a ``.png``; it holds real images.
        rows: patients of each kind.
        seed: which real patients, and which synthetic ones.

    Raises:
        UsageError: neither set, or another ending.
        OutputError: the picture cannot be written.
    """
    chosen = choose(np.random.default_rng(seed), real_mnms2, real_emidec, rows)
    drawn = []
    for number, (challenge, role, group, pair) in enumerate(chosen):
        patient = draw_patient(challenge, seed * 1000 + number, group=group)
        drawn.append((pair, (patient.images[role], patient.labels[role])))
    save_picture(drawn, path)


def choose(
    rng: np.random.Generator, real_mnms2: Path | None, real_emidec: Path | None, count: int
) -> list[Chosen]:
    """Real short-axis stacks, cine (ED and ES by turns) before late enhancement.

    Args:
        rng: which patients.
        real_mnms2: as for :func:`cmrseg.synthetic.realism.compare`.
        real_emidec: as for :func:`cmrseg.synthetic.realism.compare`.
        count: patients of each kind, or as many as there are.
    """
    chosen: list[Chosen] = []
    if real_mnms2:
        groups = reality.cine_groups(real_mnms2)
        for number, case in enumerate(rng.permutation(sorted(groups))[:count]):
            phase = ("ED", "ES")[number % 2]
            ((group, pair),) = reality.read_cine(real_mnms2, {case: groups[case]}, phase)
            chosen.append(("mnms2", f"SA_{phase}", group, pair))
    if real_emidec:
        cases = list(reality.read_late(real_emidec))
        for k in rng.permutation(len(cases))[:count]:
            chosen.append(("emidec", "LGE", *cases[k]))
    return chosen


def save_picture(rows: Sequence[tuple[reality.Pair, reality.Pair]], path: Path) -> None:
    """Write a PNG with a row for each pair of patients: real left, synthetic right.

    Args:
        rows: (real, synthetic) short-axis stacks with their labels.
        path: a ``.png`` file.

    Raises:
        UsageError: another ending.
        OutputError: the file cannot be written.
    """
    figure, grid = sheet(path, len(rows), 2 * len(HEIGHTS))
    for axes, (real, synthetic) in zip(grid, rows, strict=True):
        for side, pair in enumerate((real, synthetic)):
            first = side * len(HEIGHTS)
            _draw(axes[first : first + len(HEIGHTS)], *pair)
    save(figure, path)


def sheet(path: Path, rows: int, columns: int) -> tuple[Figure, Array]:
    """An empty figure and its (rows, columns) axes, one for each tile.

    Raises:
        UsageError: ``path`` has another ending than ``.png``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if path.suffix != ".png":
        raise UsageError(f"a picture cannot end in '{path.suffix}'", "use .png")
    figure = Figure(figsize=(columns * TILE_IN, rows * TILE_IN), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        rows, columns, squeeze=False, gridspec_kw={"wspace": 0.02, "hspace": 0.02}
    )
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    for axis in grid.flat:
        axis.axis("off")
    return figure, grid


def save(figure: Figure, path: Path) -> None:
    """Write a figure.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    except OSError as error:
        raise OutputError(
            f"the picture cannot be written ({error.strerror})", "give it another place"
        ) from error


def _draw(axes: Sequence[Axes], image: Volume, label: Volume) -> None:
    """Slices of one patient at the same heights."""
    for axis, height in zip(axes, HEIGHTS, strict=True):
        draw_slice(axis, image, label, height)


def draw_slice(axis: Axes, image: Volume, label: Volume, height: float) -> None:
    """One slice in its own grey window; ``height`` is as in ``HEIGHTS``."""
    shown = np.flatnonzero(label.array.any((1, 2)))
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
