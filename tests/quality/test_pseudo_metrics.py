from __future__ import annotations

import numpy as np
import pytest

from cmrseg.quality.pseudo_metrics import Pseudo, pseudo_measures
from quality.tools import STRUCTURES

SPACING_MM = (8.0, 1.5, 1.5)


def masks():
    mask = np.zeros((2, 20, 20), np.uint8)
    mask[:, 2:6, 2:12] = 3
    mask[:, 10:14, 2:12] = 1
    return mask, mask.copy()


def test_known_overlap_and_distance():
    mask, again = masks()
    again[:, :, 12:] = 0
    again[:, 2:6, 7:12] = 0  # the reconstruction lacks half of the RV, 5 voxels of 1.5 mm
    found = pseudo_measures(mask, again, SPACING_MM, STRUCTURES)
    assert found["LV"] == Pseudo(1.0, 0.0)
    assert found["RV"].pdc == pytest.approx(2 * 40 / (80 + 40))
    assert found["RV"].phd_mm == pytest.approx(5 * 1.5)


def test_slices_count_together():
    mask, again = masks()
    again[1][again[1] == 3] = 0
    found = pseudo_measures(mask, again, SPACING_MM, STRUCTURES)["RV"]
    assert found.pdc == pytest.approx(2 * 40 / (80 + 40))
    assert found.phd_mm == pytest.approx(8.0)  # one slice apart


def test_a_missing_structure_is_the_worst_there_is():
    mask, again = masks()
    without = again.copy()
    without[without == 3] = 0
    diagonal = float(np.linalg.norm(np.multiply(mask.shape, SPACING_MM)))
    for one, other in ((mask, without), (without, mask), (without, without)):
        found = pseudo_measures(one, other, SPACING_MM, STRUCTURES)
        assert found["RV"] == Pseudo(0.0, pytest.approx(diagonal))
        assert found["LV"] == Pseudo(1.0, 0.0)


def test_a_structure_may_be_made_of_several_labels():
    mask, again = masks()
    mask[0, 0, 0], again[0, 0, 0] = 1, 2
    found = pseudo_measures(mask, again, SPACING_MM, {"left": (1, 2)})
    assert found["left"] == Pseudo(1.0, 0.0)
