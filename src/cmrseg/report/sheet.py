"""One picture a case: all slices with contours, and beside them where the networks were unsure."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from cmrseg.imaging.orient import canonical
from cmrseg.imaging.volume import Array, Volume
from cmrseg.report.overlay import COLOURS, WALL, _window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
SLICES_ALONE, SLICES_AMONG = 12, 8
"""Slices shown of a case's only image, and of one among others."""

TILE_IN = 1.3
"""Width of a slice on the picture, in inches at ``DPI``."""
DPI = 100

STYLES: dict[int, Literal["solid", "dashed", "dotted"]] = {
    1: "solid",
    2: "solid",
    3: "dashed",
    4: "dotted",
}
"""By label: infarction and no-reflow lie within the wall and differ by more than colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How a map is shown; the same for every case, so that pictures can be compared.

    Attributes:
        title: what is shown, in words.
        top: the value at which the colour is full.
        root: whether the square root is shown (a standard deviation, of a variance).
    """

    title: str
    top: float
    root: bool = False


SCALES = {
    "variance": Scale(title="spread of dropout samples (standard deviation)", top=0.1, root=True),
    "entropy": Scale(
        title="entropy (full colour: two labels equally likely)", top=float(np.log(2))
    ),
}
"""Maps that are shown, the first that there is; variance comes from samples and tells more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One image of a case.

    Attributes:
        role: ``LGE``, ``SA_ED``, ...
        image: as it was read.
        mask: the recipe's labels on the same voxels.
        maps: float maps by name on the same voxels.
    """

    role: str
    image: Volume
    mask: Volume
    maps: Mapping[str, Volume] = field(default_factory=dict)


