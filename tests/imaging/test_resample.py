import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from cmrseg.imaging import (
    Geometry,
    Grid,
    Volume,
    labels_to_grid,
    probabilities_to,
    resample_to,
    to_grid,
)
from cmrseg.imaging.resample import winners

from .tools import rotation

LPS = np.eye(3)[:, ::-1]


def ramp(geometry: Geometry) -> Volume:
    """Grey values that are a linear function of the place in the patient."""
    index = np.indices(geometry.shape).reshape(3, -1)
    values = np.array([1.0, -2.0, 0.5]) @ geometry.to_patient(index)
    return Volume(values.reshape(geometry.shape).astype(np.float32), geometry)


def blob(geometry: Geometry, radius_mm: np.ndarray, off_mm: np.ndarray, soft: bool) -> np.ndarray:
    """An ellipsoid near the middle of the image, hard (0 or 1) or with an edge some mm wide."""
    index = np.indices(geometry.shape).astype(float)
    middle = (np.array(geometry.shape) - 1) / 2
    scaled = [
        ((i - m) * s - o) / r
        for i, m, s, o, r in zip(index, middle, geometry.spacing_mm, off_mm, radius_mm, strict=True)
    ]
    distance = np.sqrt(sum(s**2 for s in scaled))
    return np.clip((1 - distance) * 8 + 0.5, 0, 1) if soft else (distance < 1).astype(float)


def centroid(values: np.ndarray) -> np.ndarray:
    return np.array(ndimage.center_of_mass(values))


@st.composite
def blobs(draw: st.DrawFn, *, soft: bool) -> tuple[Volume, Grid]:
    """A heart-sized blob in a random geometry, and a random grid.

    Stacks of thick slices keep their slices; finer ones may be resampled along z as well.
    """
    real = st.floats
    in_plane = real(0.7, 1.8)
    thick = draw(st.booleans())
    z = draw(real(6, 13)) if thick else draw(real(1, 2))
    shape = (draw(st.integers(8, 12)) if thick else 60, 96, 80)
    geometry = Geometry(
        shape=shape,
        spacing_mm=(z, draw(in_plane), draw(in_plane)),
        origin_mm=tuple(draw(st.tuples(*[real(-200, 200)] * 3))),
        direction=rotation(draw(st.integers(0, 999))) * [1, draw(st.sampled_from([-1, 1])), 1],
    )
    extent = np.array(shape) * geometry.spacing_mm
    radius = np.minimum(extent * draw(real(0.28, 0.35)), 45)
    off = np.array(draw(st.tuples(*[real(-0.08, 0.08)] * 3))) * extent
    values = blob(geometry, radius, off, soft).astype(np.float32 if soft else np.uint8)
    to = st.floats(1.0, 1.6)
    return Volume(values, geometry), Grid((None if thick else draw(to), draw(to), draw(to)))


def check_blob(before: np.ndarray, after: np.ndarray) -> None:
    """Volume within 2 %, centroid within half a voxel along every axis."""
    assert after.sum() == pytest.approx(before.sum(), rel=0.02)
    assert np.abs(centroid(after) - centroid(before)).max() < 0.5


@settings(max_examples=25, deadline=None)
@given(blobs(soft=True), st.sampled_from([1, 3]))
def test_an_image_there_and_back(case: tuple[Volume, Grid], order: int) -> None:
    volume, grid = case
    there = to_grid(volume, grid, order=order)
    back = resample_to(there, volume.geometry, order)
    assert back.geometry.same_as(volume.geometry, 0.0)
    check_blob(volume.array, back.array)
    check_blob(volume.array > 0.5, back.array > 0.5)


