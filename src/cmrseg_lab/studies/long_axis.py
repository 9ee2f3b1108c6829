"""How good long axes are, on patients that no long-axis network of the bundle was trained on.

The whole recipe runs on images of every kind there is: real frames on which only the LV is drawn,
4-chamber slices cut out of short-axis stacks, and synthetic hearts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from cmrseg.cases.case import Case, ImageSource
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.surface import hausdorff_mm
from cmrseg.imaging.volume import Volume
from cmrseg.imaging.write import write
from cmrseg.models import bundle
from cmrseg.recipes.mnms2_volumes import STRUCTURES
from cmrseg.run.predict import recipe
from cmrseg.runtime import Progress
from cmrseg.runtime.errors import InputError
from cmrseg_lab.training.cache import PHASES, UNKNOWN
from cmrseg_lab.training.datasets import Labelled
from cmrseg_lab.training.held_out import is_held_out
from cmrseg_lab.training.prepare import images, labelled
from cmrseg_lab.training.sources import is_synthetic

POOR = 0.7
"""Quality control should find masks with a Dice below this."""
RECIPE = "mnms2-la"


def scores(
    sources: Mapping[str, Path],
    weights: Path | None,
    *,
    most: int,
    device: str = "auto",
    beside: Sequence[Path | None] = (),
) -> pd.DataFrame:
    """One row an image and structure: source, image, structure, Dice, HD, area error, verdict.

    Args:
        sources: data sets by name, as for ``cmrseg-lab prepare``.
        weights: the bundle; None for the usual places.
        most: patients of each source, evenly spaced among those held out.
        device: where to compute.
        beside: bundles that it is compared with: patients are those that no network of any of
            them was trained on.

    Raises:
        InputError: all patients were trained on.
    """
    found = bundle.find("mnms2", weights)
    every = [found, *(bundle.find("mnms2", other) for other in beside)]
    networks = [n for one in every for n in one.networks if n["recipe"] == RECIPE]
    segment = recipe("mnms2", found, device=device, samples=0)
    rows = []
    for source, folder in sources.items():
        own = _held_out(networks, source, labelled(RECIPE, source, folder), most)
        with Progress(len(own), source) as progress, TemporaryDirectory() as place:
            for done, item in enumerate(own, start=1):
                for name, image, truth in images(source, item):
                    if name in PHASES or name.startswith("frame"):
                        role = f"LA_{name if name in PHASES else 'ED'}"
                        path = Path(place) / "image.nii.gz"
                        write(image, path)
                        case = Case("case", {role: ImageSource(path)}, "case")
                        result = segment(case)
                        mask = result.predictions[role].mask
                        quality = result.measures[role].get("quality", {})
                        about = {
                            "source": source,
                            "image": name,
                            "flagged": quality.get("out_of_distribution", False),
                        }
                        rows += [about | one for one in _compared(mask, truth)]
                progress.show(done)
    if not rows:
        raise InputError("every patient was trained on", "Give data that some network held out")
    table = pd.DataFrame(rows)
    table.attrs["bundle"] = found.digest[:12]
    return table


def _held_out(
    networks: Sequence[Mapping[str, object]], source: str, items: Sequence[Labelled], most: int
) -> list[Labelled]:
    """Images of patients that no network was trained on; synthetic ones only of a new seed."""
    groups = {item.patient: item.group for item in items}
    new = [
        patient
        for patient in groups
        if is_synthetic(source) or all(is_held_out(n, source, patient, groups) for n in networks)
    ]
    kept = {new[i] for i in np.linspace(0, len(new) - 1, min(most, len(new))).round().astype(int)}
    return [item for item in items if item.patient in kept]


def _compared(mask: Volume, truth: Volume) -> Iterator[dict[str, object]]:
    """Each structure that was drawn."""
    partial = (truth.array == UNKNOWN).any()
    pixel_cm2 = float(np.prod(truth.spacing_mm[1:])) / 100
    for name, (code,) in STRUCTURES.items():
        if partial and name != "LV":
            continue
        given, true = mask.array == code, truth.array == code
        area = float(true.sum()) * pixel_cm2
        yield {
            "structure": name,
            "dice": dice(given, true),
            "hd_mm": hausdorff_mm(given, true, truth.spacing_mm),
            "area_error": abs(float(given.sum()) * pixel_cm2 - area) / area if area else np.nan,
        }


def page(tables: Mapping[str, pd.DataFrame], command: str) -> str:
    """The tables of several bundles as Markdown.

    Args:
        tables: what a bundle is called -> :func:`scores`.
        command: that made them.
    """
    lines = [
        "# Long axes, out of fold",
        "",
        "Dice, Hausdorff distance and error of the area on patients that no long-axis network of "
        "these bundles was trained on (mean, and median for the error). On the frames of the "
        "second Data Science Bowl only the LV is drawn, and pixel sizes are estimated.",
        "",
        *(f"- {name}: bundle {table.attrs.get('bundle', '')}" for name, table in tables.items()),
        "",
        "| bundle | images | structure | n | Dice | HD (mm) | area error (%) |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for name, table in tables.items():
        for (source, structure), own in table.groupby(["source", "structure"], sort=False):
            lines.append(
                f"| {name} | {source} | {structure} | {len(own)} | {own['dice'].mean():.3f} "
                f"| {own['hd_mm'].mean():.1f} | {100 * own['area_error'].median():.0f} |"
            )
    lines += [
        "",
        f"Quality control on the same images: how many masks with a Dice below {POOR} it flags, "
        "and how many of the others (false alarms). A mask counts with its worst drawn structure.",
        "",
        "| bundle | images | masks below | of them flagged | others | of them flagged |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, table in tables.items():
        image = (table["structure"] == "LV").cumsum()
        worst = table.groupby(image).agg({"source": "first", "dice": "min", "flagged": "first"})
        for source, own in worst.groupby("source", sort=False):
            poor = own["dice"] < POOR
            told = [f"{s.sum()} | {_share(own['flagged'][s])}" for s in (poor, ~poor)]
            lines.append(f"| {name} | {source} | {' | '.join(told)} |")
    details = f"<details><summary>Command</summary>\n\n```sh\n{command}\n```\n</details>"
    return "\n".join([*lines, "", details, ""])


def _share(flagged: pd.Series) -> str:
    return f"{100 * flagged.mean():.0f} %" if len(flagged) else "-"
