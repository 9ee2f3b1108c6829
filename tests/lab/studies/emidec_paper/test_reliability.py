import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cmrseg_lab.studies.emidec_paper.reliability import (
    brier_scores,
    reliability,
    structure_reliability,
)

# three classes, two voxels: (class, z, y, x)
P = np.array([[0.7, 0.1], [0.2, 0.3], [0.1, 0.6]], np.float32).reshape(3, 1, 1, 2)
LABELS = np.array([0, 1], np.uint8).reshape(1, 1, 2)
STRUCTURES = {"both": (1, 2), "last": (2,)}


def softmaxes():
    rng = np.random.default_rng(0)
    raw = np.exp(2 * rng.normal(size=(4, 3, 20, 20)))
    return raw / raw.sum(axis=0), rng


def test_brier_by_hand():
    scores = brier_scores(P, LABELS, STRUCTURES)
    # voxel 1 is class 0: .3^2 + .2^2 + .1^2 = .14; voxel 2 is class 1: .1^2 + .7^2 + .6^2 = .86
    assert scores["overall_brier"] == pytest.approx((0.14 + 0.86) / 6)
    # 1 | 2: said .3 for 0 and .9 for 1
    assert scores["both_brier"] == pytest.approx((0.3**2 + 0.1**2) / 2)
    # 2: said .1 and .6, both for 0
    assert scores["last_brier"] == pytest.approx((0.1**2 + 0.6**2) / 2)


def test_brier_in_a_region():
    region = np.array([False, True]).reshape(LABELS.shape)
    scores = brier_scores(P, LABELS, STRUCTURES, region)
    assert scores["overall_brier"] == pytest.approx(0.86 / 3)
    assert scores["both_brier"] == pytest.approx(0.01)
    assert brier_scores(P, LABELS, STRUCTURES, ~(region | True)) == {}


def test_brier_of_certainty():
    sure = np.zeros((3, 1, 1, 2))
    sure[0, ..., 0] = sure[1, ..., 1] = 1
    assert set(brier_scores(sure, LABELS, STRUCTURES).values()) == {0.0}
    # certain and wrong: both classes concerned are off by 1 in each voxel
    wrong = sure[..., ::-1]
    assert brier_scores(wrong, LABELS, STRUCTURES)["overall_brier"] == pytest.approx(2 / 3)
    assert brier_scores(wrong, LABELS, STRUCTURES)["both_brier"] == 1.0


def test_brier_equals_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    p, rng = softmaxes()
    labels = rng.integers(0, 4, p.shape[1:])
    ours = brier_scores(p, labels, {"scar": (2, 3)})["scar_brier"]
    theirs = metrics.brier_score_loss(np.isin(labels, (2, 3)).ravel(), (p[2] + p[3]).ravel())
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_reliability_by_hand():
    probability = np.array([0.0, 0.1, 0.3, 0.5, 0.9, 1.0])
    truth = np.array([False, True, False, True, True, True])
    found = reliability(probability, truth, bins=2)
    # below .5: 0, .1, .3 of which one is true; from .5 on: .5, .9, 1 of which all are
    assert found.count.tolist() == [3, 3]
    assert found.mean_probability == pytest.approx([0.4 / 3, 0.8])
    assert found.frequency == pytest.approx([1 / 3, 1.0])
    # |.4 - 1| = .6 and |2.4 - 3| = .6, over 6
    assert found.expected_error == pytest.approx(0.2)
    assert found.largest_error == pytest.approx(0.2)
    assert found.edges.tolist() == [0.0, 0.5, 1.0]


def test_empty_bins_are_zero_and_no_predictions_no_error():
    found = reliability(np.array([0.95]), np.array([True]), bins=10)
    assert found.count.tolist() == [0] * 9 + [1]
    assert found.frequency.tolist() == [0.0] * 9 + [1.0]
    assert found.largest_error == pytest.approx(0.05)
    nothing = reliability(np.zeros(0), np.zeros(0, bool))
    assert nothing.expected_error == nothing.largest_error == 0.0


def test_reliability_of_a_structure_by_hand():
    found = structure_reliability(P, LABELS, (1, 2), bins=2)  # .3 for no, .9 for yes
    assert found.count.tolist() == [1, 1]
    assert found.true.tolist() == [0, 1]
    assert found.expected_error == pytest.approx((0.3 + 0.1) / 2)


def test_probabilities_that_come_true_as_often_as_they_say_are_calibrated():
    rng = np.random.default_rng(1)
    p = rng.random(200_000)
    honest = reliability(p, rng.random(p.size) < p)
    boastful = reliability(p, rng.random(p.size) < 0.5 + (p - 0.5) / 2)
    assert honest.expected_error < 0.01
    # the truth is p/2 + 1/4: off by |p - 1/2| / 2, 1/8 on average
    assert boastful.expected_error == pytest.approx(0.125, abs=0.01)


@given(arrays(np.float64, 30, elements=st.floats(0, 1)), arrays(bool, 30), st.integers(1, 20))
def test_cases_add_up(p, truth, bins):
    whole = reliability(p, truth, bins=bins)
    parts = reliability(p[:11], truth[:11], bins=bins) + reliability(p[11:], truth[11:], bins=bins)
    assert whole.count.sum() == 30
    assert np.array_equal(parts.count, whole.count)
    assert np.array_equal(parts.true, whole.true)
    assert parts.said == pytest.approx(whole.said)
    assert 0.0 <= whole.expected_error <= whole.largest_error + 1e-12 <= 1.0 + 1e-9
    inside = whole.count > 0
    assert (whole.mean_probability[inside] >= whole.edges[:-1][inside] - 1e-9).all()
    assert (whole.mean_probability[inside] <= whole.edges[1:][inside] + 1e-9).all()


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1, np.inf])
def test_what_is_no_probability_is_refused(value):
    with pytest.raises(ValueError, match=r"0\.\.1"):
        reliability(np.array([0.5, value]), np.array([True, False]))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="for labels"):
        brier_scores(P, LABELS[..., :1], STRUCTURES)
    with pytest.raises(ValueError, match="region"):
        brier_scores(P, LABELS, STRUCTURES, np.ones((1, 1, 3), bool))
    with pytest.raises(ValueError, match="no class"):
        brier_scores(P, LABELS + np.uint8(2), STRUCTURES)
    with pytest.raises(ValueError, match="2 probabilities for 3 truths"):
        reliability(np.zeros(2), np.zeros(3, bool))
