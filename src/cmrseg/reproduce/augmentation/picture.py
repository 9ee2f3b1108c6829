"""The heat map: what each training (rows) brings on each shift (columns)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cmrseg.reproduce.augmentation.gains import Gains, shown

DPI = 110
COLOURS = "PuOr"
"""Orange is worse, purple better: apart for every kind of colour vision, and in grey by the sign
that each cell carries."""
LEAST = 0.05
"""The scale reaches this far at least, so that noise does not fill it."""


def save_heat_map(found: Gains, path: Path) -> None:
    """Mean differences of the RV's Dice in hundredths; bold ones with a star are shown.

    Args:
        found: (shift, training) -> differences.
        path: PNG file to write.
    """
    shifts, names = (list(dict.fromkeys(key[at] for key in found)) for at in (0, 1))
    values = np.full((len(names), len(shifts)), np.nan)
    for (shift, name), one in found.items():
        values[names.index(name), shifts.index(shift)] = one.mean
    top = max(LEAST, float(np.nanmax(np.abs(values))))
    figure = Figure(
        figsize=(0.82 * len(shifts) + 2.4, 0.42 * len(names) + 1.5), dpi=DPI, layout="constrained"
    )
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    drawn = ax.imshow(values, cmap=COLOURS, vmin=-top, vmax=top, aspect="auto")
    for (shift, name), one in found.items():
        dark = abs(one.mean) > 0.6 * top
        ax.text(
            shifts.index(shift),
            names.index(name),
            f"{100 * one.mean:+.1f}{'*' if shown(one) else ''}",
            ha="center",
            va="center",
            fontsize=7,
            fontweight="bold" if shown(one) else "normal",
            color="white" if dark else "black",
        )
    ax.set_xticks(range(len(shifts)), shifts, rotation=30, ha="right", fontsize=7)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    bar = figure.colorbar(drawn, ax=ax, shrink=0.9)
    bar.set_label("RV Dice, difference", fontsize=7)
    bar.ax.tick_params(labelsize=6)
    figure.savefig(path, metadata={"Software": None})
