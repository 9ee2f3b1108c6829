import numpy as np
import pytest

from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.synthetic.rv_shape import rv_shape


def label(plane: Array) -> Volume:
    array = np.repeat(plane[None], 3, 0).astype(np.uint8)
    return Volume(array, Geometry(array.shape, (10.0, 1.0, 1.0)))


def disc(centre: tuple[int, int], radius: float) -> Array:
    y, x = np.mgrid[:120, :120]
    return np.asarray((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2)


def heart(rv: Array) -> Volume:
    """A round LV, and an RV where it is not."""
    lv = disc((60, 70), 22)
    plane = np.where(lv, 2, np.where(rv, 3, 0))
    plane[disc((60, 70), 15)] = 1
    return label(plane)


def test_a_balloon_is_solid_and_as_wide_as_long() -> None:
    found = rv_shape(heart(disc((60, 24), 20)))
    for level in ("base", "middle", "apex"):
        assert found[f"RV solidity, {level}"] > 0.95
        assert found[f"RV width/length, {level}"] == pytest.approx(1, abs=0.05)


def test_a_crescent_is_hollow_slim_and_embraces_the_lv() -> None:
    x = np.arange(120)
    crescent = disc((60, 70), 32) & (x < 70)
    found = rv_shape(heart(crescent))
    assert found["RV solidity, middle"] < 0.65
    assert found["RV width/length, middle"] < 0.5
    assert found["RV embrace, middle"] == pytest.approx(0.5, abs=0.05)
    assert found["RV septal curvature, middle"] > 0.5


def test_a_flat_septum_has_no_curvature() -> None:
    x = np.arange(120)
    lv = disc((60, 70), 22) & (x > 60)
    plane = np.where(lv, 2, np.where(disc((60, 50), 25) & (x <= 60), 3, 0))
    found = rv_shape(label(plane))
    assert found["RV septal curvature, middle"] == pytest.approx(0, abs=0.1)


def test_without_an_rv_there_is_no_shape() -> None:
    assert rv_shape(heart(np.zeros((120, 120), bool))) == {}


def test_base_is_the_larger_end_whichever_comes_first() -> None:
    large, small = disc((60, 30), 24), disc((60, 45), 12)
    planes = [heart(rv).array[0] for rv in (large, large, small)]
    down, up = np.stack(planes), np.stack(planes[::-1])
    geometry = Geometry(down.shape, (10.0, 1.0, 1.0))
    assert rv_shape(Volume(down, geometry)) == rv_shape(Volume(up, geometry))