def case_sheet(case: str, views: Sequence[View], names: Mapping[int, str]) -> bytes:
    """Draw a case.

    Args:
        case: its id.
        views: its images, at least one.
        names: label -> structure.

    Returns:
        A PNG.
    """
    count = SLICES_ALONE if len(views) == 1 else SLICES_AMONG
    blocks = [_Block.of(view, count) for view in views]
    sides = 2 if any(block.map is not None for block in blocks) else 1
    figure, axes = _grid(blocks, sides)
    for row, block in zip(axes, blocks, strict=True):
        _draw_contours(row[0], block, names)
        if block.map is not None:
            _draw_map(row[1], block)
    _legend(figure, case, names)
    return _png(figure)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """The chosen slices of one image side by side, as one array each.

    Attributes:
        role: of the image.
        numbers: slice numbers from 1, row by row.
        slices: how many the image has.
        tile: rows and columns of one slice.
        aspect: height of a pixel over its width.
        image, mask, map: (tile rows * lines, tile columns * COLUMNS).
        scale: of the map.
    """

    role: str
    numbers: list[int]
    slices: int
    tile: tuple[int, int]
    aspect: float
    image: Array
    mask: Array
    map: Array | None
    scale: Scale | None

    @classmethod
    def of(cls, view: View, count: int) -> _Block:
        image, mask = canonical(view.image)[0], canonical(view.mask)[0]
        rows, columns = _window(mask.array, margin=0.3)
        chosen = _around(mask.array, count)

        def laid(array: Array, blank: float) -> Array:
            return _mosaic(array[chosen][:, rows, columns], blank)

        low, high = np.percentile(image.array[chosen], (1, 99.5))
        grey = np.clip((image.array - low) / max(high - low, 1e-9), 0, 1)
        name = next((name for name in SCALES if name in view.maps), None)
        values = canonical(view.maps[name])[0].array if name else None
        if name and values is not None and SCALES[name].root:
            values = np.sqrt(np.maximum(values, 0))
        return cls(
            role=view.role,
            numbers=[z + 1 for z in chosen],
            slices=len(mask.array),
            tile=mask.array[0, rows, columns].shape,
            aspect=image.spacing_mm[1] / image.spacing_mm[2],
            image=laid(grey, np.nan),
            mask=laid(mask.array, 0),
            map=None if values is None else laid(values, 0),
            scale=SCALES[name] if name else None,
        )

    @property
    def height_in(self) -> float:
        """On the picture, without titles."""
        tall, wide = self.tile
        return TILE_IN * self.aspect * tall / wide * (len(self.image) // tall)


def _around(mask: Array, count: int) -> list[int]:
    """Up to ``count`` slices from one below the heart to one above it, missed ones among them."""
    inside = np.flatnonzero(mask.any(axis=(1, 2)))
    low, high = (inside[0], inside[-1]) if len(inside) else (0, len(mask) - 1)
    low, high = max(low - 1, 0), min(high + 1, len(mask) - 1)
    return [round(z) for z in np.linspace(low, high, min(count, high - low + 1))]


def _mosaic(tiles: Array, blank: float) -> Array:
    """Slices (n, y, x) laid out in lines of ``COLUMNS``; ``blank`` where there is none."""
    n, y, x = tiles.shape
    lines = -(-n // COLUMNS)
    full = np.full((lines * COLUMNS, y, x), blank, np.float32)
    full[:n] = tiles
    laid: Array = full.reshape(lines, COLUMNS, y, x).swapaxes(1, 2).reshape(lines * y, COLUMNS * x)
    return laid


def _grid(blocks: Sequence[_Block], sides: int) -> tuple[Figure, list[list[Axes]]]:
    """A figure with a row a block, each as high as its slices need."""
    from matplotlib.figure import Figure

    title_in, head_in, gap_in = 0.22, 0.28, 0.12
    width_in = sides * COLUMNS * TILE_IN + (sides + 1) * gap_in
    height_in = head_in + sum(block.height_in + title_in for block in blocks)
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
    top = height_in - head_in
    rows: list[list[Axes]] = []
    for block in blocks:
        top -= title_in + block.height_in
        rows.append([])
        for side in range(sides):
            left = gap_in + side * (COLUMNS * TILE_IN + gap_in)
            wide, high = COLUMNS * TILE_IN / width_in, block.height_in / height_in
            axes = figure.add_axes((left / width_in, top / height_in, wide, high))
            axes.axis("off")
            rows[-1].append(axes)
    return figure, rows


def _draw_image(axes: Axes, block: _Block) -> None:
    axes.imshow(block.image, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="bilinear")
    for place, number in enumerate(block.numbers):
        line, column = divmod(place, COLUMNS)
        axes.text(
            column * block.tile[1] + 0.02 * block.tile[1],
            line * block.tile[0] + 0.02 * block.tile[0],
            str(number),
            color="white",
            fontsize=7,
            va="top",
            bbox={"facecolor": "black", "alpha": 0.55, "pad": 1, "linewidth": 0},
        )


def _draw_contours(axes: Axes, block: _Block, names: Mapping[int, str]) -> None:
    _draw_image(axes, block)
    # The wall first: its borders are its neighbours' too.
    for label in sorted(names, key=lambda each: each != WALL):
        inside = block.mask == label
        if inside.any():
            axes.contour(
                inside,
                levels=[0.5],
                colors=COLOURS[label],
                linestyles=STYLES[label],
                linewidths=1.0,
            )
    shown = (
        f"{len(block.numbers)} of {block.slices}" if len(block.numbers) < block.slices else "all"
    )
    axes.set_title(f"{block.role}: mask ({shown} slices)", fontsize=8, loc="left", pad=3)


def _draw_map(axes: Axes, block: _Block) -> None:
    assert block.map is not None  # the caller's condition, told to the type checker
    assert block.scale is not None
    _draw_image(axes, block)
    share = np.clip(block.map / block.scale.top, 0, 1)
    axes.imshow(share, cmap="inferno", vmin=0, vmax=1, alpha=np.sqrt(share) * 0.85, aspect="auto")
    axes.set_title(f"{block.role}: {block.scale.title}", fontsize=8, loc="left", pad=3)


def _legend(figure: Figure, case: str, names: Mapping[int, str]) -> None:
    from matplotlib.lines import Line2D

    figure.text(0.01, 0.995, _plain(case), fontsize=10, weight="bold", va="top", parse_math=False)
    handles = [
        Line2D([], [], color=COLOURS[label], linestyle=STYLES[label], label=name)
        for label, name in names.items()
    ]
    figure.legend(
        handles=handles,
        loc="upper right",
        ncols=len(handles),
        fontsize=8,
        frameon=False,
        borderaxespad=0.2,
    )


def _plain(text: str) -> str:
    """What a font can draw of a name that need not be valid text."""
    return text.encode("utf-8", "backslashreplace").decode()


def _png(figure: Figure) -> bytes:
    """The figure as a PNG without a date, so that the same case gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
