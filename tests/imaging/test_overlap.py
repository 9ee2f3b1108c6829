import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cmrseg.imaging.overlap import dice, volume_difference_mm3, volume_ml, volume_mm3

masks = arrays(bool, (3, 4, 5))
EMPTY = np.zeros((2, 3, 3), bool)
FULL = np.ones((2, 3, 3), bool)


def test_dice_by_hand():
    # 4 voxels and 2 voxels, 1 in common: 2 * 1 / (4 + 2)
    pred, truth = np.zeros((1, 3, 4), bool), np.zeros((1, 3, 4), bool)
    pred[0, 0, :4] = True
    truth[0, 0:2, 3] = True
    assert dice(pred, truth) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("pred", "truth", "expected"),
    [(EMPTY, EMPTY, 1.0), (EMPTY, FULL, 0.0), (FULL, EMPTY, 0.0), (FULL, FULL, 1.0)],
)
def test_dice_where_masks_are_empty_or_equal(pred, truth, expected):
    assert dice(pred, truth) == expected


@given(masks, masks)
def test_dice_is_symmetric_and_bounded(pred, truth):
    assert dice(pred, truth) == dice(truth, pred)
    assert 0.0 <= dice(pred, truth) <= 1.0
    assert (dice(pred, truth) == 1.0) == np.array_equal(pred, truth)


@settings(deadline=None)
@given(masks, masks)
def test_dice_equals_medpy_where_medpy_is_defined(pred, truth):
    binary = pytest.importorskip("medpy.metric.binary")
    if pred.any() or truth.any():
        assert dice(pred, truth) == pytest.approx(binary.dc(pred, truth), abs=1e-12)


def test_dice_equals_monai():
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    rng = np.random.default_rng(0)
    pred, truth = rng.random((2, 6, 20, 20)) < 0.4
    theirs = metrics.compute_dice(*(torch.from_numpy(m)[None, None] for m in (pred, truth)))
    assert dice(pred, truth) == pytest.approx(float(theirs), abs=1e-6)


def test_volumes_by_hand():
    # 18 voxels of 13 x 1.4 x 1.5 mm = 18 * 27.3 mm3 = 491.4 mm3
    assert volume_mm3(FULL, (13, 1.4, 1.5)) == pytest.approx(491.4)
    assert volume_ml(FULL, (13, 1.4, 1.5)) == pytest.approx(0.4914)
    assert volume_ml(EMPTY, (13, 1.4, 1.5)) == 0.0
    half = FULL.copy()
    half[0] = False
    # 9 voxels apart, whichever is larger
    assert volume_difference_mm3(FULL, half, (13, 1.4, 1.5)) == pytest.approx(245.7)
    assert volume_difference_mm3(half, FULL, (13, 1.4, 1.5)) == pytest.approx(245.7)


def test_equal_volumes_in_different_places_have_no_difference():
    assert volume_difference_mm3(np.roll(EMPTY, 1), EMPTY, (10.0, 1.1, 1.3)) == 0.0
    one, other = EMPTY.copy(), EMPTY.copy()
    one[0, 0, 0] = other[1, 2, 2] = True
    assert volume_difference_mm3(one, other, (10.0, 1.1, 1.3)) == 0.0


@pytest.mark.parametrize("measure", [dice, lambda p, t: volume_difference_mm3(p, t, (1, 1, 1))])
def test_label_maps_and_other_grids_are_refused(measure):
    with pytest.raises(ValueError, match="boolean"):
        measure(FULL.astype(np.uint8), FULL)
    with pytest.raises(ValueError, match="different shapes"):
        measure(FULL, FULL[:1])


@given(st.tuples(*[st.floats(0.1, 20)] * 3))
def test_volume_scales_with_the_voxel(spacing_mm):
    assert volume_ml(FULL, spacing_mm) == pytest.approx(18 * np.prod(spacing_mm) / 1000)
