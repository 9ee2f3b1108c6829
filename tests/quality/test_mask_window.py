from __future__ import annotations

import numpy as np
import pytest
import torch

from cmrseg.quality.mask_window import centre, cut_window, one_hot, paste


def square(shape=(2, 40, 60), y=(10, 20), x=(30, 50)):
    mask = np.zeros(shape, np.uint8)
    mask[:, slice(*y), slice(*x)] = 3
    return mask


def test_centre_is_the_middle_of_the_mask():
    assert centre(square()) == (15, 40)


def test_centre_of_an_empty_mask_is_the_image_s():
    assert centre(np.zeros((3, 40, 60), np.uint8)) == (20, 30)


def test_a_stray_piece_hardly_moves_the_centre():
    mask = square()
    mask[0, 38:40, 0:2] = 1  # 4 of 404 voxels, far away
    y, x = centre(mask)
    assert abs(y - 15) <= 1
    assert abs(x - 40) <= 1


def test_all_slices_share_one_centre():
    mask = square()
    mask[1] = 0
    mask[1, 30:40, 30:50] = 3
    assert centre(mask) == (25, 40)


@pytest.mark.parametrize("at", [(15, 40), (2, 3), (39, 59), (-30, 40), (100, 200)])
@pytest.mark.parametrize("size", [8, 16, 64])
def test_what_is_cut_and_pasted_is_what_the_window_holds(at, size):
    mask = np.random.default_rng(0).integers(1, 4, (2, 40, 60)).astype(np.uint8)
    window = cut_window(mask, at, size)
    back = paste(window, at, np.zeros_like(mask))
    rows, columns = np.ogrid[:40, :60]
    top, left = at[0] - size // 2, at[1] - size // 2
    inside = (rows >= top) & (rows < top + size) & (columns >= left) & (columns < left + size)
    assert window.shape == (2, size, size)
    np.testing.assert_array_equal(back, np.where(inside, mask, 0))
    assert np.count_nonzero(window) == 2 * inside.sum()


def test_one_hot_puts_neighbours_beside_each_slice():
    window = np.zeros((3, 1, 1), np.uint8)
    window[:, 0, 0] = (1, 2, 0)
    seen = one_hot(window, classes=3, slices=3)[:, :, 0, 0].reshape(3, 3, 3)
    none, background, one, two = ([0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1])
    assert seen[0].tolist() == [none, one, two]  # below the stack: not even background
    assert seen[1].tolist() == [one, two, background]
    assert seen[2].tolist() == [two, background, none]


def test_one_hot_of_a_single_slice():
    window = np.array([[[0, 2]]], np.uint8)
    torch.testing.assert_close(
        one_hot(window, 3, 1), torch.tensor([[[[1.0, 0.0]], [[0.0, 0.0]], [[0.0, 1.0]]]])
    )
