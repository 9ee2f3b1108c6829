"""What fits into a case's time follows from the first pass's own time, and from nothing else."""

import math

import pytest

from cmrseg.runtime import budget as module
from cmrseg.runtime.budget import Budget, PassCounts


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


FULL = PassCounts(mirrors=4, samples=5)


@pytest.mark.parametrize(
    ("further", "mirrors", "samples"),
    [
        (math.inf, 4, 5),
        (8, 4, 5),
        (7, 2, 5),
        (6, 2, 5),
        (5, 1, 5),
        (4, 1, 4),
        (2, 1, 2),
        (1, 1, 0),
        (0, 1, 0),
    ],
)
def test_mirrors_go_first_then_samples(further, mirrors, samples):
    assert FULL.within(further, networks=1) == PassCounts(mirrors=mirrors, samples=samples)


def test_an_ensemble_takes_a_pass_a_network():
    assert FULL.passes(3) == 3 * 4 + 5, "networks share the samples and see every mirror image"
    assert FULL.within(16, networks=3) == FULL
    assert FULL.within(15, networks=3) == PassCounts(mirrors=2, samples=5)
    assert FULL.within(1, networks=3) == PassCounts(mirrors=1)


@pytest.mark.parametrize("mirrors", [1, 2, 4])
def test_no_more_is_done_than_was_asked_for(mirrors):
    asked = PassCounts(mirrors=mirrors)
    assert asked.within(math.inf, 1) == asked
    assert asked.within(0, 1) == PassCounts(mirrors=1)
    assert PassCounts(mirrors=1, samples=1).within(9, 1) == PassCounts(mirrors=1, samples=1)
    assert PassCounts(mirrors=1, samples=1).within(0, 1) == PassCounts(mirrors=1)


def test_passes_follow_from_the_time_left_and_the_first(clock):
    budget = Budget(100.0)
    clock[0] += 20
    assert budget.left_s == 80
    assert budget.further_passes(pass_s=8.0) == 7  # 80 * 0.7 / 8
    assert budget.further_passes(pass_s=8.0, share=0.25) == 1
    clock[0] += 200
    assert budget.further_passes(pass_s=8.0) == 0
    budget.restart()
    assert budget.left_s == 100


def test_without_a_limit_everything_fits(clock):
    assert Budget().further_passes(1e9) == math.inf


def test_the_least_of_a_case_is_the_fewer_of_each():
    other = PassCounts(mirrors=2, samples=9)
    assert FULL.least(other) == PassCounts(mirrors=2, samples=5)
