from __future__ import annotations

import numpy as np
import pytest

from cmrseg.runtime.errors import InputError
from cmrseg_lab.training.replay_slices import draw_rehearsal
from tiny import sample


def test_slices_around_the_hearts_of_the_volumes_given():
    samples = [sample(seed) for seed in range(3)]
    found = draw_rehearsal(samples, slices=5, size=32)
    assert found.images.shape == found.labels.shape == (5, 32, 32)
    assert found.images.dtype == np.float32
    assert all({1, 2, 3} <= set(np.unique(label)) for label in found.labels)
    again = draw_rehearsal(samples, slices=5, size=32)
    np.testing.assert_array_equal(found.images, again.images)


def test_beyond_an_image_its_edge_goes_on():
    found = draw_rehearsal([sample(0)], slices=8, size=64)
    assert len(found) == 8
    assert (found.labels[:, 32, 32] > 0).any()
    np.testing.assert_array_equal(found.images[:, 0], found.images[:, 1])


def test_without_volumes_there_is_nothing_to_draw():
    with pytest.raises(InputError, match="none of the hearts"):
        draw_rehearsal([])
