"""The figures: no patient's pixel is in any of them, masks of patients are drawn as outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cmrseg.imaging.volume import Array
from cmrseg.reproduce.mnms2.hearts import CLEAN
from cmrseg.reproduce.mnms2.tables import ALL_SHIFTED, METRICS, WAYS, Results

DPI = 110
COLOURS = {"M": "#9aa5b1", "{M}+QC": "#5b8db8", "full": "#1f4f6b"}
LIKE, SHIFTED, FENCE = "#2f7d5b", "#c8663a", "#202020"
PAINT = {1: "#d62f2f", 2: "#2f9e44", 3: "#1c7ed6"}
"""LV, myocardium, RV."""
RV = 3
AROUND = 12


def save_ablation(all_results: Sequence[Results], path: Path) -> None:
    """Figure 3: mean DC and HD of the RV by bundle, view and way; bars tell the standard error."""
    shown = [
        (results, view, hearts)
        for results in all_results
        for view in ("SA", "LA")
        for hearts in ("clean", ALL_SHIFTED)
        if results.of(hearts, view)
    ]
    figure, axes = _figure(1, 2, width=max(3.0, 0.55 * len(shown) + 1.5))
    for ax, (metric, (title, _)) in zip(axes[0], METRICS.items(), strict=True):
        for shift, way in enumerate(WAYS):
            means, errors = [], []
            for results, view, hearts in shown:
                rows = [row for one in results.of(hearts, view) if (row := results.row(one, way))]
                values = [row[metric] for row in rows] or [np.nan]
                means.append(np.mean(values))
                errors.append(np.std(values) / np.sqrt(len(values)))
            at = np.arange(len(shown)) + 0.26 * (shift - 1)
            ax.bar(at, means, 0.24, yerr=errors, color=COLOURS[way], label=way)
        ticks = [f"{r.name}\n{view}\n{hearts}" for r, view, hearts in shown]
        ax.set_xticks(range(len(shown)), ticks, fontsize=6)
        ax.set_title(title, fontsize=9)
        if metric == "rv_dice":
            ax.set_ylim(bottom=max(0.0, 0.95 * min(ax.get_ylim()[1], 1.0) - 0.4))
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), fontsize=7, loc="outside upper right", ncols=3
    )
    _save(figure, path)


def save_distributions(results: Results, path: Path) -> None:
    """PDC and pHD of all candidates by view and phase, with the thresholds (Eq. 3-4) drawn."""
    judged = [one for one in results.measured if one.pseudo and one.fences]
    roles = list(dict.fromkeys(one.heart.role for one in judged))
    figure, axes = _figure(2, len(roles), width=2.6)
    for column, role in enumerate(roles):
        own = [one for one in judged if one.heart.role == role]
        for line, what in enumerate(("pDC", "pHD (mm)")):
            ax = axes[line][column]
            values = {
                True: [p[line] for one in own if one.heart.cohort in CLEAN for p in one.pseudo],
                False: [
                    p[line] for one in own if one.heart.cohort not in CLEAN for p in one.pseudo
                ],
            }
            _histogram(ax, values, (0.6, 1.0) if line == 0 else (0.0, 60.0))
            fence = own[0].fences[line] if own[0].fences else 0.0
            ax.axvline(fence, color=FENCE, ls="--", lw=1, label=f"threshold {fence:.3g}")
            ax.set_xlabel(what, fontsize=8)
            ax.legend(fontsize=6, loc="upper left" if line == 0 else "upper right")
        axes[0][column].set_title(role.replace("_", " "), fontsize=9)
    _save(figure, path)


def _histogram(ax: Axes, values: dict[bool, list[float]], limits: tuple[float, float]) -> None:
    """Unshifted over shifted, as shares; what lies beyond the limits is put at them."""
    edges = np.linspace(*limits, 41).tolist()
    for clean, colour, name in ((False, SHIFTED, "shifted"), (True, LIKE, "not shifted")):
        found = np.clip(values[clean], *limits)
        if len(found):
            weights = np.full(len(found), 1 / len(found))
            ax.hist(found, edges, weights=weights, color=colour, alpha=0.55, label=name)
    ax.tick_params(labelsize=7)


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One line of Figure 4.

    Attributes:
        title: which heart, and its RV Dice before and after.
        image: (y, x) pixels of a drawn heart; None for a patient, of whom none are shown.
        truth, before, reconstruction, after: (y, x) labels.
    """

    title: str
    image: Array | None
    truth: Array
    before: Array
    reconstruction: Array
    after: Array


def save_panels(panels: Sequence[Panel], path: Path) -> None:
    """Figure 4: before, what quality control makes of that, after; the truth as white outline."""
    columns = ("before", "output of QC", "after")
    figure, axes = _figure(len(panels), 3, width=2.3)
    for panel, line in zip(panels, axes, strict=True):
        window = _window(np.maximum(panel.truth, np.maximum(panel.before, panel.after)))
        shown = (panel.before, panel.reconstruction, panel.after)
        for ax, name, mask in zip(line, columns, shown, strict=True):
            ax.set(xticks=[], yticks=[])
            ax.set_title(name, fontsize=8)
            _paint(ax, panel.image, mask, panel.truth, window)
        line[0].set_ylabel(panel.title, fontsize=6)
    _save(figure, path)


def _paint(
    ax: Axes, image: Array | None, mask: Array, truth: Array, window: tuple[slice, slice]
) -> None:
    inside = mask[window]
    if image is None:
        ax.imshow(np.zeros(inside.shape), cmap="gray", vmin=0, vmax=1)
    else:
        low, high = np.percentile(image[window], (1, 99))
        ax.imshow(image[window], cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
    for label, colour in PAINT.items():
        _outline(ax, inside == label, colour, 1.4)
    _outline(ax, truth[window] == RV, "white", 0.7)


def _outline(ax: Axes, mask: Array, colour: str, width: float) -> None:
    if mask.any():
        ax.contour(mask.astype(float), levels=[0.5], colors=[colour], linewidths=width)


def _window(labels: Array) -> tuple[slice, slice]:
    """Where anything is, in plane."""
    y, x = (np.flatnonzero((labels > 0).any(axis=axis)) for axis in (1, 0))
    if not len(y):
        return slice(None), slice(None)
    return (
        slice(max(0, y[0] - AROUND), y[-1] + AROUND),
        slice(max(0, x[0] - AROUND), x[-1] + AROUND),
    )


def slice_of_largest_change(before: Array, after: Array, truth: Array) -> int:
    """The slice in which the RV changes most; where it is largest if it does nowhere."""
    changed = ((before == RV) != (after == RV)).sum(axis=(1, 2))
    return int(np.argmax(changed if changed.any() else (truth == RV).sum(axis=(1, 2))))


def _figure(lines: int, columns: int, *, width: float) -> tuple[Figure, list[list[Axes]]]:
    """A grid of plots, drawn without a display."""
    size = (width * columns, 2.4 * lines + 0.4)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, [list(line) for line in figure.subplots(lines, columns, squeeze=False)]


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})
