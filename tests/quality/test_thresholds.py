from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.selection import FEWEST, Fences, Thresholds, fences, fit_thresholds, of_cohort
from cmrseg.runtime.errors import InputError, WeightsError

# 0.80, 0.81, ... 0.88 has Q1 .82 and Q3 .86; 2, 4, ... 18 mm has Q1 6 and Q3 14.
NINE = [Pseudo(0.80 + i / 100, 2.0 + 2 * i) for i in range(9)]


def test_known_fences():
    found = fences(NINE)
    assert found.th_low == pytest.approx(0.82 - 1.5 * 0.04)  # Eq. 3
    assert found.th_up_mm == pytest.approx(14 + 1.5 * 8)  # Eq. 4
    assert found.measures == 9


@pytest.mark.parametrize("bad", [Pseudo(0.5, math.inf), Pseudo(math.nan, 3.0)])
def test_what_is_not_finite_is_left_out(bad):
    assert fences([*NINE, bad, bad]) == fences(NINE)


def test_too_few_measures_are_refused():
    with pytest.raises(InputError, match="too few"):
        fences(NINE[: FEWEST - 1])
    with pytest.raises(InputError, match="too few"):
        fences([*NINE[:1], *[Pseudo(0.5, math.inf)] * 20])


def test_on_the_fence_is_in_range():
    fence = Fences(th_low=0.8, th_up_mm=10.0, measures=9)
    assert fence.hold(Pseudo(0.8, 10.0))
    assert not fence.hold(Pseudo(0.799, 10.0))
    assert not fence.hold(Pseudo(0.8, 10.1))
    assert not fence.hold(Pseudo(math.nan, 10.0))
    assert not fence.hold(Pseudo(0.9, math.inf))


def test_equal_measures_are_all_in_range():
    alike = [Pseudo(0.9, 5.0)] * FEWEST
    assert all(fences(alike).hold(p) for p in alike)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 300)), min_size=FEWEST, max_size=40))
def test_half_of_a_cohort_or_more_is_in_range_by_each_measure(rows):
    measures = [Pseudo(*row) for row in rows]
    found = fences(measures)
    tiny = 1e-9
    assert np.mean([p.pdc >= found.th_low - tiny for p in measures]) >= 0.5
    assert np.mean([p.phd_mm <= found.th_up_mm + tiny for p in measures]) >= 0.5


def test_thresholds_survive_json():
    thresholds = fit_thresholds({"SA_ED": NINE, "LA_ES": NINE * 2})
    assert Thresholds.from_dict(json.loads(json.dumps(thresholds.as_dict()))) == thresholds
    assert thresholds.of("SA_ED").measures == 9
    with pytest.raises(WeightsError, match="SA_ES"):
        thresholds.of("SA_ES")


def test_fit_names_the_role_with_too_few():
    with pytest.raises(InputError, match=r"^LA_ED: 2 "):
        fit_thresholds({"SA_ED": NINE, "LA_ED": NINE[:2]})


def alone(measures):
    """Each an image's only candidate."""
    return [[p] for p in measures]


def test_a_cohort_brings_its_own_fences_where_it_is_large_enough():
    frozen = fit_thresholds({"SA_ED": NINE, "SA_ES": NINE})
    worse = [Pseudo(p.pdc - 0.3, p.phd_mm + 20) for p in NINE]
    found, warnings = of_cohort({"SA_ED": alone(worse), "SA_ES": alone(worse[:3])}, frozen)
    assert found.of("SA_ED") == fences(worse)
    assert found.of("SA_ES") == frozen.of("SA_ES")
    (warning,) = warnings
    assert warning.startswith("SA_ES: 3 ")
    assert "frozen" in warning


def test_three_candidates_of_three_images_are_no_cohort():
    frozen = fit_thresholds({"SA_ED": NINE})
    found, warnings = of_cohort({"SA_ED": [NINE[:3], NINE[3:6], NINE[6:]]}, frozen)
    assert found == frozen
    assert "3 images" in warnings[0]
    several = [NINE] * FEWEST
    assert of_cohort({"SA_ED": several}, frozen)[0].of("SA_ED").measures == 9 * FEWEST


def test_infinities_leave_a_cohort_its_fences_or_the_frozen_ones():
    frozen = fit_thresholds({"SA_ED": NINE})
    lost = Pseudo(0.0, math.inf)
    found, warnings = of_cohort({"SA_ED": alone([*NINE, lost, lost])}, frozen)
    assert (found.of("SA_ED"), warnings) == (fences(NINE), ())
    found, warnings = of_cohort({"SA_ED": alone([*NINE[:4], *[lost] * 9])}, frozen)
    assert found == frozen
    assert "4 pseudo-measures" in warnings[0]
