"""Agreement of samples, by hand, and why it is taken by pairs within a network."""

import numpy as np
import pytest

from cmrseg.quality.uncertainty.agreement import agreement

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
