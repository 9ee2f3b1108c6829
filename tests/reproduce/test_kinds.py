"""How much three candidates differ, and what a choice among them brings, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from cmrseg.reproduce.mnms2.kinds import agreement, kinds
from cmrseg.reproduce.mnms2.tables import Results
from reproduce.test_mnms2 import measured


@pytest.fixture
def masks(tmp_path):
    """Two candidates with the same right ventricle, and one with half of it."""
    candidates = np.zeros((3, 1, 4, 4), np.uint8)
    candidates[:2, 0, :, :2] = 3
    candidates[2, 0, :, 0] = 3
    candidates[:, 0, :, 3] = 1
    path = tmp_path / "masks.npz"
    np.savez(path, candidates=candidates, answer=candidates[0], truth=candidates[0])
    return path


def judged(cohort, patient, candidates, chosen, masks):
    """Quality control takes the candidate with that number."""
    pseudo = [(0.9 if n == chosen else 0.8, 5.0) for n in range(len(candidates))]
    return replace(measured(cohort, patient, candidates, qc=0.0), pseudo=pseudo, masks=masks)


def test_candidates_agree_by_pairs(masks):
    one = judged("clean", 1, [0.8] * 3, 0, masks)
    assert agreement(one) == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_a_pool_of_three_is_told_of_by_hearts(masks):
    hearts = [
        judged("clean", 1, [0.8, 0.7, 0.6], 1, masks),
        judged("clean", 2, [0.8, 0.7, 0.9], 2, masks),
        judged("low-field", 1, [0.5, 0.7, 0.6], 1, masks),
    ]
    grid = kinds([Results("seeds", "", hearts)], "SA")
    assert [line[:3] for line in grid.lines] == [
        ["seeds", "real", "2"],
        ["seeds", "real, shifted", "1"],
    ]
    # On the other patient the third was best for the first one and the first for the second.
    assert grid.lines[0][3:7] == ["0.778", "0.700", "0.800", "0.850"]
    assert grid.lines[0][7].startswith("+0.100, p")


def test_more_than_three_are_another_table(masks):
    hearts = [judged("clean", 1, [0.8] * 4, 0, masks)]
    assert kinds([Results("four", "", hearts)], "SA").lines == []
