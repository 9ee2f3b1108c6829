"""Plain faults of masks, by known answers."""

import numpy as np
import pytest

from cmrseg.recipes.mask_checks import faults
from tiny import heart

SPACING = (9.0, 1.25, 1.3)


def spoiled(change):
    """A whole heart in six slices, changed in place."""
    mask = heart(0, (6, 40, 44))[1]
    change(mask)
    return faults(mask, SPACING)


def test_a_whole_heart_has_none():
    assert spoiled(lambda mask: None) == ()


def test_an_empty_mask_is_said_to_be_empty():
    (empty,) = spoiled(lambda mask: mask.fill(0))
    assert "empty" in empty


def test_slices_missing_at_the_ends_are_no_gap():
    def cut(mask):
        mask[[0, 1, 5]] = 0

    assert spoiled(cut) == ()


def test_a_gap_in_the_stack():
    def cut(mask):
        mask[2:4] = 0

    gap, lv, rv = spoiled(cut)
    assert "RV in 2 slices" in gap
    assert "50 % of the LV" in lv
    assert "50 % of the RV" in rv


def test_one_structure_missing_in_one_slice():
    def cut(mask):
        mask[1][mask[1] == 2] = 0

    (gap,) = spoiled(cut)
    assert "no MYO in 1 slice" in gap


@pytest.mark.parametrize(("voxels", "told"), [(6, True), (5, False)])
def test_stray_pieces_from_one_percent_on(voxels, told):
    mask = np.zeros((1, 40, 60), np.uint8)
    mask[0, :11, :50] = 3  # 550 voxels: five more are 0.9 %, six 1.08 %
    mask[0, 20:30, :10] = 1
    mask[0, 20:30, 10:12] = 2
    mask[0, 35, :voxels] = 3
    found = faults(mask, SPACING)
    assert ["1.1 % of the RV" in one for one in found] == [True] * told


def test_a_ventricle_by_itself():
    def alone(mask):
        mask[mask != 3] = 0

    lacking, told = spoiled(alone)
    assert "no LV and no MYO" in lacking
    assert told.startswith("thresholds are of whole hearts, not of an RV alone")


def test_a_left_ventricle_alone_is_not_told_so():
    """A mask that lost its RV is one the verdict is about."""

    def left(mask):
        mask[mask == 3] = 0

    assert spoiled(left) == ("no RV in the mask",)


@pytest.mark.parametrize(("columns", "apart"), [(6, False), (7, True)])
def test_a_right_ventricle_apart_from_the_heart(columns, apart):
    """With 1.3 mm a column: six empty ones are 9.1 mm between centres, seven 10.4 mm."""
    mask = np.zeros((2, 40, 60), np.uint8)
    mask[:, 10:20, 40:50] = 1
    mask[:, 10:20, 38:40] = 2
    mask[:, 10:20, 20 : 38 - columns] = 3
    told = ("the RV lies apart from the rest of the heart",) if apart else ()
    assert faults(mask, SPACING) == told