@settings(max_examples=25, deadline=None)
@given(blobs(soft=False))
def test_labels_there_and_probabilities_back(case: tuple[Volume, Grid]) -> None:
    """The walk of a case: labels to the recipe's grid, a perfect network, the way back."""
    volume, grid = case
    there = labels_to_grid(volume, grid)
    assert there.array.dtype == np.uint8
    perfect = np.stack([there.array == 0, there.array == 1]).astype(np.float32)
    back = probabilities_to(there.geometry, perfect, volume.geometry)
    assert back.shape == (2, *volume.array.shape)
    np.testing.assert_allclose(back.sum(0), 1, atol=1e-5)
    check_blob(volume.array, back.argmax(0))


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(8, 40), st.integers(8, 40)),
    st.tuples(st.floats(1, 12), st.floats(0.6, 3), st.floats(0.6, 3)),
    st.tuples(st.none() | st.floats(1, 12), st.floats(0.6, 3), st.floats(0.6, 3)),
    st.integers(0, 999),
)
def test_grid_covers_the_same_extent_around_the_same_centre(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    wanted: tuple[float | None, float, float],
    seed: int,
) -> None:
    geometry = Geometry(shape, spacing, (3.0, -9.0, 20.0), rotation(seed))
    grid = Grid(wanted).of(geometry)

    def centre(g: Geometry) -> np.ndarray:
        return g.to_patient(((np.array(g.shape) - 1) / 2)[:, None])

    np.testing.assert_allclose(centre(grid), centre(geometry), atol=1e-9)
    assert grid.spacing_mm[1:] == wanted[1:]
    missed = np.array(grid.shape) * grid.spacing_mm - np.array(shape) * spacing
    at_least_one_voxel = np.array(grid.shape) == 1
    assert (at_least_one_voxel | (np.abs(missed) <= np.array(grid.spacing_mm) / 2 + 1e-9)).all()
    if wanted[0] is None or shape[0] == 1:
        assert (grid.shape[0], grid.spacing_mm[0]) == (shape[0], spacing[0])


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("turn", [0, 7])
def test_a_ramp_stays_in_place(order: int, turn: int) -> None:
    """Values tell the place exactly, so any drift of voxel centres shows."""
    direction = rotation(turn) if turn else LPS
    volume = ramp(Geometry((6, 60, 50), (8.0, 1.25, 1.5), (4.0, 5.0, 6.0), direction))
    moved = to_grid(volume, Grid((None, 0.9, 1.1)), order=order)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(moved.array[inner], ramp(moved.geometry).array[inner], atol=2e-3)


@pytest.mark.parametrize("order", [1, 3])
def test_a_ramp_on_turned_axes(order: int) -> None:
    volume = ramp(Geometry((30, 40, 40), (2.0, 1.5, 1.5), (-30.0, -30.0, -30.0), LPS))
    small = Geometry((5, 8, 9), (2.0, 1.0, 1.0), (-2.0, -3.0, 1.0), rotation(4))
    moved = resample_to(volume, small, order)
    np.testing.assert_allclose(moved.array, ramp(small).array, atol=5e-3)


def test_the_own_grid_is_left_alone() -> None:
    volume = ramp(Geometry((6, 20, 30), (8.0, 1.25, 1.5), (4.0, 5.0, 6.0), rotation(1)))
    same = to_grid(volume, Grid((8.0, 1.25, 1.5)))
    np.testing.assert_array_equal(same.array, volume.array)
    assert same.geometry.same_as(volume.geometry, 0.0)


@pytest.mark.parametrize("z", [None, 10.0, 9.95])
def test_slices_do_not_mix_unless_z_changes(z: float | None) -> None:
    array = np.zeros((5, 20, 20), np.float32)
    array[2] = 100
    volume = Volume(array, Geometry(array.shape, (10.0, 1.5, 1.5)))
    moved = to_grid(volume, Grid((z, 1.2, 1.2)))
    np.testing.assert_allclose(moved.array[2], 100, rtol=1e-5)
    assert np.abs(moved.array[[0, 1, 3, 4]]).max() == 0


