"""Measures in words: every number there is, with unit and interval, whatever it is called."""

import pytest

from cmrseg.imaging.aha_segments import segment_measures
from cmrseg.report.formatting import (
    interval_notes,
    number_text,
    rule_tables,
    segment_tables,
    tables,
)
from imaging.test_aha_segments import stack


def rows(measures):
    return {(t.title, r.name): r.text for t in tables(measures) for r in t.rows}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (0.0, "0"),
        (7, "7"),
        (123.45, "123"),
        (12.345, "12.3"),
        (1.2345, "1.23"),
        (0.12345, "0.123"),
        (0.00012345, "1.2e-04"),
        (-3.456, "-3.46"),
    ],
)
def test_numbers_keep_the_digits_that_matter(value, told):
    assert number_text(value) == told


def test_units_come_from_names():
    found = rows({"volume_ml": {"RV": 150.2}, "depth_mm": 3.25, "taken": True, "n": 3, "why": "so"})
    assert found == {
        ("Volume [mL]", "RV"): "150",
        ("", "depth"): "3.25 mm",
        ("", "taken"): "yes",
        ("", "n"): "3",
        ("", "why"): "so",
    }


def test_any_mean_with_low_and_high_is_told_as_an_interval():
    told = {"mean": 12.0, "low": 10.0, "high": 14.5}
    assert rows({"mass_g": {"wall": told}}) == {("Mass [g]", "wall"): "12.0 (95 %: 10.0 to 14.5)"}
    assert rows({"x_percent": told | {"level": 0.9}}) == {("", "x"): "12.0 % (90 %: 10.0 to 14.5)"}


def test_an_interval_beside_a_measure_is_told_with_it_and_not_again():
    measures = {
        "volume_ml": {"infarction": 20.0, "cavity": 99.0},
        "volume_ml_interval": {"infarction": {"mean": 23.0, "low": 20.5, "high": 25.5}},
        "infarcted_percent": 16.0,
        "infarcted_percent_interval": {"mean": 17.0, "low": 15.0, "high": 19.0},
    }
    assert rows(measures) == {
        (
            "",
            "Infarcted share of the myocardium",
        ): "16.0 % (95 %: 15.0 to 19.0; mean of samples 17.0)",
        ("Volume [mL]", "infarction"): (
            "20.0, outside its own interval (95 %: 20.5 to 25.5; mean of samples 23.0)"
        ),
        ("Volume [mL]", "cavity"): "99.0",
    }


@pytest.mark.parametrize(
    ("value", "outside"), [(2.0, False), (4.0, False), (4.01, True), (0, True)]
)
def test_a_measure_outside_its_own_interval_says_so(value, outside):
    interval = {"mean": 3.0, "low": 2.0, "high": 4.0}
    (text,) = rows({"volume_ml": {"x": value}, "volume_ml_interval": {"x": interval}}).values()
    assert ("outside its own interval" in text) is outside


def test_an_interval_around_the_measure_itself_names_no_second_mean():
    interval = {"mean": 3.0, "low": 2.0, "high": 4.0}
    (text,) = rows({"volume_ml": {"x": 3.0}, "volume_ml_interval": {"x": interval}}).values()
    assert text == "3.00 (95 %: 2.00 to 4.00)"


def test_a_note_on_a_measure_is_told_as_a_doubt_of_it_and_not_again():
    measures = {
        "ejection_fraction_percent": {"LV": 55.0, "RV": 48.0},
        "ejection_fraction_percent_note": {"RV": "not to be trusted: SA_ES"},
    }
    (table,) = tables(measures)
    assert [(row.name, row.doubt) for row in table.rows] == [
        ("LV", ""),
        ("RV", "not to be trusted: SA_ES"),
    ]


def test_an_interval_without_its_measure_is_told_by_itself():
    assert rows({"a_ml_interval": {"x": {"mean": 2.0, "low": 1.0, "high": 3.0}}})


def test_lists_nulls_and_quality_control_are_no_tables():
    assert (
        tables({"values": [1, 2], "none": None, "quality": {"pDC": 1.0}, "deep": {"x": {}}}) == []
    )


def test_what_intervals_are_is_said_once_and_of_which_images():
    ml = {"volume_ml": {"RV": 20.0}}
    short, long = ml | {"interval": "95 % of 48"}, ml | {"interval": "94 % of 16"}
    measures = {"SA_ED": short, "SA_ES": short, "LA_ED": long}
    assert interval_notes(measures) == [
        "Intervals of SA_ED, SA_ES: 95 % of 48",
        "Intervals of LA_ED: 94 % of 16",
    ]
    assert interval_notes(measures | {"interval": "95 % of 48"})[0] == "Intervals: 95 % of 48"
    assert interval_notes(ml) == []


def test_what_rules_changed_is_told():
    steps = [
        {"rule": "normal_heart", "changed_voxels": 0, "change_ml": {"infarction": 0.0}},
        {
            "rule": "no_obstruction",
            "changed_voxels": 829,
            "change_ml": {"infarction": 0.0, "no_reflow": -18.172},
        },
    ]
    (table,) = rule_tables({"rules": steps})
    assert [(row.name, row.text) for row in table.rows] == [
        ("normal heart", "changed nothing"),
        ("no obstruction", "829 voxels: no-reflow -18.2 mL"),
    ]
    assert rule_tables({}) == []


def test_segments_are_told_in_words():
    (territories, segments, slices) = segment_tables(segment_measures(*stack(), septum_deg=180.0))
    assert [row.text for row in territories.rows[:3]] == ["0 %", "0 %", "0 %"]
    assert "as given" in territories.rows[3].text
    (unsure, _, _) = segment_tables(segment_measures(*stack()))
    assert [row.name for row in unsure.rows] == ["origin"]
    assert "turned by up to 75 degrees" in unsure.rows[0].text
    assert len(segments.rows) == 17
    assert segments.rows[0].name == "1 basal anterior"
    assert segments.rows[16].text == "not seen, 0 %"
    assert len(slices.rows) == 9
    assert segment_tables({}) == []
