from __future__ import annotations

import pytest

from cmrseg_lab.studies.bench.spread import Spread


def test_median_ignores_one_disturbed_round() -> None:
    spread = Spread.of([2, 1, 90, 3, 2])
    assert (spread.low, spread.median, spread.high) == (1, 2, 90)


def test_ratios_are_taken_round_by_round() -> None:
    # The second round ran on a machine ten times slower: the ratio does not see it.
    ratio = Spread.of([3.0, 30.0, 6.0]).per(Spread.of([1.0, 10.0, 3.0]))
    assert ratio.values == (3.0, 3.0, 2.0)
    assert ratio.times(100).values == (300.0, 300.0, 200.0)


def test_rounds_must_match() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Spread.of([1, 2]).per(Spread.of([1]))


def test_nothing_measured_is_no_spread() -> None:
    with pytest.raises(ValueError, match="measurement"):
        Spread.of([])
