from __future__ import annotations

import numpy as np

from cmrseg.quality.reconstruct import SLICES_AT_ONCE, Reconstructor
from quality.tools import CPU, Copier, Square


def test_a_copy_comes_back_in_its_place():
    mask = np.random.default_rng(1).integers(0, 4, (3, 24, 20)).astype(np.uint8)
    for slices in (1, 3):
        found = Reconstructor(Copier(size=64, slices=slices), CPU).labels(mask)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, mask)


def test_outside_the_window_is_background():
    mask = np.zeros((1, 80, 80), np.uint8)
    mask[0, 30:50, 30:50] = 2
    mask[0, 0, 0] = 3  # far beyond the 32 voxels around the heart
    found = Reconstructor(Copier(size=32), CPU).labels(mask)
    mask[0, 0, 0] = 0
    np.testing.assert_array_equal(found, mask)


def test_the_answer_lies_where_the_mask_lay():
    mask = np.zeros((1, 80, 80), np.uint8)
    mask[0, 10:30, 40:60] = 3  # centred at (20, 50)
    found = Reconstructor(Square(size=32, side=16), CPU).labels(mask)
    rows, columns = np.nonzero(found[0] == 3)
    assert (rows.min(), rows.max() + 1) == (12, 28)
    assert (columns.min(), columns.max() + 1) == (42, 58)


def test_long_stacks_are_taken_piece_by_piece():
    network = Copier(size=8)
    mask = np.random.default_rng(2).integers(0, 4, (2 * SLICES_AT_ONCE + 1, 8, 8)).astype(np.uint8)
    np.testing.assert_array_equal(Reconstructor(network, CPU).labels(mask), mask)
    assert network.calls == 3
