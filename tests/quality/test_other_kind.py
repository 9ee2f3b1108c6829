from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.quality.other_kind import Kind, greyness, other_kind, shape_of

SPACING_MM = (8.0, 1.5, 1.5)
OBLIQUE = np.linalg.qr(np.array([[0.6, 0.5, 0.4], [-0.6, 0.7, 0.2], [-0.5, 0.1, 0.8]]))[0]
"""Columns (z, y, x): the first is across a short axis."""


def heart(length: float = 1.0, slices: int = 6) -> tuple[Array, Array]:
    """Cavity and muscle: ellipses ``length`` times as long as wide, the base of long ones open."""
    y, x = np.mgrid[:128, :128] - 64.0
    radius = np.hypot(y / length, x)
    cavity, muscle = radius < 16, (radius >= 16) & (radius < 23)
    if length > 1:
        cavity, muscle = cavity & (y > -20), muscle & (y > -20)
    return np.repeat(cavity[None], slices, 0), np.repeat(muscle[None], slices, 0)


def image(
    cavity: Array,
    muscle: Array,
    *,
    air: float = 0.0,
    wall: float = 30.0,
    direction: Array = OBLIQUE,
) -> Volume:
    """Blood is 100, half of the field of view air, the rest as grey as muscle."""
    array = np.full(cavity.shape, wall)
    array[:, :40] = air
    array[:, :4] = 0.0
    array[cavity], array[muscle] = 100.0, wall
    array += np.random.default_rng(0).normal(0, 2, cavity.shape)
    geometry = Geometry(array.shape, SPACING_MM, direction=direction)
    return Volume(array.astype(np.float32), geometry)


def reasons(kind: Kind, volume: Volume, length: float = 1.0, right: bool = True) -> str:
    cavity, muscle = heart(length, len(volume.array))
    signs = other_kind(kind, volume, cavity=cavity, muscle=muscle, right=right)
    return " | ".join(one.words for one in signs)


CINE = image(*heart())
LATE = image(*heart(), air=45.0, wall=60.0)


def test_images_of_the_right_kind_have_nothing_said_of_them() -> None:
    assert reasons("SA", CINE) == ""
    assert reasons("LGE", LATE) == ""


def test_cine_given_as_late_enhancement_is_told() -> None:
    assert "looks like cine" in reasons("LGE", CINE)


def test_late_enhancement_given_as_cine_is_told() -> None:
    assert "looks like late enhancement" in reasons("SA", LATE)


def test_greys_count_whatever_offset_and_factor() -> None:
    cavity, muscle = heart()
    found = greyness(CINE.array, cavity, muscle)
    assert greyness(CINE.array * 7 - 300, cavity, muscle) == pytest.approx(found, abs=1e-3)
    assert greyness(CINE.array, cavity & False, muscle) is None


def test_a_long_axis_given_as_short_axis_is_told_and_the_reverse() -> None:
    long = image(*heart(2.5))
    assert "looks like another view" in reasons("SA", long, 2.5)
    assert reasons("LA", replace(long, geometry=flat()), 2.5) == ""
    assert "looks like a short axis" in reasons("LA", replace(CINE, geometry=flat()))


def flat() -> Geometry:
    """A plane 30 degrees off axial."""
    turn = np.radians(30)
    z = [0.0, np.sin(turn), np.cos(turn)]
    y = [0.0, np.cos(turn), -np.sin(turn)]
    return Geometry(CINE.array.shape, SPACING_MM, direction=np.array([z, y, [1.0, 0, 0]]).T)


def test_no_heart_is_told() -> None:
    nothing = np.zeros(CINE.array.shape, bool)
    (said,) = other_kind("SA", CINE, cavity=nothing, muscle=nothing)
    assert "no left ventricle" in said.words


def test_a_four_chamber_view_has_a_right_ventricle_and_lies_nearly_flat() -> None:
    long = image(*heart(2.5))
    assert "2-chamber" in reasons("LA", replace(long, geometry=flat()), 2.5, right=False)
    upright = Geometry(long.array.shape, SPACING_MM, direction=np.roll(OBLIQUE, -1, axis=1))
    assert "upright" in reasons("LA", replace(long, geometry=upright), 2.5)


@pytest.mark.parametrize(("axis", "name"), [(0, "sagittal"), (1, "coronal"), (2, "axial")])
def test_stacks_along_the_bodys_axes_are_told(axis: int, name: str) -> None:
    along = np.roll(np.eye(3)[:, ::-1], axis + 1, axis=1)
    tilt = np.radians(3)
    turned = np.array(
        [[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]]
    )
    turned = turned @ np.roll(turned, 1, axis=(0, 1))
    assert name in reasons("SA", image(*heart(), direction=turned @ along))
    # exactly along them: the orientation got lost, unless a scanner says so
    plain = image(*heart(), direction=along)
    assert reasons("SA", plain) == ""
    scanned = replace(plain, header={"dicom": {"modality": "MR", "inverted": False}})
    assert name in reasons("SA", scanned)


def test_a_plane_along_the_heart_is_no_short_axis() -> None:
    assert "degrees off" in reasons("SA", image(*heart(), direction=np.roll(OBLIQUE, 1, axis=1)))


def test_what_the_file_says_of_the_sequence() -> None:
    inverted = {"dicom": {"modality": "MR", "inverted": True}, "frames": 1}
    assert "inversion pulse" in reasons("SA", replace(CINE, header=inverted))
    assert "CT, not MR" in reasons("SA", replace(CINE, header={"dicom": {"modality": "CT"}}))
    assert reasons("LGE", replace(LATE, header=inverted)) == ""
    assert "25 frames" in reasons("LGE", replace(LATE, header={"frames": 25}))


def test_a_cavity_without_a_ring_is_told() -> None:
    cavity, muscle = heart()
    muscle[:, :64] = False
    (said,) = other_kind("SA", CINE, cavity=cavity, muscle=muscle)
    assert said.by == "shape"
    assert "no ring" in said.words


def test_the_shape_of_a_ring() -> None:
    shape = shape_of(*heart(), SPACING_MM)
    assert shape is not None
    assert shape.enclosed == 1
    assert shape.elongation == pytest.approx(1, abs=0.02)
    assert shape_of(*(np.zeros((2, 9, 9), bool),) * 2, SPACING_MM) is None
