import pytest

from cmrseg.imaging import room
from cmrseg.runtime.errors import MemoryLimitError


def test_maps_that_do_not_fit_are_refused_before_they_are_computed(monkeypatch):
    maps = room.room_for_maps((2, 3, 4))
    assert maps.shape == (2, 3, 4)
    assert not maps.any()
    monkeypatch.setattr(room, "SMALL", 0)
    monkeypatch.setattr(room, "memory_left", lambda: 100)
    assert room.room_for_maps((20,)).size == 20
    with pytest.raises(MemoryLimitError):
        room.room_for_maps((21,))
