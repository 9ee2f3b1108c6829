from __future__ import annotations

import numpy as np
import pytest

from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.selection import Fences, choose, combine

FENCES = Fences(th_low=0.8, th_up_mm=12.0, measures=30)


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([(0.90, 5), (0.95, 6), (0.85, 2)], (1,)),  # steps 1, 2: the best pDC, its pHD in range
        ([(0.90, 5), (0.95, 16), (0.85, 2)], (0,)),  # step 3: the next best
        ([(0.90, 15), (0.95, 16), (0.85, 2)], (2,)),  # step 4: and the next
        ([(0.90, 15), (0.95, 20), (0.85, 13)], (1, 2)),  # step 5: the mean of two
        ([(0.90, 15), (0.95, 13), (0.85, 14)], (1,)),  # step 5, both the same
        ([(0.95, 5), (0.95, 4)], (0,)),  # equals: the first
        ([(0.50, 5), (0.40, 1)], (0,)),  # pDC below th_low does not matter here
        ([(0.90, 12)], (0,)),  # on the fence
    ],
)
def test_steps_of_the_paper(candidates, chosen):
    choice = choose([Pseudo(*c) for c in candidates], FENCES, tie=0)
    assert choice.candidates == chosen
    assert choice.reason


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([(0.950, 5), (0.946, 6), (0.90, 2)], (0, 1)),  # nearly as good: rounding shall not choose
        ([(0.946, 5), (0.950, 6)], (0, 1)),  # whichever is first
        ([(0.950, 5), (0.949, 16)], (0,)),  # not one whose pHD is out of range
        ([(0.95, 15), (0.90, 5), (0.898, 6)], (1, 2)),
    ],
)
def test_candidates_that_are_nearly_equal_are_averaged(candidates, chosen):
    assert choose([Pseudo(*c) for c in candidates], FENCES).candidates == chosen


def test_the_fallback_is_the_mean_of_the_two_softmax_maps():
    maps = [np.full((2, 1, 1, 1), v, np.float32) for v in (0.1, 0.2, 0.6)]
    choice = choose([Pseudo(0.9, 15), Pseudo(0.95, 20), Pseudo(0.85, 13)], FENCES)
    np.testing.assert_allclose(combine(maps, choice), 0.4, rtol=1e-6)  # numbers 2 and 3


def test_a_single_choice_is_that_candidate():
    maps = [np.full((2, 1, 1, 1), v, np.float32) for v in (0.1, 0.2)]
    choice = choose([Pseudo(0.9, 5), Pseudo(0.8, 2)], FENCES)
    np.testing.assert_array_equal(combine(maps, choice), maps[0])
