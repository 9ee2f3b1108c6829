"""Each kind of error does what its name says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cmrseg_lab.training.corruptions import BLUNDERS, ERRORS, FAR, GAP, blunder, corrupt
from tiny import heart

SEEDS = range(25)
EMPTY = np.zeros((3, 30, 30), np.uint8)


def stack(slices=6):
    """Empty slices at both ends of a heart."""
    label = heart(0, (slices, 48, 48))[1]
    label[0] = label[-1] = 0
    return label


def made(kind, seed, label=None):
    before = stack() if label is None else label
    after = before.copy()
    ERRORS[kind](after, np.random.default_rng(seed))
    return before, after


@pytest.mark.parametrize("kind", ERRORS)
def test_every_kind_changes_masks_in_place_and_makes_no_new_labels(kind):
    changed = 0
    for seed in SEEDS:
        before, after = made(kind, seed)
        assert after.shape == before.shape
        assert after.dtype == np.uint8
        assert set(np.unique(after)) <= {0, 1, 2, 3}
        changed += bool((before != after).any())
    assert changed >= len(SEEDS) * 0.8


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("label", [EMPTY, heart(1, (1, 40, 40))[1]], ids=["empty", "one slice"])
def test_every_kind_takes_empty_masks_and_single_slices(kind, label):
    for seed in SEEDS:
        _, after = made(kind, seed, label)
        assert set(np.unique(after)) <= {0, 1, 2, 3}


@pytest.mark.parametrize("seed", SEEDS)
def test_holes_and_dropped_structures_only_take_away(seed):
    for kind in ("hole", "drop"):
        before, after = made(kind, seed)
        assert (after[before != after] == 0).all()
        assert (before != after).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_islands_lie_on_background(seed):
    before, after = made("island", seed)
    assert (before[before != after] == 0).all()


def test_leaks_give_voxels_to_one_structure():
    for seed in SEEDS:
        before, after = made("leak", seed)
        assert len(set(after[before != after])) <= 1
        assert 0 not in set(after[before != after])


@pytest.mark.parametrize("seed", SEEDS)
def test_swapping_moves_no_border_with_the_background(seed):
    before, after = made("swap", seed)
    np.testing.assert_array_equal(before > 0, after > 0)
    assert (before != after).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_spilling_fills_the_slice_beyond_the_end(seed):
    before, after = made("spill", seed)
    changed = {int(z) for z in np.unique(np.nonzero(before != after)[0])}
    assert changed in ({0}, {5})
    (z,) = changed
    inner = before[1 if z == 0 else 4]
    here = after[z] > 0
    np.testing.assert_array_equal(after[z][here], inner[here])


def test_dropping_can_empty_whole_slices_and_cutting_leaves_a_straight_edge():
    emptied = [((a > 0).any((1, 2)) < (b > 0).any((1, 2))).any() for b, a in _all("drop")]
    assert any(emptied)
    assert not all(emptied)
    for before, after in _all("cut")[:6]:
        lost = before != after
        for z in np.flatnonzero(lost.any((1, 2))):
            structure = before[z] == before[z][lost[z]][0]
            assert _separable(lost[z], structure & ~lost[z])


def _all(kind):
    return [made(kind, seed) for seed in SEEDS]


def _separable(one, other):
    """Whether a straight line parts two sets of voxels."""
    if not one.any() or not other.any():
        return True
    y, x = np.indices(one.shape)
    for angle in np.linspace(0, 2 * np.pi, 361):
        along = y * np.sin(angle) + x * np.cos(angle)
        if along[one].min() > along[other].max() - 0.4:
            return True
    return False


def test_a_whole_heart_is_never_shifted():
    single = heart(1, (1, 40, 40))[1]
    for seed in SEEDS:
        before, after = made("shift", seed, single)
        changed = before != after
        assert any(((before == c) | (after == c))[changed].all() for c in (1, 2, 3))


def test_resizing_grows_or_shrinks_one_structure():
    directions = set()
    for before, after in _all("resize"):
        here = before != after
        gained, lost = (after[here] > 0).any(), (after[here] == 0).any()
        assert not (gained and lost)
        directions |= {name for name, on in (("gained", gained), ("lost", lost)) if on}
    assert directions == {"gained", "lost"}


def test_corrupting_leaves_the_original_and_follows_the_seed():
    label = stack()
    kept = label.copy()
    first, again = (corrupt(label, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(label, kept)
    np.testing.assert_array_equal(first, again)
    assert (corrupt(label, np.random.default_rng(6)) != first).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_inner_slice_is_emptied_never_the_first_or_last(seed):
    before = stack()
    after = before.copy()
    BLUNDERS["empty slice"](after, np.random.default_rng(seed))
    (lost,) = np.flatnonzero((before != after).any(axis=(1, 2)))
    assert 1 < lost < 4  # the heart is in slices 1 to 4
    assert not after[lost].any()


def wide():
    label = np.zeros((6, 160, 160), np.uint8)
    label[:, 56:104, 56:104] = stack()
    return label


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stray_piece_is_of_one_structure_and_far_from_the_heart(seed):
    before = wide()
    after = before.copy()
    BLUNDERS["stray piece"](after, np.random.default_rng(seed))
    piece = before != after
    assert piece.any()
    assert (before[piece] == 0).all()
    assert len(set(after[piece])) == 1
    away = ndimage.distance_transform_edt(~before.any(axis=0))[piece.any(axis=0)]
    assert away.min() >= GAP
    assert away.min() <= FAR + 1


def test_where_no_gross_error_has_a_place_the_mask_is_as_it_was():
    for label in (EMPTY, np.full((1, 20, 20), 3, np.uint8)):
        for kind in BLUNDERS.values():
            after = label.copy()
            kind(after, np.random.default_rng(0))
            np.testing.assert_array_equal(after, label)


def test_a_blunder_is_of_either_kind_on_a_copy():
    label = wide()
    kept = label.copy()
    lost = [blunder(label, np.random.default_rng(seed)).sum() < kept.sum() for seed in SEEDS]
    np.testing.assert_array_equal(label, kept)
    assert 0 < sum(lost) < len(lost)
