import numpy as np
import pytest

from cmrseg.imaging.shares import winners


def test_what_is_certain_stays() -> None:
    index = np.random.default_rng(0).integers(0, 4, (3, 10, 10))
    shares = np.eye(4, dtype=np.float32)[:, index]
    np.testing.assert_array_equal(winners(shares), index)


def test_each_class_keeps_its_volume() -> None:
    """A third class that is nowhere the largest still gets what its shares add up to."""
    rng = np.random.default_rng(0)
    third = rng.uniform(0.1, 0.3, (5, 20, 20))
    first = (1 - third) * rng.uniform(0.4, 0.6, third.shape)
    shares = np.stack([first, 1 - third - first, third]).astype(np.float32)
    assert (shares.argmax(0) != 2).all()
    counts = np.bincount(winners(shares).ravel(), minlength=3)
    np.testing.assert_allclose(counts, shares.sum((1, 2, 3)), rtol=0.02)


def test_it_is_the_largest_of_its_shares_that_a_class_gets() -> None:
    share = np.linspace(0.0, 0.45, 100, dtype=np.float32)[None, None]
    found = winners(np.stack([1 - share, share]))[0, 0]
    assert (np.diff(found) >= 0).all()
    assert found.sum() == pytest.approx(share.sum(), abs=1)


def test_one_class() -> None:
    np.testing.assert_array_equal(winners(np.ones((1, 2, 3, 4), np.float32)), np.zeros((2, 3, 4)))
