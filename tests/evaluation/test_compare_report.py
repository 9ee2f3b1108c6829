"""How far two sides lie apart, by hand."""

import pytest

from cmrseg.evaluation.compare_report import mean_dice


def test_the_mean_is_over_all_structures_and_images():
    row = {"rv_sa_ed_dice": 0.8, "lv_sa_ed_dice": 0.9, "rv_sa_ed_hd_mm": 12.0}
    assert mean_dice(row) == pytest.approx(0.85)


def test_what_one_side_alone_has_does_not_set_the_sides_apart():
    whole, right = {"rv_dice": 0.8, "lv_dice": 0.95, "myo_dice": 0.9}, {"rv_dice": 0.8}
    assert mean_dice(whole, right) == mean_dice(right, whole) == 0.8
