import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter

from cmrseg.imaging.surface import (
    hausdorff_mm,
    hausdorff_official_mm,
    surface_distances,
)

SPACING = (13.0, 1.4, 1.4)
EMPTY = np.zeros((4, 6, 8), bool)
shapes = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))
spacings = st.tuples(*[st.floats(0.3, 15)] * 3)


@st.composite
def mask_pairs(draw):
    shape = draw(shapes)
    return draw(arrays(bool, shape)), draw(arrays(bool, shape))


def blobs(seed, shape=(6, 24, 20)):
    """Two overlapping random shapes with holes and islands."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=shape)
    return tuple(
        gaussian_filter(common + 0.7 * rng.normal(size=shape), (0.7, 2, 2)) > 0.05 for _ in range(2)
    )


def cuboid(z, y, x, shape=(10, 40, 40)):
    mask = np.zeros(shape, bool)
    mask[slice(*z), slice(*y), slice(*x)] = True
    return mask


@pytest.mark.parametrize(
    ("shift", "expected_mm"),
    [
        ((0, 0, 3), 4.2),  # 3 voxels of 1.4 mm along x
        ((0, 2, 0), 2.8),  # 2 voxels of 1.4 mm along y
        ((1, 0, 0), 13.0),  # 1 slice
        ((0, 3, 4), 7.0),  # 5 voxels (3, 4, 5) of 1.4 mm across the plane
    ],
)
def test_a_shift_costs_its_length(shift, expected_mm):
    truth = cuboid((2, 7), (10, 20), (10, 20))
    pred = np.roll(truth, shift, (0, 1, 2))
    assert hausdorff_mm(pred, truth, SPACING) == pytest.approx(expected_mm)


def test_the_official_distance_swaps_x_and_z():
    # SimpleITK's spacing (1.4, 1.4, 13) in x, y, z put on an array in z, y, x: a voxel along x
    # counts 13 mm, so 3 of them are 39.0 mm instead of 4.2 mm
    truth = cuboid((2, 7), (10, 20), (10, 20))
    pred = np.roll(truth, 3, axis=2)
    assert hausdorff_official_mm(pred, truth, SPACING) == pytest.approx(39.0)
    assert hausdorff_mm(pred, truth, SPACING) == pytest.approx(4.2)
    # and a slice along z counts 1.4 mm instead of 13 mm
    pred = np.roll(truth, 1, axis=0)
    assert hausdorff_official_mm(pred, truth, SPACING) == pytest.approx(1.4)


def test_one_far_voxel_moves_the_maximum_and_hardly_the_others():
    truth = cuboid((0, 1), (10, 30), (10, 30), (1, 40, 40))
    pred = truth.copy()
    pred[0, 20, 39] = True  # 10 pixels right of the last column, 29
    found = surface_distances(pred, truth, (10, 1, 1))
    # the contour of 20 x 20 has 76 pixels; there: 76 zeros and one 10; back: 76 zeros
    assert found.hd_mm == pytest.approx(10.0)
    assert found.hd95_mm == 0.0
    assert found.assd_mm == pytest.approx(10 / (77 + 76))


def test_a_hole_is_surface():
    # 9 x 9 pixels with the middle one missing: the hole's four neighbours join the contour, and
    # lie 4 - 1 = 3 pixels from the outer contour, whose every pixel is in both surfaces
    truth = cuboid((0, 1), (2, 11), (2, 11), (1, 13, 13))
    pred = truth.copy()
    pred[0, 6, 6] = False
    assert hausdorff_mm(pred, truth, (8, 1, 1)) == pytest.approx(3.0)


@pytest.mark.parametrize("metric", [hausdorff_mm, hausdorff_official_mm])
def test_both_empty_is_perfect(metric):
    assert metric(EMPTY, EMPTY, SPACING) == 0.0


def test_one_empty_costs_the_diagonal_of_the_image():
    # 4 slices of 13 mm, 6 rows and 8 columns of 1.4 mm: norm(52, 8.4, 11.2)
    diagonal = np.sqrt(52.0**2 + 8.4**2 + 11.2**2)
    full = ~EMPTY
    for pred, truth in ((full, EMPTY), (EMPTY, full)):
        found = surface_distances(pred, truth, SPACING)
        assert found.hd_mm == found.hd95_mm == found.assd_mm == pytest.approx(diagonal)
        assert hausdorff_mm(pred, truth, SPACING, one_empty_mm=99) == 99.0
        # the official one sees slices 1.4 mm and columns 13 mm apart: norm(5.6, 8.4, 104)
        assert hausdorff_official_mm(pred, truth, SPACING) == pytest.approx(
            np.sqrt(5.6**2 + 8.4**2 + 104.0**2)
        )
        assert hausdorff_official_mm(pred, truth, SPACING, one_empty_mm=99) == 99.0


def test_one_voxel_in_one_voxel():
    voxel = np.ones((1, 1, 1), bool)
    assert hausdorff_mm(voxel, voxel, SPACING) == 0.0
    assert hausdorff_mm(voxel, ~voxel, SPACING) == pytest.approx(np.linalg.norm(SPACING))


@settings(max_examples=60, deadline=None)
@given(mask_pairs(), spacings)
def test_symmetric_finite_ordered_and_bounded(pair, spacing_mm):
    pred, truth = pair
    found = surface_distances(pred, truth, spacing_mm)
    assert found == surface_distances(truth, pred, spacing_mm)
    assert 0.0 <= found.assd_mm <= found.hd_mm + 1e-9
    assert 0.0 <= found.hd95_mm <= found.hd_mm
    longest = np.linalg.norm((np.array(pred.shape) - 1) * spacing_mm)
    diagonal = np.linalg.norm(np.array(pred.shape) * spacing_mm)
    bound = longest if pred.any() and truth.any() else diagonal
    assert found.hd_mm <= bound + 1e-9


@settings(max_examples=30, deadline=None)
@given(arrays(bool, (3, 5, 5)), spacings)
def test_a_mask_is_at_no_distance_from_itself(mask, spacing_mm):
    found = surface_distances(mask, mask, spacing_mm)
    assert (found.hd_mm, found.hd95_mm, found.assd_mm) == (0.0, 0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(arrays(bool, (3, 4, 5)), arrays(bool, (3, 4, 5)), spacings)
def test_equals_medpy_on_any_masks(pred, truth, spacing_mm):
    binary = pytest.importorskip("medpy.metric.binary")
    assume(pred.any() and truth.any())
    found = surface_distances(pred, truth, spacing_mm)
    assert found.hd_mm == pytest.approx(binary.hd(pred, truth, spacing_mm), abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), SPACING, (2.5, 0.7, 1.9)])
def test_equals_medpy_on_blobs(seed, spacing_mm):
    binary = pytest.importorskip("medpy.metric.binary")
    pred, truth = blobs(seed)
    found = surface_distances(pred, truth, spacing_mm)
    assert found.hd_mm == pytest.approx(binary.hd(pred, truth, spacing_mm), abs=1e-6)
    assert found.hd95_mm == pytest.approx(binary.hd95(pred, truth, spacing_mm), abs=1e-6)
    assert found.assd_mm == pytest.approx(binary.assd(pred, truth, spacing_mm), abs=1e-6)
    # what EMIDEC's code passes: (x, y, z)
    assert hausdorff_official_mm(pred, truth, spacing_mm) == pytest.approx(
        binary.hd(pred, truth, spacing_mm[::-1]), abs=1e-6
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_single_slice_is_a_2d_image(seed):
    binary = pytest.importorskip("medpy.metric.binary")
    pred, truth = blobs(seed, (1, 40, 30))
    ours = hausdorff_mm(pred, truth, (8.0, 1.2, 0.9))
    assert ours == pytest.approx(binary.hd(pred[0], truth[0], (1.2, 0.9)), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_equals_monai(seed):
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    pred, truth = blobs(seed)
    theirs = metrics.compute_hausdorff_distance(
        *(torch.from_numpy(m)[None, None] for m in (pred, truth)),
        include_background=True,
        spacing=SPACING,
    )
    assert hausdorff_mm(pred, truth, SPACING) == pytest.approx(float(theirs), rel=1e-6)


def test_where_the_masks_lie_in_the_image_does_not_matter():
    pred, truth = blobs(3)
    around = ((2, 3), (9, 0), (0, 7))
    far = surface_distances(np.pad(pred, around), np.pad(truth, around), SPACING)
    # at the image's edge a mask ends, so padding changes nothing
    assert far == surface_distances(pred, truth, SPACING)


def test_label_maps_are_refused():
    with pytest.raises(ValueError, match="boolean"):
        hausdorff_mm(EMPTY.astype(np.uint8), EMPTY, SPACING)
