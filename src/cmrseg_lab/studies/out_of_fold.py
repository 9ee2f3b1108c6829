"""How good masks of one view are, on patients that none of its networks was trained on.

The whole recipe runs, at the images' own geometry, as for a user. Short axes are given with both
phases where there are both. Beside Dice and Hausdorff distance: what the verdict flags, whether the
bound of Dice holds, and whether the expert's volume or ejection fraction lies in the interval.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from cmrseg.cases.case import Case, ImageSource, Result
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.surface import hausdorff_mm
from cmrseg.imaging.volume import Volume
from cmrseg.imaging.write import write
from cmrseg.models import bundle
from cmrseg.recipes.mnms2_volumes import EJECTION, STRUCTURES, ejection_fractions, sizes
from cmrseg.run.predict import model
from cmrseg.runtime import Progress
from cmrseg.runtime.errors import InputError
from cmrseg_lab.studies.pages import details, markdown
from cmrseg_lab.training.cache import PHASES, UNKNOWN
from cmrseg_lab.training.datasets import Labelled
from cmrseg_lab.training.held_out import is_held_out
from cmrseg_lab.training.prepare import images, labelled
from cmrseg_lab.training.sources import is_synthetic

POOR = 0.7
"""Quality control should find masks with a Dice below this."""
VOLUME = {"SA": "volume_ml", "LA": "area_cm2"}
Images = Mapping[str, tuple[Volume, Volume]]
"""What an image is called -> image and labels."""
Rows = list[dict[str, Any]]


def scores(
    view: str,
    sources: Mapping[str, Path],
    weights: Path | None,
    *,
    most: int | None = None,
    device: str = "auto",
    beside: Sequence[Path | None] = (),
    mirrors: int = 4,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row an image and structure, and one a patient and ejection fraction.

    Args:
        view: ``SA`` or ``LA``.
        sources: data sets by name, as for ``cmrseg-lab prepare``.
        weights: the bundle; None for the usual places.
        most: patients of each source, evenly spaced among those held out; None for all.
        device: where to compute.
        beside: bundles that it is compared with: patients are those that no network of any of
            them was trained on.
        mirrors: mirror images that networks see.

    Raises:
        InputError: all patients were trained on.
    """
    found = bundle.find("mnms2", weights)
    name = f"mnms2-{view.lower()}"
    every = [found, *(bundle.find("mnms2", other) for other in beside)]
    networks = [n for one in every for n in one.networks if n["recipe"] == name]
    segment = model("mnms2", found, device=device, samples=0, mirrors=mirrors).segment
    rows: Rows = []
    fractions: Rows = []
    for source, folder in sources.items():
        own = _held_out(networks, source, labelled(name, source, folder), most)
        patients = [list(items) for _, items in groupby(own, lambda item: item.patient)]
        with Progress(len(patients), source) as progress, TemporaryDirectory() as place:
            for done, items in enumerate(patients, start=1):
                about = {"data": source, "images": _called(source, items[0])}
                for shown in _cases(view, source, items):
                    result = segment(_case(view, shown, Path(place)))
                    for image, role in _roles(view, shown).items():
                        if role in result.predictions:
                            known = about | {"phase": role[3:]}
                            rows += _compared(result, role, shown[image][1], known)
                    fractions += [about | one for one in _fractions(result, shown)]
                progress.show(done)
    if not rows:
        raise InputError("every patient was trained on", "Give data that some network held out")
    table = pd.DataFrame(rows)
    table.attrs["bundle"] = f"{found.digest[:12]}, its {view} {fingerprint(found, name)}"
    return table, pd.DataFrame(fractions)