def test_z_is_resampled_when_it_changes() -> None:
    volume = ramp(Geometry((6, 12, 12), (13.0, 1.5, 1.5)))
    moved = to_grid(volume, Grid((10.0, 1.5, 1.5)))
    assert moved.geometry.shape == (8, 12, 12)
    # half a slice beyond the outermost centres the edge value goes on
    np.testing.assert_allclose(moved.array[1:-1], ramp(moved.geometry).array[1:-1], atol=1e-4)


def test_thick_slices_do_not_ring() -> None:
    array = np.zeros((8, 6, 6), np.float32)
    array[4:] = 1
    rising = to_grid(Volume(array, Geometry(array.shape, (13.0, 1.5, 1.5))), Grid((10.0, 1.5, 1.5)))
    assert (np.diff(rising.array[:, 3, 3]) >= 0).all()


def test_cubic_is_sharper_than_linear() -> None:
    geometry = Geometry((1, 64, 64), (8.0, 1.0, 1.0))
    x = np.arange(64)
    wave = np.sin(x / 64 * 2 * np.pi * 12)[None, None].repeat(64, 1).astype(np.float32)
    volume = Volume(wave, geometry)
    fine = Grid((None, 1.0, 0.5)).of(geometry)
    at = fine.to_patient(np.indices(fine.shape).reshape(3, -1))[0].reshape(fine.shape)
    truth = np.sin(at / 64 * 2 * np.pi * 12)
    error = {
        order: np.abs(resample_to(volume, fine, order).array - truth)[..., 8:-8].mean()
        for order in (1, 3)
    }
    assert error[3] < error[1] / 4


def test_cubic_stays_within_the_range() -> None:
    array = np.zeros((1, 30, 30), np.int16)
    array[0, 10:20, 10:20] = 1000
    moved = to_grid(Volume(array, Geometry(array.shape, (8.0, 1.0, 1.0))), Grid((None, 0.6, 0.6)))
    assert moved.array.min() == 0
    assert moved.array.max() == 1000
    assert moved.array.dtype == np.float32


def test_detail_finer_than_the_grid_is_smoothed_away() -> None:
    """A one-voxel checkerboard sampled every third voxel must turn grey, not into a new board."""
    array = (np.indices((1, 60, 60)).sum(0) % 2).astype(np.float32)
    moved = to_grid(
        Volume(array, Geometry(array.shape, (8.0, 1.0, 1.0))), Grid((None, 3.0, 3.0)), order=1
    )
    np.testing.assert_allclose(moved.array[:, 2:-2, 2:-2], 0.5, atol=0.02)


def ring(width: float, off: np.ndarray) -> Volume:
    """Cavity 1, a wall 2 of ``width`` voxels, outside 0."""
    y, x = np.indices((64, 64)) - 31.5 - off[:, None, None]
    radius = np.hypot(y, x)
    labels = np.where(radius < 19, 1, np.where(radius < 19 + width, 2, 0)).astype(np.uint8)
    return Volume(labels[None], Geometry((1, 64, 64), (8.0, 1.0, 1.0)))


def nearest(volume: Volume, on: Geometry) -> np.ndarray:
    """What we do not do."""
    place = on.to_patient(np.indices(on.shape).reshape(3, -1))[::-1]  # (z, y, x), as LPS is
    at = (place - np.array(volume.geometry.origin_mm)[::-1, None]) / np.array(volume.spacing_mm)[
        :, None
    ]
    found = ndimage.map_coordinates(volume.array, at, order=0, mode="nearest")
    return found.reshape(on.shape)


def leaks(labels: np.ndarray) -> int:
    """Cavity voxels with the outside among their four neighbours."""
    outside = ndimage.binary_dilation(labels[0] == 0)
    return int((outside & (labels[0] == 1)).sum())


