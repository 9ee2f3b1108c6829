"""Equations 1, 2, 4 and 6 of arega2021 on samples worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmrseg.quality.uncertainty.measures import (
    agreement,
    dice_within_samples,
    image_uncertainty,
    mean_and_variance,
    predictive_entropy,
)


def two_samples():
    """Two samples of two classes on a row of three voxels."""
    foreground = np.array([[0.9, 0.6, 0.2], [0.7, 0.2, 0.2]])
    return np.stack([1 - foreground, foreground], axis=1)[:, :, None, None, :]


def test_mean_and_variance_by_hand():
    mean, variance = mean_and_variance(two_samples())
    assert mean.shape == variance.shape == (2, 1, 1, 3)
    np.testing.assert_allclose(mean[1, 0, 0], [0.8, 0.4, 0.2])
    np.testing.assert_allclose(variance[1, 0, 0], [0.01, 0.04, 0.0], atol=1e-15)
    np.testing.assert_allclose(variance[0], variance[1], atol=1e-15)
    assert image_uncertainty(variance) == pytest.approx((0.01 + 0.04) / 3)


def test_samples_that_agree_are_certain():
    same = np.repeat(two_samples()[:1], 4, axis=0)
    mean, variance = mean_and_variance(same)
    np.testing.assert_allclose(mean, same[0])
    assert image_uncertainty(variance) == pytest.approx(0, abs=1e-15)
    assert dice_within_samples(mean, same, {"all": (1,)}) == {"all": 1.0}


def test_entropy_of_certainty_of_a_coin_and_of_knowing_nothing():
    mean = np.zeros((4, 1, 1, 3))
    mean[0, ..., 0] = 1
    mean[:2, ..., 1] = 0.5
    mean[:, ..., 2] = 0.25
    entropy = predictive_entropy(mean)
    assert entropy.shape == (1, 1, 3)
    np.testing.assert_allclose(entropy[0, 0], [0, math.log(2), math.log(4)], atol=1e-5)


def test_dice_within_samples_by_hand():
    """The mean's mask is voxel 0; one sample's is voxels 0 and 1, the other's voxel 0."""
    samples = two_samples()
    mean, _ = mean_and_variance(samples)
    found = dice_within_samples(mean, samples, {"lesion": (1,), "all": (0, 1), "absent": (7,)})
    assert found == {"lesion": pytest.approx((2 / 3 + 1) / 2), "all": 1.0, "absent": 1.0}


def test_a_structure_only_samples_see_disagrees_fully():
    foreground = np.array([[0.9, 0.1], [0.0, 0.1], [0.0, 0.1]])
    samples = np.stack([1 - foreground, foreground], axis=1)[:, :, None, None, :]
    mean, _ = mean_and_variance(samples)
    assert dice_within_samples(mean, samples, {"s": (1,)})["s"] == pytest.approx(2 / 3)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_bounds_hold_for_any_samples(seed, count):
    samples = np.random.default_rng(seed).dirichlet(np.full(3, 0.4), (count, 2, 3, 4))
    samples = np.moveaxis(samples, -1, 1)
    mean, variance = mean_and_variance(samples)
    np.testing.assert_allclose(mean.sum(axis=0), 1, atol=1e-9)
    assert (variance >= 0).all()
    assert (variance <= mean * (1 - mean) + 1e-12).all()
    entropy = predictive_entropy(mean)
    assert entropy.min() >= -1e-9
    assert entropy.max() <= math.log(3) + 1e-5
    agreement = dice_within_samples(mean, samples, {"a": (1,), "b": (1, 2)})
    assert all(0 <= value <= 1 for value in agreement.values())


LV = {"lv": (1,)}


def row(*starts, wide=4):
    """One mask a start: ``wide`` voxels of label 1 from there."""
    masks = np.zeros((len(starts), 1, 1, 16), np.uint8)
    for mask, start in zip(masks, starts, strict=True):
        mask[..., start : start + wide] = 1
    return masks


def test_pairs_of_a_network_by_hand():
    # Pairs of the first network overlap by 4, 3 and 3 of 4; the second agrees with itself.
    masks = row(0, 0, 1, 8, 8)
    first = (1 + 0.75 + 0.75) / 3
    assert agreement(masks, (3, 2), LV) == {"lv": pytest.approx((first + 1) / 2)}


def test_what_networks_disagree_on_does_not_count():
    assert agreement(row(0, 0, 8, 8), (2, 2), LV) == {"lv": 1.0}


def test_nobody_agrees_on_a_heart_that_is_not_found():
    assert agreement(row(0, 0), (2,), {"myocardium": (2, 3, 4)}) == {"myocardium": 0.0}
    assert agreement(row(0, 0, 0, wide=0), (3,), LV) == {"lv": 0.0}


def test_single_samples_say_nothing():
    assert agreement(row(0, 8), (1, 1), LV) == {}
    assert agreement(row(0, 0, 8), (2, 1), LV) == {"lv": 1.0}


def test_more_samples_do_not_change_what_to_expect():
    rng = np.random.default_rng(0)
    few, many = ([agreement(row(*rng.integers(0, 3, n)), (n,), LV)["lv"] for _ in range(300)]
                 for n in (3, 12))  # fmt: skip
    assert np.mean(few) == pytest.approx(np.mean(many), abs=0.03)
