import numpy as np
import pytest

from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.patient import SyntheticPatient
from cmrseg_lab.synthetic.reformat import (
    find_axes,
    labels_at,
    reformatted_four_chamber,
    signed_distances,
)


def cone() -> Volume:
    """Cavity of radius 20, 16, 12, 8 mm in four slices 10 mm apart, wall 6 mm, RV beside."""
    label = np.zeros((4, 96, 96), np.uint8)
    y, x = np.indices((96, 96)) - 48
    for z, radius in enumerate((20, 16, 12, 8)):
        r = np.hypot(y, x)
        label[z][np.hypot(y, x + 34) < radius] = 3
        label[z][r < radius + 6] = 2
        label[z][r < radius] = 1
    geometry = Geometry(shape=(4, 96, 96), spacing_mm=(10.0, 1.0, 1.0))
    return Volume(label, geometry)


def test_axes_of_a_cone() -> None:
    axes = find_axes(cone())
    assert axes.base == pytest.approx([48, 48, 0], abs=0.5)
    assert axes.apex == pytest.approx([48, 48, 30], abs=0.5)
    assert axes.to_rv == pytest.approx([-1, 0, 0], abs=0.02)


def test_labels_between_slices_have_the_shape_between() -> None:
    label = cone()
    distances = signed_distances(label.array, (1, 2, 3), (1.0, 1.0))
    x = np.arange(96.0)
    at = labels_at(distances, label.geometry, np.stack([x, np.full(96, 48.0), np.full(96, 5.0)]))
    assert (at == 1).sum() == pytest.approx(2 * 18, abs=2)
    right = at[48:]
    assert (right == 2).sum() == pytest.approx(6, abs=1)


def test_labels_on_a_slice_are_that_slice() -> None:
    label = cone()
    distances = signed_distances(label.array, (1, 2, 3), (1.0, 1.0))
    index = np.indices((96, 96)).reshape(2, -1)
    on = label.geometry.to_patient(np.vstack([np.full((1, index.shape[1]), 2), index]))
    found = labels_at(distances, label.geometry, on).reshape(96, 96)
    assert np.array_equal(found, label.array[2])


def test_four_chamber_of_a_cone_is_a_bowl_with_a_closed_apex() -> None:
    label = cone()
    image, plane = reformatted_four_chamber(label, label, spacing_mm=1.0, size=96)
    found = plane.array[0]
    rows = np.flatnonzero((found == 1).any(1))
    widths = [(found[row] == 1).sum() for row in rows]
    assert widths == sorted(widths)  # apex up
    assert widths[0] < 10
    assert (found[: rows[0]] == 2).any()
    lv, rv = (np.argwhere(found == code)[:, 1].mean() for code in (1, 3))
    assert rv < lv  # RV on the left
    assert image.array.dtype == label.array.dtype
    again = find_axes(label)
    half = plane.geometry.to_patient(np.array([[0], [47.5], [47.5]]))[:, 0]
    assert half == pytest.approx(0.5 * (again.base + again.apex), abs=0.1)


def test_reformatted_slice_agrees_with_the_long_axis_truth(cine: SyntheticPatient) -> None:
    _, plane = reformatted_four_chamber(cine.images["SA_ED"], cine.labels["SA_ED"])
    truth = cine.labels["LA_ED"]
    areas = []
    for label in (plane, truth):
        pixel = label.spacing_mm[1] * label.spacing_mm[2]
        areas.append([(label.array == code).sum() * pixel for code in (1, 2)])
    assert areas[0] == pytest.approx(areas[1], rel=0.3)


def test_labels_without_a_ventricle_are_refused() -> None:
    label = cone()
    with pytest.raises(InputError, match="RV"):
        find_axes(label.like(np.where(label.array == 3, 0, label.array)))
    with pytest.raises(InputError, match="LV"):
        find_axes(label.like(np.where(label.array == 1, 0, label.array)))