@pytest.mark.parametrize(("ratio", "width"), [(1.1, 1.42), (1.25, 1.42), (1.45, 1.42), (1.6, 1.42)])
def test_a_thin_wall_survives_where_nearest_neighbours_tear_it(ratio: float, width: float) -> None:
    """A wall thinner than about a voxel of the grid keeps its volume and holds better."""
    torn_ours, torn_nearest = 0, 0
    for off in np.random.default_rng(0).uniform(-1, 1, (8, 2)):
        volume = ring(width, off)
        assert leaks(volume.array) == 0
        moved = labels_to_grid(volume, Grid((None, ratio, ratio)))
        torn_ours += leaks(moved.array)
        torn_nearest += leaks(nearest(volume, moved.geometry))
        before = (volume.array == 2).sum() * volume.geometry.voxel_ml
        after = (moved.array == 2).sum() * moved.geometry.voxel_ml
        assert after == pytest.approx(before, rel=0.1)
    assert torn_ours < torn_nearest / 1.5


def test_a_wall_of_one_voxel_of_the_grid_stays_closed() -> None:
    for off in np.random.default_rng(0).uniform(-1, 1, (8, 2)):
        moved = labels_to_grid(ring(1.42, off), Grid((None, 1.1, 1.1)))
        assert leaks(moved.array) == 0


@settings(max_examples=20, deadline=None)
@given(blobs(soft=False))
def test_labels_keep_their_volume_on_the_grid(case: tuple[Volume, Grid]) -> None:
    volume, grid = case
    moved = labels_to_grid(volume, grid)
    before = volume.array.sum() * volume.geometry.voxel_ml
    assert moved.array.sum() * moved.geometry.voxel_ml == pytest.approx(before, rel=0.01)


def test_labels_keep_codes_and_type() -> None:
    array = np.zeros((2, 30, 30), np.int16)
    array[:, 5:15, 5:15] = 3
    array[:, 15:25, 5:15] = 7
    moved = labels_to_grid(
        Volume(array, Geometry(array.shape, (8.0, 1.0, 1.0))), Grid((None, 0.7, 0.7))
    )
    assert moved.array.dtype == np.int16
    assert set(np.unique(moved.array)) == {0, 3, 7}
    assert (moved.array == 3).sum() * moved.geometry.voxel_ml == pytest.approx(1.6, rel=0.05)


def test_probabilities_agree_with_an_independent_interpolation() -> None:
    rng = np.random.default_rng(0)
    source = Geometry((3, 20, 24), (9.0, 1.6, 1.4), (1.0, 2.0, 3.0), LPS)
    on = Geometry((4, 33, 31), (7.0, 1.0, 1.1), (0.0, 2.5, 2.0), LPS)
    probabilities = rng.random((2, *source.shape)).astype(np.float32)
    index = on.to_patient(np.indices(on.shape).reshape(3, -1))
    at = (index[::-1] - np.array(source.origin_mm)[::-1, None]) / np.array(source.spacing_mm)[
        :, None
    ]
    expected = [ndimage.map_coordinates(p, at, order=1, mode="nearest") for p in probabilities]
    found = probabilities_to(source, probabilities, on)
    np.testing.assert_allclose(found.reshape(2, -1), expected, atol=1e-5)


def test_one_slice_one_row() -> None:
    volume = Volume(np.ones((1, 1, 40), np.float32), Geometry((1, 1, 40), (8.0, 1.0, 1.0)))
    moved = to_grid(volume, Grid((10.0, 2.0, 2.0)))
    assert moved.array.shape == (1, 1, 20)
    np.testing.assert_allclose(moved.array, 1, rtol=1e-6)


def test_the_way_back_is_fast() -> None:
    """Four classes on ten slices of 256 x 256: well under 100 ms, beside other work too."""
    on = Geometry((10, 256, 256), (10.0, 1.1, 1.1))
    source = Grid((None, 1.458, 1.458)).of(on)
    probabilities = np.random.default_rng(0).random((4, *source.shape)).astype(np.float32)
    took = []
    for _ in range(4):
        start = time.process_time()
        probabilities_to(source, probabilities, on)
        took.append(time.process_time() - start)
    assert min(took) < 0.1


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
