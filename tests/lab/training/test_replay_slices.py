from __future__ import annotations

import numpy as np
import pytest

from cmrseg.runtime.errors import InputError
from cmrseg_lab.training import cache
from cmrseg_lab.training.replay_slices import draw_rehearsal
from tiny import make_cache


def test_slices_around_the_hearts_of_the_volumes_given(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-sa", patients=3, source="synthetic")
    entries = cache.read_index(data, "mnms2-sa")
    found = draw_rehearsal(data, entries, slices=5, size=32)
    assert found.images.shape == found.labels.shape == (5, 32, 32)
    assert found.images.dtype == np.float32
    assert all({1, 2, 3} <= set(np.unique(label)) for label in found.labels)
    again = draw_rehearsal(data, entries, slices=5, size=32)
    np.testing.assert_array_equal(found.images, again.images)


def test_no_other_volume_is_looked_at(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-la")
    one, *others = cache.read_index(data, "mnms2-la")
    for entry in others:
        (data / entry.file).unlink()
    found = draw_rehearsal(data, [one], slices=8, size=64)
    assert len(found) == 8
    assert (found.labels[:, 32, 32] > 0).any()


def test_without_volumes_there_is_nothing_to_draw(tmp_path):
    with pytest.raises(InputError, match="none of the hearts"):
        draw_rehearsal(tmp_path, [])
