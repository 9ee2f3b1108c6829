"""Intervals by hand: few samples, many, and at the ends of what a measure can be."""

import numpy as np
import pytest

from cmrseg.quality.uncertainty.interval import ENOUGH, in_words, interval, method


def test_few_samples_get_a_normal_interval():
    """1, 2, 3: mean 2, standard deviation 1."""
    found = interval([1.0, 2.0, 3.0])
    assert (found.mean, found.low, found.high) == pytest.approx((2.0, 0.04, 3.96))
    assert found.holds(3.96)
    assert not found.holds(4.0)
    assert "1.96 standard deviations of 3" in in_words(3)


def test_it_ends_where_the_measure_does():
    found = interval([0.0, 100.0], highest=100.0)
    assert (found.low, found.high) == (0.0, 100.0)
    assert interval([0.0, 0.0]).rounded(2) == {"mean": 0.0, "low": 0.0, "high": 0.0}


def test_many_samples_get_percentiles_which_an_outlier_does_not_move():
    values = np.arange(201.0)
    found = interval(values)
    assert (found.mean, found.low, found.high) == pytest.approx((100.0, 5.0, 195.0))
    values[-1] = 1e6
    assert interval(values).high == pytest.approx(195.0)
    assert "percentile of 201" in in_words(201)


def test_percentiles_start_where_a_tail_holds_a_sample():
    assert (method(ENOUGH - 1), method(ENOUGH)) == ("normal", "percentile")
    assert ENOUGH * 0.025 == 1.0


def test_one_sample_has_no_interval():
    with pytest.raises(ValueError, match="two samples"):
        interval([1.0])


def test_a_normal_interval_holds_95_percent_of_what_it_is_drawn_from():
    rng = np.random.default_rng(0)
    held = [interval(rng.normal(50, 5, 20)).holds(v) for v in rng.normal(50, 5, 4000)]
    assert np.mean(held) == pytest.approx(0.94, abs=0.015), "20 samples: a t would need 2.09"
