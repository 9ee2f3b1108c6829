"""The figures, from the same rows as the tables; no patient's pixel is in any of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cmrseg_lab.studies.emidec_paper.method import Method
from cmrseg_lab.studies.emidec_paper.positions import POSITIONS
from cmrseg_lab.studies.emidec_paper.risk import rank_correlation, risk_coverage
from cmrseg_lab.studies.emidec_paper.tables import SHORT

COLOURS = {"baseline": "#7b8794", "proposed": "#1f6f8b"}
NEUTRAL = "#444444"
INCH, DPI = 3.2, 110


def save_positions(methods: Sequence[Method], patients: set[str], path: Path) -> None:
    """Figure 2: mean DSC (A) and certainty (B) by slice position, with standard errors.

    Certainty is a point, not a bar: its axis begins near the least, for all of it is close to 1.
    """
    figure, axes = _figure(2, wide=1.4)
    for ax, what, title in zip(
        axes, ("dice", "certainty"), ("A: DSC", "B: certainty"), strict=True
    ):
        groups = [(s, p) for s in list(SHORT)[:2] for p in POSITIONS]
        for shift, method in enumerate(methods):
            rows = method.among(patients).values()
            found = [[r[m] for r in rows if m in r] for m in (f"{s}_{what}_{p}" for s, p in groups)]
            means = [float(np.mean(v)) if v else 0.0 for v in found]
            error = [float(np.std(v) / np.sqrt(len(v))) if v else 0.0 for v in found]
            at = np.arange(len(groups)) + 0.4 * (shift - (len(methods) - 1) / 2)
            kind: dict[str, Any] = {"color": COLOURS[method.name], "label": method.name}
            if what == "dice":
                ax.bar(at, means, 0.38, yerr=error, **kind)
            else:
                ax.errorbar(at, means, yerr=error, fmt="o", capsize=3, **kind)
        ax.set_xticks(range(len(groups)), [f"{SHORT[s]}\n{p}" for s, p in groups], fontsize=7)
        ax.set(title=title, ylim=(0 if what == "dice" else None, 1))
    _legend(figure, axes[0].get_legend_handles_labels()[0])
    _save(figure, path)


def save_reliability(methods: Sequence[Method], patients: set[str], path: Path) -> None:
    """Reliability diagrams near the heart, a structure each; dot sizes tell how many voxels."""
    figure, axes = _figure(len(SHORT))
    for ax, (structure, short) in zip(axes, SHORT.items(), strict=True):
        ax.plot([0, 1], [0, 1], color="#bbbbbb", lw=1, zorder=0)
        for method in methods:
            found = method.reliability(patients)[structure]
            there = found.count > 0
            said, true = found.mean_probability[there], found.frequency[there]
            size = 6 + 8 * np.log10(found.count[there])
            label = f"{method.name}, error {100 * found.expected_error:.2f} %"
            ax.plot(said, true, color=COLOURS[method.name], lw=1, label=label)
            ax.scatter(said, true, s=size, color=COLOURS[method.name])
        ax.set(title=short, xlabel="said", ylabel="true" if structure == "myocardium" else "")
        ax.legend(fontsize=6, loc="upper left")
    _save(figure, path)


def save_risk_coverage(methods: Sequence[Method], patients: set[str], path: Path) -> None:
    """Mean DSC of the patients kept, by 1 - Dice within samples and by image-level uncertainty.

    The former thick, the latter thin; dashed, had they been kept in the order of their DSC; dotted,
    the mean of all.
    """
    figure, axes = _figure(len(SHORT))
    for ax, (structure, short) in zip(axes, SHORT.items(), strict=True):
        for method in methods:
            doubts = {"image_level": 1.0, f"{structure}_certainty": -1.0}
            rows = [r for r in method.among(patients).values() if doubts.keys() <= r.keys()]
            if not rows:
                continue
            score = [row[f"{structure}_dice"] for row in rows]
            colour = COLOURS[method.name]
            for (doubt, sign), width in zip(doubts.items(), (0.8, 2.0), strict=True):
                curve = risk_coverage([sign * row[doubt] for row in rows], score)
                label = method.name if sign < 0 else None
                ax.plot(curve.coverage, curve.score, color=colour, lw=width, label=label)
            ax.plot(curve.coverage, curve.best, color=colour, lw=0.7, ls="--")
            ax.axhline(curve.score[-1], color=colour, lw=0.7, ls=":")
        ax.set(title=short, xlabel="share of patients kept", xlim=(0, 1))
    axes[0].set_ylabel("mean DSC")
    if handles := axes[0].get_legend_handles_labels()[0]:
        within = Line2D([], [], color=NEUTRAL, lw=2.0, label="by 1 - Dice within samples")
        image = Line2D([], [], color=NEUTRAL, lw=0.8, label="by image-level uncertainty")
        best = Line2D([], [], color=NEUTRAL, lw=0.7, ls="--", label="in the order of DSC: best")
        level = Line2D([], [], color=NEUTRAL, lw=0.7, ls=":", label="all patients")
        _legend(figure, [*handles, within, image, best, level])
    _save(figure, path)


def save_agreement(methods: Sequence[Method], patients: set[str], path: Path) -> None:
    """Dice within samples (Eq. 6) against the true Dice, a dot a patient."""
    figure, axes = _figure(len(SHORT))
    for ax, (structure, short) in zip(axes, SHORT.items(), strict=True):
        for method in methods:
            rows = [r for r in method.among(patients).values() if f"{structure}_certainty" in r]
            certain = [row[f"{structure}_certainty"] for row in rows]
            true = [row[f"{structure}_dice"] for row in rows]
            rho = rank_correlation(certain, true)[0]
            label = f"{method.name}, Spearman {rho:+.2f}"
            ax.scatter(certain, true, s=9, alpha=0.7, color=COLOURS[method.name], label=label)
        ax.set(title=short, xlabel="Dice within samples", xlim=(None, 1.005), ylim=(-0.03, 1.03))
        ax.legend(fontsize=6, loc="upper left")
    axes[0].set_ylabel("DSC against the expert")
    _save(figure, path)


def _figure(columns: int, wide: float = 1.0) -> tuple[Figure, list[Axes]]:
    """A row of plots, drawn without a display."""
    figure = Figure(figsize=(INCH * wide * columns, INCH), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """One for all plots, below them, where it covers nothing."""
    figure.legend(handles=handles, fontsize=7, loc="outside lower center", ncols=len(handles))


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})
