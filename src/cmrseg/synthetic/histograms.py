"""Grey values by tissue, real against synthetic: one curve a set, averaged over patients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array, Volume
from cmrseg.synthetic.measures import AROUND, grey_scaled, ring

CINE = {"LV blood": (1,), "myocardium": (2,), "RV blood": (3,)}
LATE = {"LV blood": (1,), "healthy myocardium": (2,), "infarct": (3,), "no-reflow": (4,)}
"""Tissues and their labels."""

EDGES = np.linspace(-0.25, 2.0, 91)
"""Of the bins, on the grey scale of :func:`cmrseg.synthetic.measures.grey_scaled`."""

FEWEST = 50
"""A patient with fewer voxels of a tissue has no histogram of it."""

SHARES = (5, 25, 50, 75, 95)
"""Percentiles in the table."""

Density = Mapping[str, Array]
"""Tissue -> density over the bins."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Histograms of one kind of image.

    Attributes:
        title: of the figure's row.
        real: averaged densities.
        synthetic: the same of the other set.
    """

    title: str
    real: Density
    synthetic: Density


def densities(image: Volume, label: Volume, *, late: bool = False) -> dict[str, Array]:
    """Tissue -> density of its grey values in one patient; the surroundings too."""
    grey = grey_scaled(image, label, late=late)
    tissues = {
        name: np.isin(label.array, codes) for name, codes in (LATE if late else CINE).items()
    }
    tissues[AROUND] = ring(label.array)
    found = {}
    for name, inside in tissues.items():
        values = np.clip(grey[inside], EDGES[0], EDGES[-1])
        if values.size >= FEWEST:
            found[name] = np.histogram(values, EDGES, density=True)[0]
    return found


def averaged(patients: Iterable[Density]) -> dict[str, Array]:
    """Each tissue's density averaged over the patients that have one, so that all count alike."""
    found: dict[str, list[Array]] = {}
    for patient in patients:
        for name, density in patient.items():
            found.setdefault(name, []).append(density)
    return {name: np.mean(curves, axis=0) for name, curves in found.items()}


def overlap(first: Array, second: Array) -> float:
    """Common area of two densities: 1 the same, 0 apart."""
    return float(np.minimum(first, second).sum() * (EDGES[1] - EDGES[0]))


def percentiles(density: Array) -> list[float]:
    """Grey values below which ``SHARES`` percent of the density lie."""
    below = np.concatenate([[0.0], np.cumsum(density)])
    return [float(v) for v in np.interp(np.array(SHARES) / 100 * below[-1], below, EDGES)]


def table(comparison: Comparison) -> list[str]:
    """Markdown rows: percentiles of both sets and what the curves have in common."""
    heads = " | ".join(f"p{share}" for share in SHARES)
    rows = [f"| tissue | set | {heads} | overlap |", "|---" * (len(SHARES) + 3) + "|"]
    for name, real in comparison.real.items():
        if name not in comparison.synthetic:
            continue
        synthetic = comparison.synthetic[name]
        common = f"{overlap(real, synthetic):.2f}"
        for which, density, last in (("real", real, ""), ("synthetic", synthetic, common)):
            cells = " | ".join(f"{value:.2f}" for value in percentiles(density))
            rows.append(f"| {name} | {which} | {cells} | {last} |")
    return rows


def svg(comparisons: Sequence[Comparison]) -> str:
    """A figure: a row for each kind of image, a panel for each tissue, real dark and filled."""
    panel_w, panel_h, left, top = 190, 110, 12, 40
    columns = max(len(one.real) for one in comparisons)
    width, height = left + columns * panel_w, top + len(comparisons) * (panel_h + 48)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="18" font-size="13">Grey values by tissue, averaged over patients: '
        '<tspan fill="#4a6fa5">real (filled)</tspan>, '
        '<tspan fill="#c0392b">synthetic (line)</tspan></text>',
    ]
    for row, one in enumerate(comparisons):
        y = top + row * (panel_h + 48)
        parts.append(f'<text x="{left}" y="{y + 4}" font-weight="bold">{one.title}</text>')
        for column, (name, real) in enumerate(one.real.items()):
            place = (left + column * panel_w, y + 12, panel_w - 16, panel_h)
            parts += _panel(name, real, one.synthetic.get(name, 0 * real), place)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(name: str, real: Array, synthetic: Array, place: tuple[int, int, int, int]) -> list[str]:
    x, y, width, height = place
    curves = [ndimage.gaussian_filter1d(curve, 0.7) for curve in (real, synthetic)]
    highest = max(float(curve.max()) for curve in curves)
    middles = (EDGES[1:] + EDGES[:-1]) / 2
    across = x + width * (middles - EDGES[0]) / (EDGES[-1] - EDGES[0])
    lines = []
    for curve in curves:
        up = y + height * (1 - curve / highest)
        pairs = zip(across, up, strict=True)
        lines.append(" ".join(f"{float(a):.1f},{float(b):.1f}" for a, b in pairs))
    floor = y + height
    ticks = []
    for value in (0.0, 0.5, 1.0, 1.5, 2.0):
        at = x + width * (value - EDGES[0]) / (EDGES[-1] - EDGES[0])
        ticks.append(f'<text x="{at:.1f}" y="{floor + 13}" text-anchor="middle" fill="#666">'
                     f"{value:g}</text>")  # fmt: skip
    return [
        f'<polygon points="{x},{floor} {lines[0]} {x + width},{floor}" fill="#4a6fa5" '
        'fill-opacity="0.35" stroke="#4a6fa5"/>',
        f'<polyline points="{lines[1]}" fill="none" stroke="#c0392b" stroke-width="1.5"/>',
        f'<line x1="{x}" y1="{floor}" x2="{x + width}" y2="{floor}" stroke="#666"/>',
        *ticks,
        f'<text x="{x + width}" y="{y + 10}" text-anchor="end">{name}</text>',
    ]
