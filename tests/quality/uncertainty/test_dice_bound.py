"""The Dice to expect, and a bound that holds for domains never seen."""

import numpy as np
import pytest

from cmrseg.quality.uncertainty.dice_bound import LEVEL, DiceBound, signs

DOMAINS = ("A", "B", "C")


def images(rng, domain, n=120):
    """Signs that follow the error, which is a domain's own multiple of what they say."""
    error = rng.uniform(0.02, 0.5, n)
    doubts = [(e * rng.uniform(0.5, 1), e * rng.uniform(0.5, 1), rng.uniform(0, 1)) for e in error]
    own = {"A": 1.0, "B": 1.1, "C": 0.9, "new": 1.05}[domain]
    return doubts, 1 - np.clip(own * error * rng.uniform(0.8, 1.25, n), 0, 1)


def fitted(rng):
    parts = [(*images(rng, domain), domain) for domain in DOMAINS]
    doubts = [d for own, _, _ in parts for d in own]
    dices = np.concatenate([dices for _, dices, _ in parts])
    domains = [domain for own, _, domain in parts for _ in own]
    return DiceBound.fit(doubts, dices, domains)


def test_the_bound_holds_for_a_domain_never_seen_and_is_no_empty_one():
    rng = np.random.default_rng(0)
    bound = fitted(rng)
    doubts, dices = images(rng, "new", 400)
    least = np.array([bound.at_least(d) for d in doubts])
    assert (dices >= least).mean() > LEVEL - 0.03
    expected = np.array([bound.expected(d) for d in doubts])
    assert (expected >= least).all()
    assert np.abs(expected - dices).mean() < 0.06
    assert bound.domains == 3


def test_more_doubt_never_raises_what_is_expected():
    bound = fitted(np.random.default_rng(1))
    assert min(bound.slopes) >= 0
    easy, hard = (0.01, 0.01, 0.01), (0.3, 0.01, 0.01)
    assert bound.expected(easy) >= bound.expected(hard)
    assert 0 <= bound.at_least((1.0, 1.0, 1.0)) <= bound.expected((1.0, 1.0, 1.0))


def test_of_one_domain_it_is_fitted_and_says_so():
    rng = np.random.default_rng(2)
    doubts, dices = images(rng, "A", 30)
    bound = DiceBound.fit(doubts, dices, ["A"] * 30)
    assert bound.domains == 1
    assert bound.images == 30
    assert DiceBound.from_dict(bound.as_dict()) == bound


def test_too_few_are_refused():
    with pytest.raises(ValueError, match="10 images"):
        DiceBound.fit([(0.1, 0.1, 0.1)] * 9, [0.9] * 9, ["A"] * 9)


def test_signs_by_hand():
    answer = np.zeros((2, 1, 1, 4))
    answer[1] = [1.0, 0.8, 0.2, 0.0]
    answer[0] = 1 - answer[1]
    found = signs(answer, {"LV": 5 / 6}, {"LV": 0.75}, {"LV": (1,)})
    # Of the probabilities 2 * 1.8 / (2 + 2).
    assert found["LV"] == pytest.approx((1 / 6, 0.1, 0.25))
