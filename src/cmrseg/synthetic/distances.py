"""Two sets of measured images in a table, how far apart they are, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import wasserstein_distance

from cmrseg.imaging.volume import Array
from cmrseg.synthetic.measures import Measures


def table(real: Sequence[Measures], fake: Sequence[Measures]) -> list[str]:
    """Markdown rows: each measure's statistics in both sets and their distance."""
    names = list(dict.fromkeys(name for measures in real for name in measures))
    rows = ["| measure | real | synthetic | W |", "|---|---|---|---|"]
    for name in names:
        a, b = (np.array([m[name] for m in side if np.isfinite(m.get(name, np.nan))])
                for side in (real, fake))  # fmt: skip
        if a.size and b.size:
            distance = wasserstein_distance(a, b) / a.std() if a.std() > 0 else float("nan")
            rows.append(f"| {name} | {_summary(a)} | {_summary(b)} | {distance:.2f} |")
    return [row.replace("nan |", "- |") for row in rows]


def _summary(values: Array) -> str:
    return f"{values.mean():.3g} ± {values.std():.2g} ({values.min():.3g} to {values.max():.3g})"


FAR = 0.8
"""A distance that wants a reason."""

WHY = (
    (("RV solidity", "base"), "the drawn septum is rounder at the base, and the small RVs of "
     "HCM and DCM hearts are too slim there"),
    (("RV solidity",), "one family of outlines: real RVs change their shape more along the axis"),
    (("RV width/length",), "one family of outlines: real RVs change their shape more along the "
     "axis"),
    (("RV embrace", "base"), "the drawn RV ends in an outflow tract, which touches the LV less"),
    (("RV embrace",), "one half angle for the whole height, real ones vary along the axis"),
    (("septal curvature",), "the drawn septum is rounder than the real one and varies more"),
    (("Late", "neighbours alike"), "the real pictures were stretched to 256 x 256"),
    (("Late", "around the heart grey spread"), "real rings reach from darker air to brighter fat"),
    (("with specks",), "a slice or a valve plane cuts slivers off curved surfaces, which an expert "
     "does not draw"),
    (("infarct in pieces",), "one territory drawn as one shape; real infarcts are patchy"),
    (("no-reflow in pieces",), "one core is drawn in each infarct; real ones are in islands"),
    (("in pieces",), "a valve plane leaves a strip along the septum apart from the rest"),
    (("MYO neighbours alike",), "noise is too coarse where there is little else to see, as in "
     "muscle (more fine texture of its own changed nothing); blood agrees"),
    (("neighbours alike",), "few styles stand for the k-space of every scanner"),
    (("Cine", "around the heart grey"), "real rings hold more fat, vessels and other organs"),
    (("Late", "grey spread"), "real labels were resized and sit half a pixel off, so that "
     "neighbouring tissues mix in; and each synthetic tissue is drawn too even"),
    (("grey spread",), "real blood holds more slow flow, inflow and trabeculae, and coils light it "
     "less evenly"),
    (("grey",), "a patient's tissue table is drawn around one mean for all sites"),
    (("LV, wall thickness",), "the group's cavity at end-systole is drawn too small, so that the "
     "wall is too thick"),
    (("wall thickness",), "volumes agree, so the real ventricles are shorter and thicker"),
    (("[mL]",), "mean and deviation of a group come from its table, over few patients each"),
    (("pixel",), "real sizes are one site's (cine) or estimated (late enhancement)"),
    (("slice distance",), "real ones are nearly all 10 mm, which makes their deviation small"),
    (("slices",), "coverage is drawn from the styles; the real stacks are nearly all of one site"),
    (("radius",), "volumes agree, lengths of the ventricle less so"),
)  # fmt: skip
"""Why a measure may be far off: what its table and name hold, the reason; the first counts."""


def far_apart(lines: Sequence[str]) -> list[str]:
    """Markdown: each measure of the tables whose distance is over ``FAR``, and why."""
    title, found = "", []
    for line in lines:
        if line.startswith("#"):
            title = line.lstrip("# ")
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and _number(cells[3]) > FAR:
            name = f"{title}, {cells[0]}"
            reasons = (why for words, why in WHY if all(word in name for word in words))
            found.append(f"- {name} ({cells[3]}): {next(reasons, 'not known')}.")
    return [f"## Where W is over {FAR}", "", *(found or ["Nowhere."]), ""]


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
