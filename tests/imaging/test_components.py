"""Pieces of a mask, counted by hand."""

import numpy as np
import pytest

from cmrseg.imaging.postprocess import large, largest


@pytest.fixture
def mask():
    """Pieces of 8 (joined across slices, by a corner), 4 and 1 voxels."""
    found = np.zeros((2, 5, 9), bool)
    found[0, 0:2, 0:2] = True
    found[1, 2:4, 2:4] = True
    found[0, 3:5, 5:7] = True
    found[1, 0, 8] = True
    return found


def test_the_largest_piece_is_joined_across_slices_and_corners(mask):
    assert largest(mask).sum() == 8
    assert not (largest(mask) & ~mask).any()


@pytest.mark.parametrize(("share", "voxels"), [(1.0, 8), (0.5, 12), (0.51, 8), (0.1, 13), (0, 13)])
def test_large_pieces_are_those_of_a_share_of_the_largest(mask, share, voxels):
    assert large(mask, share).sum() == voxels


def test_one_piece_and_none_stay_as_they_are(mask):
    alone = largest(mask)
    assert (largest(alone) == alone).all()
    assert (large(alone, 1.0) == alone).all()
    for found in (largest(np.zeros((1, 2, 2))), large(np.zeros((1, 2, 2)), 0.3)):
        assert found.dtype == bool
        assert not found.any()


@pytest.mark.parametrize(("reach", "voxels"), [(0.0, 8), (1.0, 8), (1.5, 12), (9.0, 13)])
def test_pieces_beside_the_column_of_the_largest_are_left_out(mask, reach, voxels):
    """The second lies two voxels beside a shadow of eight, whose disc has a radius of 1.6."""
    assert large(mask, 0.0, reach).sum() == voxels


def test_a_piece_above_the_largest_stays():
    found = np.zeros((5, 9, 9), bool)
    found[:2, 3:6, 3:6] = True
    found[4, 4, 4] = True
    assert large(found, 0.0, 0.0).sum() == 19
