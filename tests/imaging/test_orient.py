"""One heart, stored in all 48 ways, must come out as one."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmrseg.imaging import Geometry, Grid, Orientation, Volume, canonical, to_grid
from cmrseg.imaging.orient import aligned, orthonormal, slice_axis
from cmrseg.runtime.errors import InputError

from .tools import rotation

WAYS = [
    Orientation(axes=axes, flipped=flipped)
    for axes in permutations(range(3))
    for flipped in product((False, True), repeat=3)
]
LPS = np.eye(3)[:, ::-1]
"""Direction of an array whose z, y, x run to head, back and left."""


def stored(volume: Volume, way: Orientation) -> Volume:
    """The same voxels at the same places, stored another way (independent of ``canonical``)."""
    g = volume.geometry
    first = [g.shape[a] - 1 if f else 0 for a, f in zip(way.axes, way.flipped, strict=True)]
    corner = np.zeros(3)
    corner[list(way.axes)] = first
    array = volume.array.transpose(way.axes)
    array = array[tuple(slice(None, None, -1 if f else 1) for f in way.flipped)]
    signs = [-1 if f else 1 for f in way.flipped]
    geometry = Geometry(
        shape=array.shape,
        spacing_mm=tuple(g.spacing_mm[a] for a in way.axes),
        origin_mm=tuple(g.to_patient(corner[:, None])[:, 0]),
        direction=g.direction[:, list(way.axes)] * signs,
    )
    return Volume(array.copy(), geometry)


def heart(direction: np.ndarray) -> Volume:
    rng = np.random.default_rng(0)
    geometry = Geometry((4, 9, 11), (10.0, 1.5, 1.25), (5.0, -7.0, 11.0), direction)
    return Volume(rng.normal(size=(4, 9, 11)).astype(np.float32), geometry)


def test_there_are_48_ways() -> None:
    assert len(WAYS) == 48


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_all_48_ways_of_storing_give_one_volume(seed: int) -> None:
    volume = heart(rotation(seed))
    expected, _ = canonical(volume)
    for way in WAYS:
        other = stored(volume, way)
        found, orientation = canonical(other)
        np.testing.assert_array_equal(found.array, expected.array)
        assert found.geometry.same_as(expected.geometry, 1e-6)
        np.testing.assert_array_equal(orientation.back(found.array), other.array)


@pytest.mark.parametrize("way", WAYS)
def test_all_48_ways_give_the_same_answer_in_patient_space(way: Orientation) -> None:
    """What a recipe finds bright lies at the same place in the patient, however stored."""
    volume = heart(LPS)
    volume.array[2, 3, 6] = 50.0
    place = volume.geometry.to_patient(np.array([[2], [3], [6]]))
    other = stored(volume, way)
    turned, orientation = canonical(other)
    finer = to_grid(turned, Grid((None, 0.5, 0.5)), order=1)
    brightest = np.array(np.unravel_index(finer.array.argmax(), finer.array.shape))[:, None]
    np.testing.assert_allclose(finer.geometry.to_patient(brightest), place, atol=0.4)
    mask = orientation.back((turned.array > 25).astype(np.uint8))
    np.testing.assert_allclose(other.geometry.to_patient(np.argwhere(mask).T), place, atol=1e-9)


def test_identity_stays() -> None:
    volume = heart(LPS)
    same, orientation = canonical(volume)
    assert orientation == Orientation(axes=(0, 1, 2), flipped=(False, False, False))
    np.testing.assert_array_equal(same.array, volume.array)
    assert same.geometry.same_as(volume.geometry, 0.0)


def test_columns_go_left_and_rows_back() -> None:
    # stored as (z, y, x) = (feet, left, front): rows and columns change places, rows flip
    direction = np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]])
    turned, orientation = canonical(heart(direction))
    assert orientation.axes == (0, 2, 1)
    np.testing.assert_array_equal(turned.geometry.direction, LPS)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_nothing_is_ever_mirrored(seed: int) -> None:
    direction = rotation(seed) * np.random.default_rng(seed).choice([-1, 1], 3)
    z, y, x = canonical(heart(direction))[0].geometry.direction.T
    np.testing.assert_allclose(np.cross(x, y), z, atol=1e-9)
    # no other way of laying the plane points more to the left and back
    score = x[0] + y[1]
    for a, b in ((x, y), (y, x)):
        for i, j in product((1, -1), repeat=2):
            assert score >= (i * a)[0] + (j * b)[1] - 1e-2


@pytest.mark.parametrize("lead", [(), (4,), (2, 4)])
@pytest.mark.parametrize("way", WAYS[::5])
def test_back_undoes_forth(way: Orientation, lead: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(size=(*lead, 3, 4, 5))
    turned = way.forth(array)
    assert turned.shape == (*lead, *(3 + a for a in way.axes))
    np.testing.assert_array_equal(way.back(turned), array)
    assert way.back(turned).flags.c_contiguous


@pytest.mark.parametrize(
    ("shape", "spacing", "axis"),
    [
        ((10, 256, 256), (10.0, 1.4, 1.4), 0),
        ((256, 10, 256), (1.4, 10.0, 1.4), 1),
        ((256, 256, 1), (1.4, 1.4, 1.0), 2),  # a picture whose thickness nobody wrote
        ((256, 256, 12), (1.0, 1.0, 1.0), 2),  # few along one axis
        ((90, 100, 110), (1.5, 1.5, 1.5), 0),  # nothing to tell by
        ((1, 1, 50), (1.0, 1.0, 1.0), 0),
        ((10, 200, 120), (8.0, 1.0, 2.0), 0),
    ],
)
def test_slice_axis(shape: tuple[int, int, int], spacing: tuple[float, ...], axis: int) -> None:
    assert slice_axis(Geometry(shape, spacing)) == axis


@pytest.mark.parametrize("way", WAYS)
def test_the_same_voxels_stored_another_way(oblique: Volume, way: Orientation) -> None:
    back = aligned(stored(oblique, way), oblique.geometry, 0.1)
    assert back is not None
    np.testing.assert_array_equal(back.array, oblique.array)


def test_other_voxels_are_not_aligned(oblique: Volume) -> None:
    moved = replace(oblique.geometry, origin_mm=(0.0, 0.0, 0.0))
    assert aligned(oblique, moved, 0.1) is None


def test_perpendicular_axes_stay_as_they_are() -> None:
    axes = np.eye(3)[:, [1, 2, 0]] * [1, -1, 1]
    mended, warning = orthonormal(axes * [1.5, 2.0, 8.0])
    np.testing.assert_array_equal(mended, axes)
    assert warning is None


def test_a_shear_is_shared_between_both_axes() -> None:
    # x and y leaning 5 degrees towards each other: the nearest rotation turns both 2.5 back,
    # which is the identity
    lean = np.radians(2.5)
    axes = np.eye(3)
    axes[:2, 0] = np.cos(lean), np.sin(lean)
    axes[:2, 1] = np.sin(lean), np.cos(lean)
    mended, warning = orthonormal(axes)
    np.testing.assert_allclose(mended, np.eye(3), atol=1e-12)
    assert warning is not None
    assert "5.0 degrees" in warning


def test_rounding_is_mended_in_silence() -> None:
    angle = 0.3
    axes = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    mended, warning = orthonormal(axes.round(4))
    assert warning is None
    np.testing.assert_allclose(mended.T @ mended, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(mended, axes, atol=1e-4)


def test_a_mirrored_image_stays_mirrored() -> None:
    axes = np.diag([1.0, 1.0, -1.0])
    axes[0, 1] = 0.05
    mended, _ = orthonormal(axes)
    assert np.linalg.det(mended) == pytest.approx(-1)


@pytest.mark.parametrize(
    "axes",
    [
        np.zeros((3, 3)),
        np.full((3, 3), np.nan),
        np.array([[1.0, 1.0, 0.0], [0.0, 0.01, 0.0], [0.0, 0.0, 1.0]]),
    ],
)
def test_axes_that_say_nothing_are_refused(axes: np.ndarray) -> None:
    with pytest.raises(InputError, match="direction"):
        orthonormal(axes)
