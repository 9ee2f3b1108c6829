"""A refined mask is taken only where it is in range and leaves nobody behind."""

from __future__ import annotations

import numpy as np
import pytest

from cmrseg.quality.acceptance import Agreement, agreement, believed
from cmrseg.quality.measures import Pseudo
from cmrseg.quality.thresholds import Fences

FENCES = Fences(th_low=0.9, th_up_mm=10.0, measures=20)
IN_RANGE, OUT = {"RV": Pseudo(0.95, 5.0)}, {"RV": Pseudo(0.95, 11.0)}


def stripe(columns):
    mask = np.zeros((1, 4, 10), np.uint8)
    mask[..., :columns] = 3
    return mask


def test_agreement_by_hand():
    found = agreement(stripe(4), [stripe(4), stripe(2)], (10.0, 1.5, 1.5), {"RV": (3,)})
    assert found.dice == pytest.approx((1 + 2 * 2 / 6) / 2)
    assert found.hd_mm == pytest.approx((0 + 3.0) / 2)
    assert agreement(stripe(4), [], (10.0, 1.5, 1.5), {"RV": (3,)}) == Agreement(1.0, 0.0)


def test_who_sees_no_such_structure_is_not_asked_about_it():
    """Where no candidate found it, one that has come into range with it is taken."""
    spacing, structures = (10.0, 1.5, 1.5), {"RV": (3,)}
    before, after = (
        agreement(mask, [stripe(0), stripe(0)], spacing, structures)
        for mask in (stripe(0), stripe(4))
    )
    assert before == after == Agreement(1.0, 0.0)
    assert believed(IN_RANGE, FENCES, after, before)
    asked = agreement(stripe(4), [stripe(0), stripe(2)], spacing, structures)
    assert asked == agreement(stripe(4), [stripe(2)], spacing, structures)


def test_a_structure_that_the_others_still_see_may_not_be_lost_for_the_decisive_one():
    with_lv = stripe(4)
    with_lv[..., 8:] = 1
    structures = {"LV": (1,), "RV": (3,)}
    before, after = (
        agreement(mask, [with_lv], (10.0, 1.5, 1.5), structures) for mask in (with_lv, stripe(4))
    )
    assert (after.dice, after.hd_mm) == (before.dice, before.hd_mm)
    assert not believed(IN_RANGE, FENCES, after, before)
    assert believed(IN_RANGE, FENCES, before, before)


@pytest.mark.parametrize(
    ("measures", "after", "taken"),
    [
        (IN_RANGE, Agreement(0.8, 20.0), True),
        (IN_RANGE, Agreement(0.9, 5.0), True),
        (OUT, Agreement(0.9, 5.0), False),
        # Nearer by overlap, but with a piece far from where the others see anything.
        (IN_RANGE, Agreement(0.9, 55.0), False),
        (IN_RANGE, Agreement(0.7, 5.0), False),
    ],
)
def test_in_range_is_not_enough(measures, after, taken):
    assert believed(measures, FENCES, after, Agreement(0.8, 20.0)) is taken
