"""Short and long axis of one heart: they agree where their planes meet, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.quality.two_views import cut, told

STRUCTURES = {"LV": (1,), "RV": (3,)}
FLAT = np.eye(3)[:, ::-1]


def heart(x, y, z):
    """Labels at patient positions in mm: two balls, cut off by a valve plane at z = 30."""
    lv = (x**2 + y**2 + z**2 < 30**2) & (z < 30)
    rv = ((x - 50) ** 2 + y**2 + z**2 < 20**2) & (z < 30)
    return np.select([lv, rv], [1, 3], 0).astype(np.uint8)


def volume(geometry, moved=(0.0, 0.0, 0.0)):
    index = np.indices(geometry.shape).reshape(3, -1)
    x, y, z = geometry.to_patient(index) - np.array(moved)[:, None]
    return Volume(heart(x, y, z).reshape(geometry.shape), geometry)


SHORT = Geometry((12, 80, 100), (8.0, 2.0, 2.0), (-60.0, -80.0, -44.0), FLAT)
# Rows run along the heart's axis, columns along x: it cuts both ventricles through their middle.
LONG = Geometry((1, 80, 100), (8.0, 2.0, 2.0), (-60.0, 0.0, -80.0), np.eye(3)[:, [1, 2, 0]])


def test_one_heart_agrees_with_itself():
    found, review, warnings = told({"SA_ED": volume(SHORT), "LA_ED": volume(LONG)}, STRUCTURES)
    assert min(found["LA_ED"]["views_agree"].values()) > 0.85
    assert found["LA_ED"]["views_distance_mm"]["LV"] < 2
    assert not review
    assert not warnings


@pytest.mark.parametrize("moved", [(30.0, 0.0, 0.0), (0.0, 0.0, 40.0)])
def test_a_wrong_header_is_seen(moved):
    other = replace(LONG, origin_mm=tuple(np.add(LONG.origin_mm, moved)))
    masks = {"SA_ES": volume(SHORT), "LA_ES": replace(volume(LONG), geometry=other)}
    found, review, _ = told(masks, STRUCTURES)
    assert found["LA_ES"]["views_agree"]["LV"] < 0.6
    assert len(review) == 1
    assert "ES" in review[0]


def test_slices_beyond_the_ends_that_the_long_axis_sees_are_named():
    short = volume(SHORT)
    short.array[11] = short.array[5]  # a ventricle above the valve plane
    _, _, warnings = told({"SA_ED": short, "LA_ED": volume(LONG)}, STRUCTURES)
    assert "SA_ED: LV in slice 12, beyond its end in the long axis" in warnings
    short = volume(SHORT)
    short.array[:5] = 0
    _, _, warnings = told({"SA_ED": short, "LA_ED": volume(LONG)}, STRUCTURES)
    (warning,) = warnings
    assert "SA_ED: no LV in slice 5" in warning


def test_planes_that_do_not_cross_are_not_compared():
    parallel = Geometry((1, 80, 100), (8.0, 2.0, 2.0), (-60.0, -80.0, 0.0), FLAT)
    assert cut(volume(SHORT), volume(parallel)) is None
    far = replace(LONG, origin_mm=(900.0, 0.0, 0.0))
    assert cut(volume(SHORT), volume(far)) is None
    assert told({"SA_ED": volume(SHORT)}, STRUCTURES) == ({}, [], [])
