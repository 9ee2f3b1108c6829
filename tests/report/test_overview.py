"""The numbers that are read first: which there are, in which order, and which to doubt."""

import pytest

from cmrseg.report.overview import OUTSIDE, overview
from report.made import cine, enhanced, failed, judged, record


def figures(found):
    """(group, image, structure) -> figure."""
    return {
        (column.group, column.title, name): figure
        for column in found.columns
        for name, figure in column.figures.items()
    }


def test_cine_numbers_stand_by_structure_and_image():
    found = overview(cine("a"))
    assert found.structures == ("LV", "MYO", "RV")
    assert found.groups == [
        ("Ejection fraction [%]", 1),
        ("Volume [mL]", 2),
        ("Area [cm\u00b2]", 2),
        ("Networks and mirror images agree (Dice)", 4),
        ("Dice that 9 of 10 such images exceed", 4),
    ], "of the heart before of the networks"
    told = figures(found)
    assert told["Volume [mL]", "SA ED", "LV"].text == "120"
    assert told["Area [cm\u00b2]", "LA ES", "RV"].text == "12.0"
    assert ("Ejection fraction [%]", "", "MYO") not in told
    assert found.doubts == []


def test_late_enhancement_numbers_come_with_intervals_and_their_level():
    found = overview(enhanced("a"))
    told = figures(found)
    infarction = told["Volume [mL], 95 % interval", "", "infarction"]
    assert (infarction.text, infarction.interval) == ("22.5", "20.5 to 25.5")
    assert told["Volume [mL], 95 % interval", "", "no-reflow"].interval == ""
    assert told["Dropout samples agree (Dice)", "", "cavity"].text == "0.990"
    assert [(name, figure.text) for name, figure in found.single] == [
        ("Infarcted share of the myocardium [%]", "18.8"),
        ("Image-level uncertainty (mean variance of dropout samples)", "1.0e-04"),
    ]


def test_every_structure_is_doubted_and_only_in_the_flagged_image():
    found = overview(cine("a", pdc=0.3))
    doubted = {place for place, figure in figures(found).items() if figure.doubt}
    assert doubted == {
        *(("Ejection fraction [%]", "", name) for name in ("LV", "RV")),
        *(("Volume [mL]", "SA ES", name) for name in ("LV", "MYO", "RV")),
    }
    (doubt,) = found.doubts
    assert "SA_ES" in doubt


def test_of_a_flagged_case_every_measure_of_the_heart_is_doubted():
    found = overview(judged("a", cavity=0.5))
    doubted = {group for (group, *_), figure in figures(found).items() if figure.doubt}
    assert doubted == {"Volume [mL], 95 % interval"}
    assert [bool(figure.doubt) for _, figure in found.single] == [True, False]
    assert overview(judged("b")).doubts == []


@pytest.mark.parametrize(("value", "outside"), [(2.0, False), (4.0, False), (4.01, True)])
def test_a_number_outside_its_own_interval_is_doubted(value, outside):
    interval = {"mean": 3.0, "low": 2.0, "high": 4.0, "level": 0.9}
    measures = {"volume_ml": {"x": value}, "volume_ml_interval": {"x": interval}}
    found = overview(record("a", measures))
    assert found.doubts == ([OUTSIDE] if outside else [])
    assert found.groups == [("Volume [mL], 90 % interval", 1)]


def test_a_number_that_is_an_interval_itself_is_told_with_it():
    told = {"mean": 3.0, "low": 2.0, "high": 4.0}
    found = overview(record("a", {"mass_ml": told, "depth_mm": {"wall": told}}))
    assert [(n, f.text, f.interval) for n, f in found.single] == [
        ("mass [mL], 95 % interval", "3.00", "2.00 to 4.00")
    ]
    assert figures(found)["depth [mm], 95 % interval", "", "wall"].interval == "2.00 to 4.00"


def test_a_failed_case_has_no_numbers():
    found = overview(failed("a"))
    assert (found.structures, found.groups, found.single, found.doubts) == ((), [], (), [])
