"""Fences of agreement, the verdict by them, and the way through a manifest."""

import numpy as np
import pytest

from cmrseg.quality.uncertainty.conformal import ErrorBand
from cmrseg.quality.uncertainty.trust import Trust, lower_fence
from cmrseg.runtime.errors import WeightsError

FENCES = {"myocardium": 0.8, "no_reflow": 0.5}


def trust(**values):
    return Trust(fitted_on="12 held-out patients", **values)


def test_tukeys_lower_fence_by_hand():
    values = [0.8, 0.85, 0.9, 0.9, 0.9, 0.9, 0.9, 0.95, 1.0]
    assert lower_fence(values) == pytest.approx(0.9)  # both quartiles are .9
    assert lower_fence(np.linspace(0.5, 0.9, 9)) == pytest.approx(0.6 - 1.5 * 0.2)


def test_no_fence_where_it_could_flag_nothing_or_quartiles_are_chance():
    assert lower_fence(np.linspace(0, 1, 20)) is None
    assert lower_fence([0.9] * 7) is None


def test_a_case_below_a_fence_is_flagged_in_words():
    told = trust(fences=FENCES).judge({"myocardium": 0.9, "no_reflow": 0.41, "cavity": 0.1})
    assert told["out_of_distribution"]
    assert "no-reflow to 0.410 < 0.500" in told["reason"]
    assert told["samples_agree"] == {"myocardium": 0.9, "no_reflow": 0.41}
    assert told["fences"] == FENCES


def test_a_case_in_range_says_so_and_nothing_to_compare_says_nothing():
    assert trust(fences=FENCES).judge({"myocardium": 0.8})["out_of_distribution"] is False
    assert trust(fences=FENCES).judge({}) is None
    assert trust().judge({"myocardium": 0.1}) is None


def test_the_manifest_keeps_it():
    band = ErrorBand.fit([8.0] * 20, [12.0] * 20)
    before = trust(fences=FENCES, bands={"infarction": band}, population={"myocardium": (0.9,)})
    after = Trust.from_manifest({"trust": before.as_dict()})
    assert after == before
    assert Trust.from_manifest({}) is None


def test_a_broken_manifest_is_told():
    with pytest.raises(WeightsError, match="cannot be read"):
        Trust.from_manifest({"trust": {"bands": {}, "fences": {"myocardium": "low"}}})
