"""Differences, their interval and tests, against values worked out by hand."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from cmrseg.evaluation.paired import (
    bootstrap_interval,
    difference_in_words,
    differences,
    holm,
    paired,
    wilcoxon_p,
)


def test_differences_are_of_cases_that_both_have():
    first = {"2": {"dice": 0.9}, "1": {"dice": 0.5, "hd": 3.0}, "3": {"dice": 1.0}}
    other = {"1": {"dice": 0.25, "hd": 1.0}, "2": {"dice": 1.0}, "4": {"dice": 0.1}}
    assert differences(first, other, "dice") == pytest.approx({"2": -0.1, "1": 0.25})
    assert list(differences(first, other, "dice")) == ["2", "1"]
    assert differences(first, other, "hd") == {"1": 2.0}


def test_equal_differences_leave_no_doubt_about_the_mean():
    found = paired([0.1, 0.1, 0.1])
    assert (found.n, found.larger, found.smaller) == (3, 3, 0)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    # three differences of one sign: 2 of the 2^3 signs are as extreme
    assert found.p == pytest.approx(0.25)


def test_exact_p_by_counting_signs():
    # ranks 1..5, all but the smallest positive: W- = 1; signs with a sum up to 1: {} and {1}
    assert wilcoxon_p([-1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 * 2 / 2**5)
    assert wilcoxon_p([0.0, 0.0]) == 1.0
    values = np.random.default_rng(3).normal(0.2, 1, 40)
    assert wilcoxon_p(values) == wilcoxon(values).pvalue


def test_ties_count_for_neither():
    found = paired([0.0, 0.0, 2.0, -1.0])
    assert (found.n, found.larger, found.smaller) == (4, 1, 1)


def test_the_interval_is_near_the_normal_one_and_repeats():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert bootstrap_interval(values) == (low, high)
    assert bootstrap_interval(values, seed=1) != (low, high)
    inner = bootstrap_interval(values, level=0.5)
    assert low < inner[0] < inner[1] < high


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_what_has_no_interval(values):
    with pytest.raises(ValueError, match="finite values"):
        paired(values)


def test_holm_by_hand():
    # sorted .01 x3, .02 x2, .04 x1: .03, .04, .04
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_in_words():
    assert difference_in_words(paired([0.1] * 3)) == "+0.100 (+0.100 to +0.100), p 0.25"
    assert difference_in_words(paired([0.1] * 3), digits=1, scale=100, unit="mm") == (
        "+10.0 (+10.0 to +10.0) mm, p 0.25"
    )


def test_two_differences_have_no_interval():
    assert difference_in_words(paired([0.1, 0.1])) == "+0.100, p 0.5"