def fingerprint(found: bundle.Bundle, recipe: str) -> str:
    """Names what a view's results depend on: its networks, and what was calibrated on them.

    The bundle's digest changes with the other view too.
    """
    names = [n["file"] for n in (*found.of(recipe), *found.of(f"{recipe}-qc"))]
    files = {name: found.manifest["files"][name] for name in names}
    shown = {n["file"]: n.get("preparation") for n in found.of(recipe)}
    told = [files, shown, found.manifest.get("quality", {}).get(recipe)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def _called(source: str, item: Labelled) -> str:
    return source if item.vendor == "unknown" else f"{source}, {item.vendor.title()}"


def _held_out(
    networks: Sequence[Mapping[str, Any]], source: str, items: Sequence[Labelled], most: int | None
) -> list[Labelled]:
    """Images of patients that no network was trained on; synthetic ones only of a new seed."""
    groups = {item.patient: item.group for item in items}
    new = [
        patient
        for patient in groups
        if is_synthetic(source) or all(is_held_out(n, source, patient, groups) for n in networks)
    ]
    count = min(most or len(new), len(new))
    kept = {new[i] for i in np.linspace(0, len(new) - 1, count).round().astype(int)}
    return [item for item in items if item.patient in kept]


def _cases(view: str, source: str, items: Sequence[Labelled]) -> Iterator[Images]:
    """A patient's short axes together; of long axes each by itself."""
    found = {
        name: (image, truth)
        for item in items
        for name, image, truth in images(source, item)
        if name in PHASES or name.startswith("frame")
    }
    if view == "SA":
        yield found
    else:
        yield from ({name: both} for name, both in found.items())


def _roles(view: str, shown: Images) -> dict[str, str]:
    """What an image is called -> its role; a frame of neither phase counts as ED."""
    return {name: f"{view}_{name if name in PHASES else 'ED'}" for name in shown}


def _case(view: str, shown: Images, place: Path) -> Case:
    paths = {}
    for name, role in _roles(view, shown).items():
        path = place / f"{role}.nii.gz"
        write(shown[name][0], path)
        paths[role] = ImageSource(path)
    return Case("case", paths, "case")


def _compared(result: Result, role: str, truth: Volume, about: dict[str, Any]) -> Rows:
    """Each structure that was drawn."""
    mask, told = result.predictions[role].mask, result.measures[role]
    size = VOLUME[role[:2]]
    drawn = sizes(role[:2], truth)[size]
    about = about | {"flagged": told.get("quality", {}).get("out_of_distribution", False)}
    rows = []
    for name, (code,) in STRUCTURES.items():
        if name != "LV" and (truth.array == UNKNOWN).any():
            continue
        given, true = mask.array == code, truth.array == code
        row = about | {
            "structure": name,
            "dice": dice(given, true),
            "hd_mm": hausdorff_mm(given, true, truth.spacing_mm),
            "size_error": _share(told[size][name] - drawn[name], drawn[name]),
        }
        if name in told.get("dice_at_least", {}):
            least = told["dice_at_least"][name]
            row |= {"at_least": least, "bound_holds": row["dice"] >= least}
        rows.append(row | _interval(told, size, name, drawn[name]))
    return rows


def _interval(told: Mapping[str, Any], measure: str, name: str, true: float) -> dict[str, Any]:
    """Half the width of an interval, whether it holds the expert's value, and what is said of it.

    Of volumes the width is a share of the expert's.
    """
    found = told.get(f"{measure}_interval", {}).get(name)
    if not found:
        return {}
    half = (found["high"] - found["low"]) / 2
    return {
        "half_width": half if measure == EJECTION else _share(half, true),
        "holds": found["low"] <= true <= found["high"],
        "unreliable": "not measured reliably" in told.get(f"{measure}_note", {}).get(name, ""),
    }


def _fractions(result: Result, shown: Images) -> Rows:
    """Ejection fractions beside the expert's, where both phases are there."""
    expert = ejection_fractions({f"SA_{n}": sizes("SA", truth) for n, (_, truth) in shown.items()})
    ours = result.measures.get(EJECTION, {})
    rows = []
    for name in ours.keys() & expert.get(EJECTION, {}).keys():
        true = expert[EJECTION][name]
        row = {"structure": name, "error": ours[name] - true}
        rows.append(row | _interval(result.measures, EJECTION, name, true))
    return rows


def _share(part: float, whole: float) -> float:
    return abs(part) / whole if whole else float("nan")


def page(view: str, tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], command: str) -> str:
    """The tables of several bundles as Markdown.

    Args:
        view: ``SA`` or ``LA``.
        tables: what a bundle is called -> :func:`scores`.
        command: that made them.
    """
    size = "volume" if view == "SA" else "area"
    masks = pd.concat([table.assign(bundle=name) for name, (table, _) in tables.items()])
    parts = [
        f"# {'Short' if view == 'SA' else 'Long'} axes, out of fold",
        f"Means on patients that no network of these bundles was trained on; of the {size}'s error "
        "the median. Of frames with the LV drawn alone, pixel sizes are estimated.",
        "\n".join(f"- {n}: bundle {t.attrs.get('bundle', '')}" for n, (t, _) in tables.items()),
        _accuracy(masks, ["bundle", "data", "structure"]),
        "By vendor and phase:",
        _accuracy(masks, ["bundle", "images", "structure", "phase"]),
        f"Quality control on the same images: how many masks with a Dice below {POOR} it flags, "
        "and how many of the others (false alarms). A mask counts with its worst drawn structure. "
        "Thresholds, bounds and intervals were fitted on the held-out patients of the data sets "
        "that the bundle's networks were trained on: on these they look better than on others.",
        _verdicts(masks),
    ]
    if "at_least" in masks:
        parts += [
            "The Dice that 9 of 10 masks should exceed, how many do, and the lowest of all.",
            markdown(
                masks.dropna(subset="at_least")
                .groupby(["bundle", "images", "structure"], sort=False)
                .agg(
                    n=("at_least", "size"),
                    at_least=("at_least", "median"),
                    holds_percent=("bound_holds", lambda s: 100 * s.mean()),
                    lowest_Dice=("dice", "min"),
                ),
                {"at_least": 3, "holds_percent": 0, "lowest_Dice": 3},
            ),
        ]
    if "half_width" in masks:
        parts += [
            f"Intervals of the {size}: half the median width as a share of the expert's value, and "
            "how many hold it; images of which the report says that nothing reliable was measured.",
            _intervals(masks, ["bundle", "images", "structure", "phase"], 100.0),
        ]
    fractions = [t.assign(bundle=name) for name, (_, t) in tables.items() if len(t)]
    if fractions:
        both = pd.concat(fractions)
        both["error"] = both["error"].abs()
        parts += ["Ejection fractions, in points: mean absolute error, and their intervals."]
        parts += [
            markdown(
                both.groupby(["bundle", "images", "structure"], sort=False).agg(
                    n=("error", "size"), error=("error", "mean")
                ),
                {"error": 1},
            )
        ]
        if "half_width" in both:
            parts.append(_intervals(both, ["bundle", "images", "structure"], 1.0))
    parts.append(details(command))
    return "\n\n".join(parts) + "\n"


