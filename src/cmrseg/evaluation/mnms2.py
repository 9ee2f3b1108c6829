"""M&Ms-2's official metrics: Dice and Hausdorff distance (mm) of the right ventricle.

Labels: 1 LV, 2 myocardium, 3 RV. Each of a patient's four images (SA and LA, ED and ES) is scored
by itself, 3D in the short axis and 2D in the single long-axis slice; the challenge's average is
0.75 SA + 0.25 LA. LV and myocardium are extras of ours: a submission holds only the RV, and then
they have no columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from statistics import fmean

import numpy as np

from cmrseg.cases.challenge import MNMS2
from cmrseg.evaluation.masks import paired_labels, union
from cmrseg.evaluation.table import Column, Layout
from cmrseg.imaging.overlap import dice, volume_ml
from cmrseg.imaging.surface import hausdorff_mm
from cmrseg.imaging.volume import Volume
from cmrseg.runtime.errors import CmrsegError

STRUCTURES: dict[str, int] = {"rv": 3, "lv": 1, "myo": 2}
"""Structure -> label; the RV, first, is the one that the challenge scores."""

ROLES = MNMS2.roles
VIEWS = ("SA", "LA")
PHASES = ("ED", "ES")
VIEW_WEIGHTS = {"SA": 0.75, "LA": 0.25}
"""The organisers' weights of the two views in the average."""

AVERAGED = ("dice", "hd_mm")
HIGHEST_LABEL = 3
MISSED, FOUND = 0.1, 0.5
"""Mean Dice of a structure that was never met, and of one that was found."""

LAYOUT = Layout(
    lines=[
        (f"{name.upper()} {where.replace('_', ' ')}", f"{name}_{where.lower()}")
        for name in STRUCTURES
        for where in ("SA_ED", "SA_ES", "SA", "LA_ED", "LA_ES", "LA", "average")
    ],
    columns=[
        Column(title="DC", metric="dice", decimals=3),
        Column(title="HD (mm)", metric="hd_mm"),
    ],
)
"""The table: each image, the mean of each view's two phases, and their average, over cases."""

Pair = tuple[Volume, Volume]
"""Prediction and truth of one image."""


def evaluate_case(
    images: Mapping[str, Pair],
    structures: Sequence[str] | None = None,
    *,
    one_empty_mm: float | None = None,
) -> dict[str, float]:
    """All metrics of one patient, every one finite whatever is empty.

    Args:
        images: role (``SA_ED``, ``SA_ES``, ``LA_ED``, ``LA_ES``) -> (prediction, truth), as many
            as there are.
        structures: which of ``STRUCTURES`` to score; None for the RV, and LV and myocardium if
            the predictions hold either.
        one_empty_mm: the Hausdorff distance when one mask is empty; None for the image diagonal
            (see :mod:`cmrseg.imaging.surface`).

    Returns:
        ``<structure>_<view>_<phase>_<metric>`` with metric ``dice`` (0..1), ``hd_mm``,
        ``volume_ml`` and ``truth_volume_ml`` (volumes in the short axis only: a slice has none).
        Of ``dice`` and ``hd_mm`` also ``<structure>_<view>_<metric>``, the mean of ED and ES, and
        ``<structure>_average_<metric>``, 0.75 SA + 0.25 LA, each only where all its parts are.

    Raises:
        InputError: an image's grids differ, or a label is none of 0..3; the role comes first.
    """
    if structures is None:
        labels = {label for pred, _ in images.values() for label in predicted_labels(pred)}
        structures = scored_structures(labels)
    row: dict[str, float] = {}
    for role in ROLES:
        if role in images:
            row |= _image_row(role, *images[role], structures, one_empty_mm)
    return row | _averages([row], at_least=len(PHASES))


def predicted_labels(pred: Volume) -> frozenset[float]:
    """The values that a prediction holds, background left out."""
    return frozenset(np.unique(pred.array).tolist()) - {0}


