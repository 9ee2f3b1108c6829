"""Which frames are end-diastole and end-systole."""

import pytest

from cmrseg.recipes.cine import find_phases


@pytest.mark.parametrize(
    ("lv_ml", "phases"),
    [
        ([120, 118, 100, 70, 52, 50, 61, 90, 110, 117], (0, 5)),
        ([70, 50, 55, 80, 110, 118, 121, 119, 100], (6, 1)),
        ([120, 118, 100, 70, 52, 50, 61, 0, 110, 117], (0, 5)),
        ([120, 118, 100, 70, 52, 50, 61, 300, 110, 117], (0, 5)),
        ([90], (0, 0)),
        ([0, 0, 0, 0, 0, 0], (0, 0)),
        ([50, 120], (1, 0)),
    ],
    ids=["heartbeat", "starts late", "a mask lost", "a mask too large", "one", "none", "two"],
)
def test_the_largest_and_the_smallest_lv_but_for_a_frame_that_failed(lv_ml, phases):
    assert find_phases(lv_ml) == phases
