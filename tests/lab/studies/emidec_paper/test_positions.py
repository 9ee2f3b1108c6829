"""Slices get their position from the expert's labels; scores by hand."""

import numpy as np
import pytest

from cmrseg_lab.studies.emidec_paper.positions import (
    certainty_by_position,
    dice_by_position,
    positions,
)


def stack(*sizes):
    """A slice a size, with so many voxels of muscle (2)."""
    truth = np.zeros((len(sizes), 1, 12), np.uint8)
    for plane, size in zip(truth, sizes, strict=True):
        plane[0, :size] = 2
    return truth


def told(truth):
    return {name: slices.tolist() for name, slices in positions(truth).items()}


def test_the_apex_is_at_the_small_end():
    up = stack(0, 2, 3, 5, 6, 7, 8, 0)
    assert told(up) == {"apical": [1, 2], "mid": [3, 4], "basal": [5, 6]}
    assert told(up[::-1]) == {"apical": [5, 6], "mid": [3, 4], "basal": [1, 2]}


def test_uneven_stacks_give_the_apex_one_more():
    assert told(stack(1, 2, 3, 4)) == {"apical": [0, 1], "mid": [2], "basal": [3]}
    assert told(stack(3)) == {"apical": [0]}
    assert told(stack(0, 0)) == {}


def test_dice_by_position_by_hand():
    truth = stack(2, 4, 6)
    found = truth.copy()
    found[0], found[2, 0, 3:6] = 0, 0
    rows = dice_by_position(found, truth, {"muscle": (2, 3), "infarct": (3,)})
    assert rows["muscle_dice_apical"] == 0.0
    assert rows["muscle_dice_mid"] == 1.0
    assert rows["muscle_dice_basal"] == pytest.approx(2 * 3 / 9)
    assert {v for k, v in rows.items() if k.startswith("infarct")} == {1.0}


def test_certainty_is_the_samples_mean_agreement():
    truth = stack(2, 4, 6)
    samples = np.stack([truth, truth])
    samples[1, 0] = 0
    rows = certainty_by_position(truth, samples, truth, {"muscle": (2,)})
    assert rows == {
        "muscle_certainty_apical": 0.5,
        "muscle_certainty_mid": 1.0,
        "muscle_certainty_basal": 1.0,
    }
