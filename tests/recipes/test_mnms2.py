"""Sizes and ejection fractions of M&Ms-2 masks, by hand."""

import numpy as np
import pytest

from cmrseg.imaging import Geometry, Volume
from cmrseg.quality.uncertainty.conformal import ErrorBand
from cmrseg.recipes.mnms2 import doubted
from cmrseg.recipes.mnms2_volumes import (
    bands_of,
    ejection_difficulty,
    ejection_fractions,
    intervals,
    sizes,
)
from cmrseg.runtime.errors import WeightsError


def mask(shape, spacing_mm, counts=(30, 20, 10)):
    array = np.zeros(int(np.prod(shape)), np.uint8)
    array[: sum(counts)] = np.repeat([1, 2, 3], counts)
    return Volume(array.reshape(shape), Geometry(shape, spacing_mm))


def test_short_axis_sizes_are_volumes():
    told = sizes("SA", mask((3, 10, 10), (10.0, 1.0, 2.0)))
    assert told == {"volume_ml": {"LV": 0.6, "MYO": 0.4, "RV": 0.2}}


@pytest.mark.parametrize(
    ("shape", "spacing_mm"),
    [
        ((1, 10, 10), (8.0, 1.0, 2.0)),
        ((10, 10, 1), (1.0, 2.0, 8.0)),
        # A slice thinner than its pixels are wide.
        ((1, 10, 10), (0.5, 1.0, 2.0)),
    ],
)
def test_long_axis_sizes_are_areas_in_the_plane(shape, spacing_mm):
    told = sizes("LA", mask(shape, spacing_mm))
    assert told == {"area_cm2": {"LV": 0.6, "MYO": 0.4, "RV": 0.2}}


def test_ejection_fraction_by_hand():
    found = {
        "SA_ED": {"volume_ml": {"LV": 120.0, "MYO": 100.0, "RV": 150.0}},
        "SA_ES": {"volume_ml": {"LV": 48.0, "MYO": 101.0, "RV": 75.0}},
    }
    assert ejection_fractions(found) == {"ejection_fraction_percent": {"LV": 60.0, "RV": 50.0}}


@pytest.mark.parametrize(
    ("out", "note"),
    [
        ({}, None),
        ({"LA_ES"}, None),
        ({"SA_ES"}, "not to be trusted: quality control flagged SA_ES"),
        ({"SA_ED", "SA_ES"}, "not to be trusted: quality control flagged SA_ED and SA_ES"),
    ],
)
def test_an_ejection_fraction_of_a_flagged_phase_says_so(out, note):
    """Of both ventricles; a long-axis image has no part in it."""
    ml = {"LV": 100.0, "MYO": 100.0, "RV": 150.0}
    found = {
        role: {"volume_ml": ml, "quality": {"out_of_distribution": role in out}}
        for role in ("SA_ED", "SA_ES", "LA_ES")
    }
    told = ejection_fractions(found)
    assert told["ejection_fraction_percent"] == {"LV": 0.0, "RV": 0.0}
    assert told.get("ejection_fraction_percent_note") == (note and {"LV": note, "RV": note})


def test_no_ejection_fraction_of_nothing_or_of_one_phase():
    empty = {"volume_ml": {"LV": 0.0, "MYO": 0.0, "RV": 10.0}}
    found = {"SA_ED": empty, "SA_ES": empty}
    assert ejection_fractions(found) == {"ejection_fraction_percent": {"RV": 0.0}}
    assert ejection_fractions({"SA_ED": empty, "LA_ES": {}}) == {}


def test_intervals_by_hand_and_only_where_errors_are_known():
    band = ErrorBand.fit([80.0] * 20, [96.0] * 20)  # the expert's was 16 mL more: 10 % of 80 + 80
    told = intervals("volume_ml", {"RV": 120.0, "LV": 90.0}, {"RV": band})
    assert told["volume_ml_interval"] == {
        "RV": {"mean": 120.0, "low": 100.0, "high": 140.0, "level": 0.9}
    }
    assert "20 patients whom no network had learned from" in told["interval"]
    assert intervals("volume_ml", {"LV": 90.0}, {"RV": band}) == {}
    fraction = intervals("ejection", {"RV": 98.0}, {"RV": band}, highest=100.0)
    assert fraction["ejection_interval"]["RV"]["high"] == 100.0


def test_what_is_too_wide_to_be_of_use_is_said_to_be():
    wide = ErrorBand.fit([60.0] * 20, [81.0] * 20)
    told = intervals("ejection_fraction_percent", {"LV": 60.0}, {"LV": wide}, highest=100.0)
    assert told["ejection_fraction_percent_note"] == {"LV": "not measured reliably"}
    narrow = ErrorBand.fit([60.0] * 20, [65.0] * 20)
    assert "ejection_fraction_percent_note" not in intervals(
        "ejection_fraction_percent", {"LV": 60.0}, {"LV": narrow}
    )


def test_a_poor_lv_flags_an_image_whose_rv_is_in_range():
    told = {"out_of_distribution": False, "reason": "RV in range in 1 of 1 candidates"}
    found, said = doubted(told, {"LV": 0.61, "RV": 0.9})
    assert found["out_of_distribution"]
    assert found["doubtful"] == {"LV": 0.61}
    assert len(said) == 1
    assert doubted(told, {"LV": 0.71, "RV": 0.9}) == (told, ())


def test_an_ejection_fraction_is_as_hard_as_both_its_images():
    found = ejection_difficulty([{"LV": 0.95, "RV": 0.9}, {"LV": 0.9}])
    assert found == {"LV": pytest.approx(0.15)}
    assert ejection_difficulty([]) == {}


def test_errors_to_expect_come_out_of_the_manifest_of_all_views():
    band = ErrorBand.fit([80.0] * 20, [96.0] * 20)
    manifest = {
        "quality": {
            "mnms2-sa": {"bands": {"SA_ED": {"RV": band.as_dict()}}},
            "mnms2-la": {"thresholds": {}},
        }
    }
    assert bands_of(manifest) == {"SA_ED": {"RV": band}}
    assert bands_of({}) == {}
    with pytest.raises(WeightsError, match="cannot be read"):
        bands_of({"quality": {"mnms2-sa": {"bands": {"SA_ED": {"RV": {"share": 1}}}}}})
