"""One heart, one grey scale: what the form of a file changes, networks must not see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmrseg.imaging.grey_scale import bounding_box, interior, standardised
from cmrseg.imaging.prepare import prepare_interior
from cmrseg.imaging.volume import Geometry, Grid, Volume

SPACING = (9.0, 1.3, 1.3)


def picture(seed=0, shape=(4, 60, 70)):
    """Noise and a bright ball."""
    rng = np.random.default_rng(seed)
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    ball = (y - 30) ** 2 + (x - 35) ** 2 < 15**2
    return (rng.normal(100, 12, shape) + 180 * ball + 0 * z).round()


def prepared(array):
    return prepare_interior(Volume(array, Geometry(array.shape, SPACING)), Grid((None, 1.5, 1.5)))


@pytest.mark.parametrize("value", [0, 1, -1024, 255, 30000])
def test_padding_of_any_value_is_no_part_of_the_image(value):
    array = picture()
    padded = np.pad(array, ((0, 0), (40, 7), (3, 90)), constant_values=value)
    found = prepared(padded)
    assert found.box == np.s_[:, 40:100, 3:73]
    assert np.array_equal(found.image.array, prepared(array).image.array)
    maps = np.ones((1, *found.image.array.shape), np.float32)
    back = found.restore(maps)[0]
    assert back.shape == padded.shape
    assert back[:, 40:100, 3:73].min() > 0.99
    assert back.sum() == pytest.approx(array.size, rel=1e-3)


def test_padding_within_padding_is_found():
    array = np.pad(picture(), ((0, 0), (5, 5), (6, 6)), constant_values=0)
    array = np.pad(array, ((0, 0), (9, 9), (9, 9)), constant_values=-1024)
    assert bounding_box(interior(array)) == np.s_[:, 14:74, 15:85]


def test_slices_shifted_within_their_frame_set_no_scale():
    array = picture()
    shifted = np.zeros((4, 80, 90))
    for z in range(4):
        shifted[z, 3 * z : 3 * z + 60, 5 * z : 5 * z + 70] = array[z]
    assert interior(shifted).sum() == array.size


@settings(max_examples=10, deadline=None)
@given(
    offset=st.integers(-2000, 2000),
    factor=st.sampled_from([1e-15, 1e-3, 0.5, 1.0, 7.0, 1e6]),
    pad=st.integers(0, 30),
    value=st.integers(-3000, 3000),
)
def test_offset_factor_and_padding_carry_nothing(offset, factor, pad, value):
    array = picture()
    changed = np.pad(array, ((0, 0), (pad, pad), (pad, 0)), constant_values=value + 0.5)
    changed = changed * factor
    changed = changed + offset * factor
    difference = prepared(changed).image.array - prepared(array).image.array
    assert np.abs(difference).max() < 1e-3


def test_a_few_saturated_pixels_do_not_set_the_scale():
    array = picture()
    written = array.copy()
    written[:, 2:6, 2:12] = 4095
    inside = np.ones(array.shape, bool)
    there = np.s_[:, 10:, 15:]
    difference = standardised(written, inside)[there] - standardised(array, inside)[there]
    assert np.abs(difference).max() < 0.15


def test_what_has_no_contrast_is_zero():
    assert not standardised(np.full((1, 9, 9), 7.0)).any()
    assert interior(np.full((1, 9, 9), 7.0)).all()
