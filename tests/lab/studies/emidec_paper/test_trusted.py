"""Intervals and fences are those of the other parts."""

import pytest

from cmrseg_lab.studies.emidec_paper.trusted import flagged_by_others, trusted_rows

PARTS = [0] * 12 + [1] * 12


def test_errors_of_the_other_part_make_the_interval():
    """In part 0 the expert has 10 % more, in part 1 there is no error: only part 1 is covered."""
    ours = {"myocardium": [100.0] * 24}
    experts = {"myocardium": [120.0] * 12 + [100.0] * 12}
    rows = trusted_rows(ours, experts, {}, PARTS)
    assert [row["myocardium_band_holds"] for row in rows] == [0.0] * 12 + [1.0] * 12
    assert rows[0]["myocardium_band"] == 0.0
    assert rows[23]["myocardium_band"] == pytest.approx(40.0)


def test_fences_of_the_other_part_judge():
    agreed = {"myocardium": [0.9 + i / 1000 for i in range(12)] + [0.5] * 12}
    rows = trusted_rows({}, {}, agreed, PARTS)
    assert rows[0]["myocardium_fence"] == pytest.approx(0.5)
    assert flagged_by_others({"myocardium_agreement": 0.6}, rows[0]) is False
    assert flagged_by_others({"myocardium_agreement": 0.6}, rows[23]) is True
    assert flagged_by_others({"myocardium_agreement": 0.6}, {}) is None


def test_too_few_others_say_nothing():
    assert trusted_rows({"myocardium": [1.0] * 4}, {"myocardium": [1.0] * 4}, {}, [0, 1, 2, 3]) == [
        {}, {}, {}, {}
    ]  # fmt: skip
