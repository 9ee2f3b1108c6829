"""One patient's row, on a heart drawn by hand."""

import numpy as np
import pytest

from cmrseg.recipes.emidec_rules import Rule, Rules
from cmrseg_lab.studies.emidec_paper.scores import near_heart, ruled, score
from cmrseg_lab.training.calibration.emidec_out_of_fold import Held

SPACING = (10.0, 1.0, 1.0)


def truth():
    """Six slices of 80 x 80: muscle 20 x 20 around a cavity, an infarct of 10 x 4."""
    label = np.zeros((6, 80, 80), np.uint8)
    label[:, 30:50, 30:50] = 2
    label[:, 35:45, 35:45] = 1
    label[:, 30:34, 30:40] = 3
    return label


def held(found, *, sure=0.9, samples=None):
    label = truth()
    one_hot = (found == np.arange(5)[:, None, None, None]).astype(np.float32)
    return Held(
        patient="Case_P001", group="P", fold=2, truth=label,
        probabilities=sure * one_hot + (1 - sure) / 5, variance=np.zeros(label.shape),
        spacing_mm=SPACING, image_level=0.01, grid_truth=label, central=found,
        samples=np.stack([found, found] if samples is None else samples), grid_spacing_mm=SPACING,
    )  # fmt: skip


def test_a_perfect_answer_scores_perfectly():
    row = score(held(truth(), sure=1.0)).row
    assert {v for k, v in row.items() if "_dice" in k or "certainty" in k} == {1.0}
    assert {v for k, v in row.items() if "brier" in k} == {0.0}
    assert row["infarction_interval_holds"] == 1.0
    assert row["infarction_interval_ml"] == 0.0
    assert row["image_level"] == 0.01


def test_brier_by_hand_whole_and_near():
    """0.92 said of the right class, 0.02 of each other one, everywhere."""
    row = score(held(truth())).row
    assert row["overall_brier_whole"] == pytest.approx((0.08**2 + 4 * 0.02**2) / 5, rel=1e-5)
    # Of no-reflow 0.02 is said wherever one looks.
    assert row["no_reflow_brier_near"] == pytest.approx(0.02**2, rel=1e-5)
    muscle, other = 0.04**2, 0.06**2
    share = (truth() >= 2).mean() * 80 * 80 / (60 * 60)
    expected = share * muscle + (1 - share) * other
    assert row["myocardium_brier_near"] == pytest.approx(expected, rel=1e-4)


def test_near_is_the_hearts_box_and_twenty_millimetres():
    region = near_heart(truth(), SPACING)
    assert region[0].sum() == 60 * 60
    assert region[:, 10:70, 10:70].all()
    assert near_heart(np.zeros((2, 4, 4), np.uint8), SPACING).all()


def test_doubt_by_hand():
    """One of two samples lost the infarct: agreement (1 + 0) / 2, and an interval around half."""
    without = np.where(truth() == 3, 2, truth()).astype(np.uint8)
    row = score(held(truth(), samples=[truth(), without])).row
    assert row["infarction_certainty"] == 0.5
    assert row["infarction_certainty_apical"] == 0.5
    assert row["myocardium_certainty"] == 1.0
    assert row["infarction_interval_holds"] == 1.0
    ml = (truth() == 3).sum() * 0.01
    sd = ml / np.sqrt(2)
    assert row["infarction_interval_ml"] == pytest.approx(ml / 2 + 1.96 * sd, abs=0.02)


def test_rules_change_the_official_metrics():
    found = truth()
    found[0, 48, 40:44] = 3
    assert score(held(found)).row["infarction_dice"] < 1
    rules = Rules((Rule.of("smallest_infarct", least_ml=0.1),))
    assert ruled(held(found), rules)["infarction_dice"] == 1.0


def test_reliability_counts_the_voxels_near_the_heart():
    found = score(held(truth())).reliability
    assert {r.count.sum() for r in found.values()} == {6 * 60 * 60}
    assert found["infarction"].expected_error == pytest.approx(0.04, abs=0.01)