def _accuracy(masks: pd.DataFrame, by: list[str]) -> str:
    return markdown(
        masks.groupby(by, sort=False).agg(
            n=("dice", "size"),
            Dice=("dice", "mean"),
            HD_mm=("hd_mm", "mean"),
            error_percent=("size_error", lambda s: 100 * s.median()),
        ),
        {"Dice": 3, "HD_mm": 1, "error_percent": 0},
    )


def _intervals(table: pd.DataFrame, by: list[str], scale: float) -> str:
    found = table.dropna(subset="half_width").groupby(by, sort=False)
    return markdown(
        found.agg(
            n=("half_width", "size"),
            half_width=("half_width", lambda s: scale * s.median()),
            holds_percent=("holds", lambda s: 100 * s.mean()),
            not_reliable_percent=("unreliable", lambda s: 100 * s.mean()),
        ),
        {"half_width": 1, "holds_percent": 0, "not_reliable_percent": 0},
    )


def _verdicts(masks: pd.DataFrame) -> str:
    """Hits and false alarms by image."""
    image = (masks["structure"] == "LV").cumsum()
    worst = masks.groupby(image).agg(
        bundle=("bundle", "first"),
        images=("images", "first"),
        dice=("dice", "min"),
        flagged=("flagged", "first"),
    )
    worst["poor"] = worst["dice"] < POOR
    found = worst.groupby(["bundle", "images"], sort=False)
    told = pd.DataFrame(
        {
            "below": found["poor"].sum(),
            "of_them_flagged": found.apply(lambda t: 100 * t["flagged"][t["poor"]].mean()),
            "others": found["poor"].apply(lambda s: (~s).sum()),
            "false_alarms": found.apply(lambda t: 100 * t["flagged"][~t["poor"]].mean()),
        }
    )
    return markdown(told, {"of_them_flagged": 0, "false_alarms": 0})
