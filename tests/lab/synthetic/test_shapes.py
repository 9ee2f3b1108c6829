import numpy as np
import pytest

from cmrseg_lab.synthetic.shapes import SliceCanvas, blend_union, capsule, ellipsoid, share, tube


def points(*rows: tuple[float, float, float]) -> list[np.ndarray]:
    return [np.array(column, np.float32) for column in zip(*rows, strict=True)]


def test_share_goes_from_all_to_nothing_over_one_pixel() -> None:
    distance = np.array([-5.0, -1.0, 0.0, 0.5, 1.0, 9.0], np.float32)
    assert share(distance, 2.0) == pytest.approx([1, 1, 0.5, 0.25, 0, 0])


def test_ellipsoid_is_a_distance_near_its_surface() -> None:
    xyz = points((10, 0, 0), (0, 20, 0), (0, 0, 31), (9, 0, 0))
    distance = ellipsoid(*xyz, (0, 0, 0), (10, 20, 30))
    assert distance == pytest.approx([0, 0, 1, -1], abs=0.06)


def test_capsule_is_a_distance_everywhere() -> None:
    xyz = points((0, 0, 5), (4, 0, 5), (0, 0, 15), (0, 3, -4))
    assert capsule(*xyz, (0, 0, 0), (0, 0, 10), 2.0) == pytest.approx([-2, 2, 3, 3], abs=1e-5)


def test_tube() -> None:
    x, y = np.array([0.0, 5.0, 8.0]), np.array([0.0, 0.0, 0.0])
    assert tube(x, y, (0.0, 0.0), (5.0, 5.0)) == pytest.approx([-5, 0, 3], abs=1e-5)


def test_blend_union_fills_the_crease_and_nothing_else() -> None:
    a, b = np.array([1.0, -3.0, 9.0]), np.array([1.0, 8.0, 0.5])
    blended = blend_union(a, b, 4.0)
    assert blended[0] < 1.0
    assert blended[1:] == pytest.approx([-3.0, 0.5])


def test_painting_a_part_paints_the_canvas() -> None:
    canvas = SliceCanvas(np.zeros((1, 4, 4), np.float32), 1.0)
    canvas.part((slice(None), slice(1, 3), slice(1, 3))).blend(np.full((1, 2, 2), 0.5), 4.0)
    assert canvas.signal.sum() == pytest.approx(8.0)
    assert canvas.signal[0, 1, 1] == 2.0
