import numpy as np
import pytest

from cmrseg.evaluation.emidec import STRUCTURES, evaluate_case, pd_percent
from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.runtime.errors import InputError

SPACING = (13.0, 1.4, 1.4)  # 25.48 mm3 a voxel


def volume(array, spacing_mm=SPACING, **more):
    array = np.asarray(array)
    return Volume(array, Geometry(array.shape, spacing_mm, **more))


def heart():
    """4 slices; by voxels: 40 normal myocardium, 12 infarction, 4 no-reflow, 16 cavity."""
    array = np.zeros((4, 12, 12), np.uint8)
    array[1:3, 2:8, 2:8] = 2  # 2 x 36 = 72
    array[1:3, 3:7, 3:5] = 1  # 2 x 8 = 16 of them cavity
    array[1:3, 2:4, 5:8] = 3  # 2 x 6 = 12 infarction
    array[1:3, 2, 6:8] = 4  # 2 x 2 = 4 of those no-reflow
    return array


def counts(array):
    return [int((array == label).sum()) for label in range(1, 5)]


def test_the_hand_made_heart_is_what_it_says():
    assert counts(heart()) == [16, 44, 8, 4]


def test_a_perfect_prediction():
    row = evaluate_case(volume(heart()), volume(heart()))
    assert row["myocardium_hd_mm"] == row["myocardium_hd_official_mm"] == 0.0
    for name in STRUCTURES:
        assert row[f"{name}_dice"] == 1.0
        assert row[f"{name}_volume_difference_mm3"] == 0.0
        assert row[f"{name}_volume_ml"] == row[f"{name}_truth_volume_ml"] > 0
    assert row["infarction_pd_percent"] == row["no_reflow_pd_percent"] == 0.0
    # 44 + 8 + 4 voxels of 25.48 mm3
    assert row["myocardium_volume_ml"] == pytest.approx(56 * 25.48 / 1000)


def test_unions_by_hand():
    pred = heart()
    pred[pred == 4] = 3  # no-reflow taken for infarct: MI and myocardium do not change
    pred[2][pred[2] == 3] = 2  # in one of two slices the infarct is taken for myocardium
    row = evaluate_case(volume(pred), volume(heart()))
    assert row["myocardium_dice"] == 1.0
    assert row["myocardium_hd_mm"] == 0.0
    # infarction (3|4): 6 of 12 voxels found, 6 in common: 2 * 6 / (6 + 12)
    assert row["infarction_dice"] == pytest.approx(2 / 3)
    assert row["infarction_volume_difference_mm3"] == pytest.approx(6 * 25.48)
    assert row["infarction_volume_difference_cm3"] == pytest.approx(6 * 25.48 / 1000)
    # of the true myocardium's 56 voxels
    assert row["infarction_pd_percent"] == pytest.approx(100 * 6 / 56)
    assert row["infarction_volume_ml"] == pytest.approx(6 * 25.48 / 1000)
    assert row["infarction_truth_volume_ml"] == pytest.approx(12 * 25.48 / 1000)
    # no-reflow: 0 of 4 voxels found
    assert row["no_reflow_dice"] == 0.0
    assert row["no_reflow_pd_percent"] == pytest.approx(100 * 4 / 56)


def test_both_hausdorff_distances_of_a_shift_along_x():
    row = evaluate_case(volume(np.roll(heart(), 3, axis=2)), volume(heart()))
    assert row["myocardium_hd_mm"] == pytest.approx(4.2)
    assert row["myocardium_hd_official_mm"] == pytest.approx(39.0)


def test_a_normal_heart_found_normal_scores_one_and_one_voxel_of_infarct_scores_zero():
    normal = np.where(heart() > 2, 2, heart()).astype(np.uint8)
    row = evaluate_case(volume(normal), volume(normal))
    assert row["infarction_dice"] == row["no_reflow_dice"] == 1.0
    wrong = normal.copy()
    wrong[1, 2, 2] = 3
    row = evaluate_case(volume(wrong), volume(normal))
    assert row["infarction_dice"] == 0.0
    assert row["no_reflow_dice"] == 1.0
    assert row["infarction_pd_percent"] == pytest.approx(100 / 56)


def test_every_combination_of_empty_is_finite():
    nothing = np.zeros_like(heart())
    for pred, truth in ((nothing, nothing), (nothing, heart()), (heart(), nothing)):
        row = evaluate_case(volume(pred), volume(truth))
        assert all(np.isfinite(value) for value in row.values())
    row = evaluate_case(volume(nothing), volume(nothing))
    assert row["myocardium_dice"] == 1.0
    assert row["myocardium_hd_mm"] == row["myocardium_hd_official_mm"] == 0.0
    assert row["infarction_pd_percent"] == 0.0
    row = evaluate_case(volume(heart()), volume(nothing), one_empty_mm=50)
    assert row["myocardium_dice"] == 0.0
    assert row["myocardium_hd_mm"] == row["myocardium_hd_official_mm"] == 50.0
    assert row["infarction_pd_percent"] == 100.0  # of a myocardium that is not there
    row = evaluate_case(volume(nothing), volume(heart()))
    # 4 x 13, 12 x 1.4 and 12 x 1.4 mm
    assert row["myocardium_hd_mm"] == pytest.approx(np.sqrt(52**2 + 2 * 16.8**2))


def test_pd_by_hand():
    truth, pred = np.zeros((2, 1, 10), bool)
    truth[0, :5], pred[0, :2] = True, True
    myocardium = np.ones((1, 10), bool)
    assert pd_percent(pred, truth, myocardium) == pytest.approx(30.0)
    assert pd_percent(pred, pred, ~myocardium) == 0.0


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_the_type_of_the_labels_does_not_matter(dtype):
    row = evaluate_case(volume(heart().astype(dtype)), volume(heart()))
    assert row["infarction_dice"] == 1.0


@pytest.mark.parametrize("value", [5, -1, 2.5, np.nan, np.inf])
def test_what_is_no_label_is_refused(value):
    wrong = heart().astype(np.float32)
    wrong[0, 0, 0] = value
    with pytest.raises(InputError, match="the prediction holds values that are not labels"):
        evaluate_case(volume(wrong), volume(heart()))
    with pytest.raises(InputError, match="the truth holds"):
        evaluate_case(volume(heart()), volume(wrong))


def test_other_grids_are_refused():
    truth = volume(heart())
    with pytest.raises(InputError, match=r"3 x 12 x 12 voxels .* 4 x 12 x 12"):
        evaluate_case(volume(heart()[:3]), truth)
    with pytest.raises(InputError, match=r"13 x 1 x 1 mm .* 13 x 1\.4 x 1\.4 mm"):
        evaluate_case(volume(heart(), (13.0, 1.0, 1.0)), truth)
    with pytest.raises(InputError, match="different places"):
        evaluate_case(volume(heart(), origin_mm=(0, 5.0, 0)), truth)
    # the rounding of a header is no other grid
    nearly = volume(heart(), (13.0, 1.400001, 1.4), origin_mm=(0.01, 0, 0))
    assert evaluate_case(nearly, truth)["myocardium_dice"] == 1.0
