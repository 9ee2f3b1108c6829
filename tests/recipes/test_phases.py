from cmrseg.recipes.phases import alike, lone_slice
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
