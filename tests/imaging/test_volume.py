import subprocess
import sys

import numpy as np
import pytest

from cmrseg.imaging import Geometry, Volume
from cmrseg.runtime.errors import InputError


def test_positions_follow_direction_spacing_and_origin() -> None:
    geometry = Geometry((4, 5, 6), (8.0, 2.0, 1.0), origin_mm=(10.0, 20.0, 30.0))
    # identity: array z runs along patient z, y along y, x along x
    position = geometry.to_patient(np.array([[1], [2], [3]]))
    np.testing.assert_allclose(position[:, 0], [13.0, 24.0, 38.0])
    assert geometry.voxel_ml == pytest.approx(0.016)


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, np.nan)])
def test_spacing_must_be_positive(spacing: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="spacing"):
        Geometry((1, 2, 3), spacing)


def test_origin_must_be_finite() -> None:
    with pytest.raises(InputError, match="position"):
        Geometry((1, 2, 3), (1.0, 1.0, 1.0), origin_mm=(0.0, np.inf, 0.0))


def test_same_as_sees_a_shift_a_turn_and_a_shape() -> None:
    a = Geometry((4, 50, 60), (8.0, 2.0, 1.0))
    assert a.same_as(Geometry((4, 50, 60), (8.0, 2.0, 1.0)))
    assert not a.same_as(Geometry((4, 50, 60), (8.0, 2.0, 1.0), origin_mm=(0.0, 0.1, 0.0)))
    assert not a.same_as(Geometry((4, 50, 60), (8.0, 2.0, 1.001)))
    assert not a.same_as(Geometry((4, 50, 61), (8.0, 2.0, 1.0)))
    assert not a.same_as(Geometry((4, 50, 60), (8.0, 2.0, 1.0), direction=np.eye(3)))


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="geometry"):
        Volume(np.zeros((2, 3, 4)), Geometry((2, 3, 5), (1.0, 1.0, 1.0)))


def test_importing_volumes_stays_light() -> None:
    code = (
        "import sys, cmrseg.imaging.volume, cmrseg.imaging as i; i.read; i.write; i.canonical;"
        "print([m for m in ('SimpleITK', 'nibabel', 'scipy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_advertised_name_is_there() -> None:
    import cmrseg.imaging

    for name in cmrseg.imaging.__all__:
        assert callable(getattr(cmrseg.imaging, name))
