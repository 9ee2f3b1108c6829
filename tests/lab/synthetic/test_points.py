import numpy as np
import pytest

from cmrseg.imaging.volume import Geometry
from cmrseg_lab.synthetic.points import Points, around, sparse, where
from cmrseg_lab.synthetic.texture import slow_noise
from cmrseg_lab.synthetic.views import View


def oblique() -> tuple[View, Geometry]:
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    geometry = Geometry(
        shape=(3, 20, 30), spacing_mm=(8.0, 1.5, 1.2), origin_mm=(5.0, -7.0, 11.0), direction=turn
    )
    return View(geometry=geometry, shifts_mm=np.zeros((3, 3)), thickness_mm=6.0), geometry


def grid(view: View, z: int, samples: int) -> Points:
    return view.points(z, np.eye(3), np.zeros(3), samples)


def test_points_lie_where_the_header_says() -> None:
    view, geometry = oblique()
    x, y, z = grid(view, 2, 1).xyz
    expected = geometry.to_patient(np.array([[2], [13], [21]]))[:, 0]
    assert [x[0, 13, 21], y[0, 13, 21], z[0, 13, 21]] == pytest.approx(expected, abs=1e-3)


def test_samples_spread_through_the_thickness() -> None:
    view, geometry = oblique()
    xyz = np.stack(grid(view, 1, 3).xyz)[:, :, 4, 5]
    depth = geometry.direction[:, 0] @ xyz
    assert np.diff(depth) == pytest.approx([2.0, 2.0], abs=1e-3)


def test_ball_holds_all_points_near_its_centre() -> None:
    view, geometry = oblique()
    points = grid(view, 1, 3)
    centre = tuple(geometry.to_patient(np.array([[1.2], [8.0], [10.0]]))[:, 0].tolist())
    window = points.ball(centre, 6.0)
    assert window is not None
    near = sum((c - m) ** 2 for c, m in zip(points.xyz, centre, strict=True)) < 36
    outside = near.copy()
    outside[window] = False
    assert near.any()
    assert not outside.any()
    assert near[window].size < near.size
    cropped, direct = points.crop(window).xyz, points.within(window)
    for a, b in zip(cropped, direct, strict=True):
        assert a == pytest.approx(b, abs=1e-4)


def test_no_window_for_a_ball_elsewhere() -> None:
    view, geometry = oblique()
    far = geometry.to_patient(np.array([[9.0], [8.0], [10.0]]))[:, 0]
    assert grid(view, 1, 1).ball(tuple(far.tolist()), 6.0) is None
    beside = geometry.to_patient(np.array([[1.0], [80.0], [10.0]]))[:, 0]
    assert grid(view, 1, 1).ball(tuple(beside.tolist()), 6.0) is None


def test_window_of_marked_points_is_as_small_as_can_be() -> None:
    mask = np.zeros((3, 20, 30), bool)
    assert where(mask) is None
    mask[0, 4, 11] = mask[2, 9, 7] = True
    assert where(mask) == (slice(None), slice(4, 10), slice(7, 12))


def test_a_part_keeps_the_coordinates_that_are_known() -> None:
    view, _ = oblique()
    points = grid(view, 1, 3)
    window = slice(None), slice(3, 9), slice(5, 25)
    known = points.within(window)
    for a, b in zip(points.crop(window).xyz, known, strict=True):
        assert np.shares_memory(a, b)


def test_slow_noise_is_the_same_in_a_part_found_at_every_fourth_point() -> None:
    view, _ = oblique()
    points = grid(view, 1, 3)
    whole = slow_noise(*points.xyz, 0.65, 77)
    marks = np.zeros((1, 5, 8), bool)  # of 20 rows and 30 columns
    assert around(marks, points.shape) is None
    for row, column, rows, columns in (
        (2, 3, slice(4, 13), slice(8, 17)),
        (0, 0, slice(0, 5), slice(0, 5)),
        (4, 7, slice(12, 20), slice(24, 30)),
    ):
        marks[:] = False
        marks[0, row, column] = True
        window = around(marks, points.shape)
        assert window == (slice(None), rows, columns)
        part = slow_noise(*points.crop(window).xyz, 0.65, 77)
        assert part == pytest.approx(whole[window], abs=1e-5)
    assert sparse(whole).shape == (3, 5, 8)


def test_sparse_points_are_every_fourth_of_the_middle_plane() -> None:
    view, _ = oblique()
    points = grid(view, 1, 3)
    few = points.sparse()
    assert few.shape == (5, 8)
    for whole, part in zip(points.xyz, few.xyz, strict=True):
        assert part == pytest.approx(sparse(whole)[1:2], abs=1e-4)
