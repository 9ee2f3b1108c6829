import numpy as np
import pytest

from cmrseg.imaging.direction import orthonormal
from cmrseg.runtime.errors import InputError


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
