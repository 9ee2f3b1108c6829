import pytest

from cmrseg.recipes.phases import alike, find_phases, lone_slice
from tiny import volume


def test_one_image_for_two_phases_is_told():
    digests = {"SA_ED": "a", "SA_ES": "a", "LA_ED": "b", "LA_ES": "c"}
    assert set(alike(digests)) == {"SA_ED", "SA_ES"}


def test_views_may_not_be_alike_by_role():
    assert alike({"SA_ED": "a", "LA_ED": "a"}) == {}
    assert alike({}) == {}


def test_a_short_axis_of_one_slice_is_to_be_looked_at():
    assert lone_slice("SA_ED", volume(slices=1))
    assert not lone_slice("SA_ED", volume(slices=2))
    assert not lone_slice("LA_ED", volume(slices=1))


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
