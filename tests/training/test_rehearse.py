from __future__ import annotations

import numpy as np
import pytest

from cmrseg.errors import InputError
from cmrseg.training.rehearse import draw_rehearsal
from tiny import make_cache


def test_synthetic_hearts_alone(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-sa", source="hospital")
    with pytest.raises(InputError, match="no synthetic"):
        draw_rehearsal(data, "mnms2-sa")
    make_cache(data, "mnms2-sa", patients=3, source="synthetic")
    found = draw_rehearsal(data, "mnms2-sa", slices=5, size=32)
    assert found.images.shape == found.labels.shape == (5, 32, 32)
    assert found.images.dtype == np.float32
    assert all({1, 2, 3} <= set(np.unique(label)) for label in found.labels)
    again = draw_rehearsal(data, "mnms2-sa", slices=5, size=32)
    np.testing.assert_array_equal(found.images, again.images)


def test_the_users_own_hearts_if_they_choose(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-la")
    found = draw_rehearsal(data, "mnms2-la", slices=8, size=64, synthetic_only=False)
    assert len(found) == 8
    assert (found.labels[:, 32, 32] > 0).any()
