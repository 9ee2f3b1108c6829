"""Shifts of one thing: what they change is known, and everything else stays."""

import numpy as np
import pytest

from cmrseg.errors import UsageError
from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.reproduce.mnms2.shifts import (
    LIKE,
    ONE_THING,
    PIXELS_MM,
    contrast,
    resolution,
    shift,
    shifted_patients,
)
from cmrseg.synthetic.styles import HELD_OUT_STYLES

SPACING_MM = 1.5


def image(array):
    found = np.asarray(array, np.int16)
    return Volume(found, Geometry(shape=found.shape, spacing_mm=(8.0, SPACING_MM, SPACING_MM)))


def waves(cycles, *, axis):
    """Cosines of so many cycles over 96 pixels: (2, 96, 96) around 1000."""
    along = np.cos(2 * np.pi * cycles * np.arange(96) / 96)
    plane = along[:, None] if axis == 1 else along[None, :]
    return np.broadcast_to(1000 + 400 * plane, (2, 96, 96))


@pytest.mark.parametrize("axis", [1, 2])
def test_resolution_takes_what_is_finer_than_its_pixels_and_leaves_the_rest(axis):
    length_mm = 96 * SPACING_MM
    fine, broad = int(length_mm / (1.7 * PIXELS_MM[0])), int(length_mm / (8 * PIXELS_MM[1]))
    for seed in range(5):
        seen = image(waves(fine, axis=axis))
        gone = resolution(seen, np.random.default_rng(seed))
        assert np.abs(gone.array - 1000).max() <= 1
        stays = resolution(image(waves(broad, axis=axis)), np.random.default_rng(seed)).array
        assert np.abs(stays - waves(broad, axis=axis)).max() < 400 * 0.06
        assert gone.array.dtype == np.int16
        assert gone.geometry is seen.geometry


def test_pixels_that_are_coarser_already_lose_little():
    coarse = image(waves(24, axis=1))
    spacing = (8.0, 4.0, 4.0)
    found = resolution(
        Volume(coarse.array, Geometry(shape=coarse.array.shape, spacing_mm=spacing)),
        np.random.default_rng(0),
    )
    # Half of the highest frequency there is: the edge of k-space is far.
    assert np.ptp(found.array) == pytest.approx(800, rel=0.1)


def test_contrast_blurs_nothing_and_follows_the_style():
    flat = np.full((1, 64, 64), 500)
    flat[0, 30, 30] = 250  # a dot, and few enough for blood to be 500
    style = HELD_OUT_STYLES[LIKE]
    for seed in range(5):
        found = contrast(image(flat), np.random.default_rng(seed)).array[0].astype(float)
        around = found[29:32, 29:32]
        gamma = np.log2(np.delete(around.ravel(), 4).mean() / around[1, 1])
        assert style.gamma[0] - 0.02 <= gamma <= style.gamma[1] + 0.02
        # A plane of logarithms: its slope is gamma times the unevenness, wherever the coils are.
        logs = np.log(found)
        slope = np.hypot(logs[0, -1] - logs[0, 0], logs[-1, 0] - logs[0, 0]) / gamma
        assert style.bias[0] - 0.1 <= slope <= style.bias[1] + 0.1
        assert found[32, 32] == pytest.approx(500, rel=0.02)


@pytest.mark.parametrize("name", [*ONE_THING, "low-field"])
def test_shifts_follow_the_seed(name):
    seen = image(np.random.default_rng(1).integers(0, 900, (2, 40, 40)))
    one, same, other = (shift(name)(seen, np.random.default_rng(s)).array for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert (one != seen.array).any()


def test_no_other_names():
    with pytest.raises(UsageError, match="no style"):
        shift("sepia")


def test_words_tell_what_was_done():
    assert shifted_patients([]) == ""
    assert shifted_patients(["contrast"]).startswith("patients with the contrast curve and")
    told = shifted_patients(["resolution", "low-field"])
    assert told.index("(low-field)") < told.index("2.2 to 2.8 mm")
    assert "contrast)" not in told
