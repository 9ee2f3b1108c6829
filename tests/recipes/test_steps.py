"""Steps both recipes take."""

from dataclasses import replace

import numpy as np
import pytest

from cmrseg.cases.case import ImageSource
from cmrseg.imaging import Grid
from cmrseg.imaging.postprocess import (
    cleaned,
    in_large_pieces,
    in_one_piece,
    labels,
    likeliest,
    ventricles,
)
from cmrseg.recipes.steps import missing_structures, prepared_image, within_role
from cmrseg.runtime.errors import InputError, OutputError
from tiny import save, volume


def test_an_image_comes_as_stored_and_as_a_network_sees_it(tmp_path):
    path = save(tmp_path / "a.nii.gz", volume(1))
    stored, prepared = prepared_image(ImageSource(path), Grid((None, 1.5, 1.5)))
    np.testing.assert_array_equal(stored.array, volume(1).array)
    assert prepared.image.spacing_mm == pytest.approx((9.0, 1.5, 1.5))
    back = prepared.restore(prepared.image.array[None])
    assert back.shape == (1, *stored.array.shape)


def test_labels_keep_the_heart_in_one_piece():
    """Two pieces: the larger, of two structures that touch, stays; the smaller goes."""
    probabilities = np.zeros((3, 2, 6, 8))
    probabilities[0] = 0.5
    probabilities[1, :, 1:3, 1:4] = 0.9
    probabilities[2, :, 3:5, 1:4] = 0.9
    probabilities[1, 0, 1:4, 6:8] = 0.9
    found = labels(probabilities)
    assert found.dtype == np.uint8
    assert (found[:, 1:3, 1:4] == 1).all()
    assert (found[:, 3:5, 1:4] == 2).all()
    assert (found > 0).sum() == 24


def test_ventricles_that_do_not_touch_both_stay_and_what_is_small_goes():
    """An LV of 128 voxels, an RV of 64 apart from it, and 2 voxels of liver."""
    probabilities = np.zeros((4, 2, 10, 18))
    probabilities[0] = 0.5
    probabilities[1, :, 1:9, 1:9] = 0.9
    probabilities[3, :, 1:9, 10:14] = 0.9
    probabilities[3, 0, 5, 16:18] = 0.9
    found = ventricles(probabilities)
    assert [(found == label).sum() for label in (1, 3)] == [128, 64]
    assert (labels(probabilities) == 3).sum() == 0
    assert (ventricles(probabilities[:, :1]) == labels(probabilities[:, :1])).all()
    probabilities[:] = [[[[1]]], [[[0]]], [[[0]]], [[[0]]]]
    assert not ventricles(probabilities).any()


def test_rules_on_labels_are_those_on_probabilities():
    """A third of the largest piece is kept in a stack, a sixth is not, and nothing far beside."""
    found = np.zeros((2, 12, 40), np.uint8)
    found[:, :, :8] = 1
    found[:, :8, 9:13] = 3
    found[0, :5, 15:20] = 2
    found[:, :, 30:38] = 2
    found[0, 0, 30] = 0
    probabilities = (np.arange(4)[:, None, None, None] == found[None]).astype(np.float32)
    np.testing.assert_array_equal(likeliest(probabilities), found)
    assert [(in_large_pieces(found) == label).sum() for label in (1, 3, 2)] == [192, 64, 0]
    assert [(in_one_piece(found) == label).sum() for label in (1, 3, 2)] == [192, 0, 0]
    for part, rule in ((slice(0, 2), in_large_pieces), (slice(0, 1), in_one_piece)):
        np.testing.assert_array_equal(ventricles(probabilities[:, part]), rule(found[part]))
        np.testing.assert_array_equal(cleaned(found[part]), rule(found[part]))


def test_no_heart_is_no_label():
    probabilities = np.zeros((3, 2, 4, 4))
    probabilities[0] = 1
    assert not labels(probabilities).any()


def test_errors_name_the_role_and_stay_what_they_are():
    with pytest.raises(OutputError, match=r"^SA_ED: it broke\. mend it\.$"), within_role("SA_ED"):
        raise OutputError("it broke", "mend it")


@pytest.mark.parametrize("in_plane_mm", [0.4, 23.0])
def test_a_field_of_view_no_scanner_has_is_refused(tmp_path, in_plane_mm):
    image = volume(1)
    spacing = (9.0, in_plane_mm, in_plane_mm)
    changed = replace(image, geometry=replace(image.geometry, spacing_mm=spacing))
    path = save(tmp_path / "a.nii.gz", changed)
    with pytest.raises(InputError, match="which no heart scan has"):
        prepared_image(ImageSource(path), Grid((None, 1.5, 1.5)))


def test_padding_is_no_field_of_view(tmp_path):
    image = volume(1)
    wide = ((0, 0), (0, 900), (0, 900))
    padded = np.pad(image.array, wide, constant_values=-1024)
    changed = replace(image, array=padded, geometry=replace(image.geometry, shape=padded.shape))
    path = save(tmp_path / "a.nii.gz", changed)
    _, prepared = prepared_image(ImageSource(path), Grid((None, 1.5, 1.5)), "interior")
    _, alone = prepared_image(
        ImageSource(save(tmp_path / "b.nii.gz", image)), Grid((None, 1.5, 1.5)), "interior"
    )
    np.testing.assert_array_equal(prepared.image.array, alone.image.array)


def test_a_structure_that_every_heart_has_is_missed():
    assert missing_structures({"LV": 90.0, "MYO": 80.0, "RV": 0.0}) == ["no RV was found"]
    assert missing_structures({"LV": 0.0, "MYO": 1.0, "RV": 0.0}) == ["no LV and no RV was found"]
    assert missing_structures({"LV": 1.0}) == []
