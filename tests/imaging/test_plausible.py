"""Images that no scanner makes."""

import numpy as np
import pytest

from cmrseg.imaging.plausible import inverted
from cmrseg.imaging.volume import Geometry, Volume


def cine(side, air):
    """Air around a body, blood and muscle in it: shares of the voxels as in a chest or a heart."""
    rng = np.random.default_rng(0)
    shares = [air, 0.75 - air, 0.1, 0.15]
    grey = rng.choice([20.0, 250.0, 600.0, 1000.0], (4, side, side), p=shares)
    array = grey + rng.normal(0, 12, grey.shape)
    return Volume(array, Geometry(array.shape, (8.0, 1.4, 1.4)))


def negative(volume):
    return volume.like(volume.array.max() - volume.array)


@pytest.mark.parametrize("padding", [0, 40])
def test_swapped_black_and_white_is_told(padding):
    image = cine(160, 0.4)
    assert not inverted(image)
    array = np.pad(negative(image).array, ((0, 0), (padding, 0), (0, padding)))
    assert inverted(Volume(array, Geometry(array.shape, (8.0, 1.4, 1.4))))


def test_a_heart_alone_may_be_bright():
    assert not inverted(cine(100, 0.06))
    assert inverted(negative(cine(100, 0.4))) == ()
