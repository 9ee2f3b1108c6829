"""EMIDEC's official metrics (github.com/EMIDEC-Challenge/Evaluation-metrics, ``main.py``).

Labels: 0 background, 1 cavity, 2 normal myocardium, 3 infarction, 4 no-reflow. Scored are unions:

=============  =========  ==========================================
structure      labels     official metrics
=============  =========  ==========================================
myocardium     2 | 3 | 4  Dice, volume difference, Hausdorff distance
infarction     3 | 4      Dice, volume difference, PD
no_reflow      4          Dice, volume difference, PD
=============  =========  ==========================================

The Dice is 3D, one a case (the organisers' README still describes an earlier mean over slices;
their code does not do it). PD is the volume difference over the true myocardium's volume. Their
code rounds volume differences to 0.01 mm3; we do not round.
"""

from __future__ import annotations

from cmrseg.evaluation.masks import paired_labels, union
from cmrseg.evaluation.table import Column, Layout
from cmrseg.imaging.overlap import dice, volume_difference_mm3, volume_ml
from cmrseg.imaging.surface import hausdorff_mm, hausdorff_official_mm
from cmrseg.imaging.volume import Array, Volume

STRUCTURES: dict[str, tuple[int, ...]] = {
    "myocardium": (2, 3, 4),
    "infarction": (3, 4),
    "no_reflow": (4,),
}
"""Scored structure -> the labels it unites."""

HIGHEST_LABEL = 4

LAYOUT = Layout(
    lines=[
        ("Myocardium", "myocardium"),
        ("Infarction", "infarction"),
        ("No-reflow", "no_reflow"),
    ],
    columns=[
        Column(title="DSC (%)", metric="dice", scale=100.0),
        Column(title="VD (cm3)", metric="volume_difference_cm3", decimals=3),
        Column(title="HD (mm)", metric="hd_mm"),
        Column(title="HD official (mm)", metric="hd_official_mm"),
        Column(title="PD (%)", metric="pd_percent"),
    ],
)
"""The columns of the paper's Table 2, a structure a line, and the right HD beside the official."""


def evaluate_case(
    pred: Volume, truth: Volume, *, one_empty_mm: float | None = None
) -> dict[str, float]:
    """All metrics of one case, every one finite whatever is empty.

    Args:
        pred: predicted labels 0..4 on the truth's grid.
        truth: expert labels 0..4.
        one_empty_mm: the Hausdorff distances when one myocardium is empty; None for the image
            diagonal (see :mod:`cmrseg.imaging.surface`).

    Returns:
        ``<structure>_<metric>`` for each of ``STRUCTURES``: ``dice`` (0..1),
        ``volume_difference_mm3`` and the same in ``cm3``, ``volume_ml`` and ``truth_volume_ml``;
        ``pd_percent`` for infarction and no_reflow; ``hd_mm`` and ``hd_official_mm`` (the
        organisers', see :func:`cmrseg.imaging.surface.hausdorff_official_mm`) for myocardium.

    Raises:
        InputError: the grids differ, or a label is none of 0..4.
    """
    predicted, expert = paired_labels(pred, truth, HIGHEST_LABEL)
    spacing_mm = truth.spacing_mm
    row: dict[str, float] = {}
    for name, labels in STRUCTURES.items():
        p, t = union(predicted, labels), union(expert, labels)
        difference_mm3 = volume_difference_mm3(p, t, spacing_mm)
        row[f"{name}_dice"] = dice(p, t)
        row[f"{name}_volume_difference_mm3"] = difference_mm3
        row[f"{name}_volume_difference_cm3"] = difference_mm3 / 1000.0
        row[f"{name}_volume_ml"] = volume_ml(p, spacing_mm)
        row[f"{name}_truth_volume_ml"] = volume_ml(t, spacing_mm)
        if name == "myocardium":
            row[f"{name}_hd_mm"] = hausdorff_mm(p, t, spacing_mm, one_empty_mm=one_empty_mm)
            row[f"{name}_hd_official_mm"] = hausdorff_official_mm(
                p, t, spacing_mm, one_empty_mm=one_empty_mm
            )
        else:
            myocardium = union(expert, STRUCTURES["myocardium"])
            row[f"{name}_pd_percent"] = pd_percent(p, t, myocardium)
    return row


def pd_percent(pred: Array, truth: Array, myocardium: Array) -> float:
    """|V_pred - V_truth| over the volume of the true myocardium, in percent (EMIDEC's PD).

    Where the true myocardium is empty the organisers divide by zero. Here the answer is 0 for
    equal volumes (nothing wrong) and 100 otherwise (all of what was found is wrong).

    Args:
        pred: bool (z, y, x), infarction or no-reflow.
        truth: bool, same shape.
        myocardium: bool, same shape, the true myocardium (2 | 3 | 4).
    """
    voxel = (1.0, 1.0, 1.0)  # the voxel's size cancels
    difference = volume_difference_mm3(pred, truth, voxel)
    whole = float(myocardium.sum())
    if whole == 0:
        return 0.0 if difference == 0 else 100.0
    return 100.0 * difference / whole
