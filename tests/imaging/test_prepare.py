import numpy as np
import pytest

from cmrseg.imaging import robust_zscore


def scan(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(4.0, 50.0, (5, 40, 40)).astype(np.float32) + 1


def test_mean_and_variance_of_the_tissue() -> None:
    scaled = robust_zscore(scan())
    assert scaled.dtype == np.float32
    assert scaled.mean() == pytest.approx(0, abs=1e-5)
    assert scaled.std() == pytest.approx(1, abs=1e-4)


def test_known_values() -> None:
    array = np.arange(1.0, 202.0)[None, None]  # percentiles 0.5 and 99.5 are 2 and 200
    clipped = np.clip(array, 2, 200)
    expected = (clipped - 101) / clipped.std()
    np.testing.assert_allclose(robust_zscore(array), expected, rtol=1e-5, atol=1e-6)


def test_a_margin_of_zeros_changes_nothing_inside() -> None:
    inside = scan()
    padded = np.pad(inside, ((0, 0), (30, 30), (50, 10)))
    scaled = robust_zscore(padded)
    np.testing.assert_array_equal(scaled[:, 30:-30, 50:-10], robust_zscore(inside))
    margin = scaled[:, :30]
    assert (margin == margin[0, 0, 0]).all()
    assert margin[0, 0, 0] == scaled.min()


def test_scale_and_offset_of_the_scanner_do_not_matter() -> None:
    np.testing.assert_allclose(robust_zscore(scan() * 7.5 + 40), robust_zscore(scan()), atol=1e-3)


def test_one_hot_voxel_does_not_set_the_scale() -> None:
    spiked = scan()
    spiked[0, 0, 0] = 1e6
    assert np.abs(robust_zscore(spiked) - robust_zscore(scan()))[1:].max() < 0.01
    assert robust_zscore(spiked).max() < 5


def test_only_the_mask_sets_the_scale() -> None:
    array = scan()
    mask = np.zeros(array.shape, bool)
    mask[2] = True
    scaled = robust_zscore(array, mask)
    assert scaled[2].mean() == pytest.approx(0, abs=1e-5)
    assert scaled[2].std() == pytest.approx(1, abs=1e-4)
    array[0] *= 100
    np.testing.assert_array_equal(robust_zscore(array, mask)[2], scaled[2])


@pytest.mark.parametrize(
    "array", [np.zeros((2, 8, 8)), np.full((2, 8, 8), 3.0), np.zeros((0, 8, 8))]
)
def test_nothing_to_scale(array: np.ndarray) -> None:
    scaled = robust_zscore(array)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, np.zeros(array.shape))


def test_few_voxels_and_an_empty_mask() -> None:
    array = np.zeros((2, 8, 8), np.int16)
    array[0, 0, :5] = 1, 2, 3, 4, 5
    for mask in (None, np.zeros(array.shape, bool), array > 0):
        scaled = robust_zscore(array, mask)
        assert np.isfinite(scaled).all()
        assert scaled[0, 0, 4] > scaled[1, 0, 0]


def test_integers_do_not_overflow() -> None:
    array = np.random.default_rng(0).integers(0, 65535, (3, 20, 20)).astype(np.uint16)
    assert robust_zscore(array).std() == pytest.approx(1, abs=0.01)