def scored_structures(labels: Collection[float]) -> tuple[str, ...]:
    """What to score when all predictions together hold ``labels``.

    Always the RV. LV and myocardium both or neither: where one of them was predicted, the lack
    of the other is a fault and scores as one. Ask this of a whole cohort rather than of one case,
    or the cases where LV and myocardium were missed drop out of their mean.
    """
    extras = {label for name, label in STRUCTURES.items() if name != "rv"}
    return tuple(STRUCTURES) if extras & set(labels) else ("rv",)


def suspected_labels(rows: Iterable[Mapping[str, float]]) -> str | None:
    """``acdc`` where the myocardium is right and both ventricles are missed throughout.

    ACDC has 1 for the RV and 3 for the LV; anything else that misses both ventricles misses the
    myocardium between them too.

    Args:
        rows: what :func:`evaluate_case` returned of all structures, one a case.
    """
    told: dict[str, list[float]] = {name: [] for name in STRUCTURES}
    for row, role, name in product(rows, ROLES, STRUCTURES):
        if (key := f"{name}_{role.lower()}_dice") in row:
            told[name].append(row[key])
    if not all(told.values()):
        return None
    mean = {name: fmean(values) for name, values in told.items()}
    swapped = max(mean["rv"], mean["lv"]) < MISSED < FOUND < mean["myo"]
    return "acdc" if swapped else None


def cohort_averages(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The challenge's figures over a cohort: 0.75 of the mean SA image + 0.25 of the mean LA image.

    Where every case has its four images this is the mean of the cases' averages; where some are
    missing it still uses all there are.

    Args:
        rows: what :func:`evaluate_case` returned, one a case.

    Returns:
        ``<structure>_<view>_<metric>`` and ``<structure>_average_<metric>``, as far as there are
        images.
    """
    return _averages(rows, at_least=1)


def _image_row(
    role: str,
    pred: Volume,
    truth: Volume,
    structures: Sequence[str],
    one_empty_mm: float | None,
) -> dict[str, float]:
    try:
        predicted, expert = paired_labels(pred, truth, HIGHEST_LABEL)
    except CmrsegError as error:
        raise error.within(role) from error
    row: dict[str, float] = {}
    for name in structures:
        p, t = union(predicted, [STRUCTURES[name]]), union(expert, [STRUCTURES[name]])
        key = f"{name}_{role.lower()}"
        row[f"{key}_dice"] = dice(p, t)
        row[f"{key}_hd_mm"] = hausdorff_mm(p, t, truth.spacing_mm, one_empty_mm=one_empty_mm)
        if role.startswith("SA"):
            row[f"{key}_volume_ml"] = volume_ml(p, truth.spacing_mm)
            row[f"{key}_truth_volume_ml"] = volume_ml(t, truth.spacing_mm)
    return row


def _averages(rows: Sequence[Mapping[str, float]], *, at_least: int) -> dict[str, float]:
    """Means of the views that have ``at_least`` so many images, and 0.75 SA + 0.25 LA."""
    means: dict[str, float] = {}
    for structure, metric in product(STRUCTURES, AVERAGED):
        views = {view: f"{structure}_{view.lower()}_{metric}" for view in VIEWS}
        for view, key in views.items():
            names = [f"{structure}_{view.lower()}_{phase.lower()}_{metric}" for phase in PHASES]
            values = [row[name] for row in rows for name in names if name in row]
            if len(values) >= at_least:
                means[key] = fmean(values)
        if all(key in means for key in views.values()):
            average = sum(VIEW_WEIGHTS[view] * means[key] for view, key in views.items())
            means[f"{structure}_average_{metric}"] = average
    return means


def without_unpredicted(
    rows: Mapping[str, Mapping[str, float]], labels: Collection[float]
) -> dict[str, dict[str, float]]:
    """Rows of a cohort without the columns of structures that it never predicted.

    Args:
        rows: case -> its metrics, of all structures.
        labels: what all predictions of the cohort hold together.
    """
    prefixes = tuple(f"{name}_" for name in scored_structures(labels))
    return {
        case: {metric: value for metric, value in row.items() if metric.startswith(prefixes)}
        for case, row in rows.items()
    }
