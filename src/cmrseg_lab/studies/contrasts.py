"""Late enhancement of any contrast: cine of people never trained on, shown in other grey values.

No public late enhancement of another inversion time or window comes with labels that may be kept
here. Cine does: its anatomy is the same, its grey values are changed by one curve for the whole
image, and the whole recipe runs on it as for a user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from cmrseg.cases.case import Case, ImageSource, Result
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Array
from cmrseg.imaging.write import write
from cmrseg.models import bundle
from cmrseg.recipes.emidec import STRUCTURES
from cmrseg.run.predict import model
from cmrseg.runtime import Progress
from cmrseg.runtime.errors import InputError
from cmrseg_lab.studies.pages import details, markdown
from cmrseg_lab.synthetic.implant import CAVITY, MUSCLE, as_late
from cmrseg_lab.training.datasets import Labelled, mnms2
from cmrseg_lab.training.held_out import is_held_out

Contrast = Callable[[Array, Array], Array]
"""Grey values and labels of a cine stack to other grey values."""

Rows = list[dict[str, Any]]
POOR = 0.7
"""Quality control should find masks whose myocardium has a Dice below this."""


def _levels(black: float, muscle: float, blood: float, bright: float) -> Contrast:
    """One curve through the grey values of air, muscle, blood and what is twice as bright."""

    def change(grey: Array, label: Array) -> Array:
        tissue = [float(np.median(grey[label == c])) for c in (MUSCLE, CAVITY)]
        knots = [0.0, *tissue, 2 * tissue[1]]
        shown: Array = np.interp(grey, knots, [black, muscle, blood, bright])
        return shown.astype(np.float32)

    return change


CONTRASTS: Mapping[str, Contrast] = {
    "cine": lambda grey, label: grey,
    "muscle nulled": as_late,
    "muscle nulled, blood and fat at the window's end": _levels(0, 10, 100, 100),
    "inversion too early: muscle brighter than blood": _levels(20, 80, 40, 120),
    "inversion too late: muscle grey": _levels(0, 70, 100, 130),
    "inverted": _levels(130, 80, 40, 0),
}


def scores(
    sources: Mapping[str, Path], weights: Path | None, *, most: int | None, device: str = "auto"
) -> pd.DataFrame:
    """One row an image and contrast: Dice of cavity and myocardium, and the QC flag.

    Args:
        sources: labelled cine in the M&Ms-2 layout, by name.
        weights: a bundle of EMIDEC; None for the usual places.
        most: patients of each source; None for all.
        device: where to compute.

    Raises:
        InputError: all patients were trained on.
    """
    found = bundle.find("emidec", weights)
    segment = model("emidec", found, device=device).segment
    rows: Rows = []
    for source, folder in sources.items():
        own = [item for item in mnms2(folder, "SA") if item.role == "SA_ED"]
        groups = {item.patient: item.group for item in own}
        new = [
            item
            for item in own
            if all(is_held_out(n, source, item.patient, groups) for n in found.networks)
        ][:most]
        with Progress(len(new), source) as progress, TemporaryDirectory() as place:
            for done, item in enumerate(new, start=1):
                rows += [{"data": source} | row for row in _shown(item, segment, Path(place))]
                progress.show(done)
    if not rows:
        raise InputError("every patient was trained on", "Give data that no network was trained on")
    table = pd.DataFrame(rows)
    table.attrs["bundle"] = found.digest[:12]
    return table


def _shown(item: Labelled, segment: Callable[[Case], Result], place: Path) -> Rows:
    """One patient in every contrast."""
    image, truth = read(item.image), read(item.label)
    rows: Rows = []
    for name, change in CONTRASTS.items():
        path = place / "LGE.nii.gz"
        write(image.like(change(image.array.astype(np.float32), truth.array)), path)
        result = segment(Case("case", {"LGE": ImageSource(path)}, "case"))
        mask = result.predictions["LGE"].mask.array
        verdict = result.measures.get("quality", {})
        rows.append(
            {
                "contrast": name,
                "cavity": dice(mask == CAVITY, truth.array == CAVITY),
                "myocardium": dice(np.isin(mask, STRUCTURES["myocardium"]), truth.array == MUSCLE),
                "flagged": verdict.get("out_of_distribution", False),
            }
        )
    return rows


def page(tables: Mapping[str, pd.DataFrame], command: str) -> str:
    """The tables of several bundles as Markdown.

    Args:
        tables: what a bundle is called -> :func:`scores`.
        command: that made them.
    """
    every = pd.concat([table.assign(bundle=name) for name, table in tables.items()])
    every["poor"] = every["myocardium"] < POOR
    every["found"] = every["flagged"].where(every["poor"])
    every["false"] = every["flagged"].where(~every["poor"])
    percent = {
        "poor_percent": ("poor", lambda s: 100 * s.mean()),
        "of_them_flagged": ("found", lambda s: 100 * s.dropna().mean()),
        "others_flagged": ("false", lambda s: 100 * s.dropna().mean()),
    }
    table = every.groupby(["bundle", "contrast"], sort=False).agg(
        n=("cavity", "size"),
        cavity=("cavity", "mean"),
        myocardium=("myocardium", "mean"),
        **percent,
    )
    decimals = {"cavity": 3, "myocardium": 3} | dict.fromkeys(percent, 0)
    return "\n\n".join(
        [
            "# Late enhancement of any contrast",
            "Stand-in: cine at end-diastole of patients that no network was trained on, its grey "
            "values changed by one curve for the whole image. Mean Dice; how many have a "
            f"myocardium below {POOR}, how many of these and of the others quality control flags.",
            "\n".join(f"- {n}: bundle {t.attrs.get('bundle', '')}" for n, t in tables.items()),
            markdown(table, decimals),
            details(command) + "\n",
        ]
    )
