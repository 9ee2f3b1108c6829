import numpy as np
import pytest

from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.synthetic.measures import measure_cine, measure_late


def rings(wall_code: int) -> tuple[Volume, Volume]:
    """Two slices of a cavity of radius 20 mm in a wall of 8 mm; blood 200, wall 50."""
    y, x = np.indices((80, 80)) - 40
    r = np.hypot(y, x)
    plane = np.where(r < 20, 1, np.where(r < 28, wall_code, 0)).astype(np.uint8)
    label = np.stack([plane, plane, np.zeros_like(plane)])
    grey = np.select([label == 1, label == wall_code], [200.0, 50.0], 10.0)
    geometry = Geometry(shape=label.shape, spacing_mm=(10.0, 1.0, 1.0))
    return Volume(grey, geometry), Volume(label, geometry)


def test_cine_rings() -> None:
    found = measure_cine(*rings(2))
    assert found["LV [mL]"] == pytest.approx(2 * np.pi * 400 * 10 / 1000, rel=0.01)
    assert found["wall thickness [mm]"] == pytest.approx(8, abs=0.1)
    assert found["LV radius [mm]"] == pytest.approx(20, abs=0.1)
    assert (found["slices"], found["slices with labels"]) == (3, 2)
    assert found["MYO grey"] == 0.25
    assert found["around the heart grey"] == 0.05
    assert "RV grey" not in found


def test_infarct_share() -> None:
    image, label = rings(2)
    label.array[0][label.array[0] == 2] = 3
    label.array[1][label.array[1] == 2] = 4
    found = measure_late(image, label)
    assert found["infarct share [%]"] == pytest.approx(100)
    assert found["no-reflow [mL]"] == pytest.approx(found["infarct [mL]"] / 2)
