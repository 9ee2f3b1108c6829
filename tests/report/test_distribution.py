"""Histograms with fences: every value counted once, the ones out of range told apart."""

import re

import pytest

from cmrseg.report.distribution import Distribution, Fence, distributions, has_fences, svg
from report.made import FENCES, cine, enhanced, judged, many

CALIBRATED = {
    "quality": {
        "mnms2-sa": {
            "thresholds": {"SA_ES": {"th_low": 0.8, "th_up_mm": 20.0, "measures": 40}},
            "population": {"SA_ES": {"pDC": [0.7, 0.9, 0.95, 0.97, 1.0]}},
            "fitted_on": "9 held-out patients",
        }
    }
}
TRUST = {
    "trust": {
        "fitted_on": "80 held-out patients",
        "fences": FENCES,
        "population": {"cavity": [0.88, 0.95, 0.97]},
    }
}
LOW = Fence(value=0.8, side="low")


def heights(drawing, kind):
    found = re.findall(rf'class="{kind}" [^>]*height="([\d.]+)"', drawing)
    return [float(height) for height in found]


def test_bars_are_as_high_as_their_counts():
    drawn = Distribution(title="x", values=dict(enumerate([0.0] * 3 + [1.0] * 6 + [2.0])))
    bars = heights(svg(drawn, [""] * 10), "in")
    assert [round(bar / max(bars) * 6) for bar in bars] == [3, 6, 1]


def test_what_lies_beyond_the_fence_is_striped_and_named_farthest_first():
    values = {0: 0.95, 1: 0.79, 2: 0.8, 3: 0.2, 4: 0.9}
    drawn = Distribution(title="pDC", values=values, fence=LOW)
    assert drawn.beyond == [3, 1], "the fence itself is in range"
    drawing = svg(drawn, ["a", "b", "c", "d<", "e"])
    assert len(heights(drawing, "out")) == 2
    assert re.findall(r"<title>(.*?)</title>", drawing) == ["d&lt;: 0.200", "b: 0.790"]
    assert 'aria-label="pDC: 5 values, 2 out of range"' in drawing
    high = Distribution(title="pHD", values={0: 3.0, 1: 30.0}, fence=Fence(value=20, side="high"))
    assert high.beyond == [1]


def test_a_fence_beyond_all_values_is_in_the_picture():
    drawing = svg(Distribution(title="x", values={0: 0.9, 1: 0.95, 2: 1.0}, fence=LOW), [""] * 3)
    (place,) = re.findall(r'class="fence" d="M([\d.]+) ', drawing)
    assert 10 <= float(place) <= 60, "left of all bars"


def test_the_axis_names_the_least_and_the_greatest_value_and_nothing_that_cannot_be():
    drawing = svg(Distribution(title="Dice", values={0: 0.25, 1: 0.5, 2: 1.0}), [""] * 3)
    assert re.findall(r"<text [^>]*>([^<]*)</text>", drawing) == ["0.250", "1.00"]


def test_equal_values_are_drawn_too():
    assert heights(svg(Distribution(title="x", values={0: 1.0, 1: 1.0, 2: 1.0}), [""] * 3), "in")
    assert heights(svg(Distribution(title="x", values={0: 0.0, 1: 0.0, 2: 0.0}), [""] * 3), "in")


def test_the_training_population_is_drawn_where_the_manifest_has_it():
    found = distributions("mnms2", many(30)["cases"], CALIBRATED)
    (drawn,) = [one for one in found if one.title == "SA_ES RV pDC"]
    assert drawn.population == (0.7, 0.9, 0.95, 0.97, 1.0)
    assert "40 masks of 9 held-out patients" in drawn.told
    drawing = svg(drawn, ["x"] * 30)
    assert drawing.count('class="trained"') == 2
    assert drawing.index("<rect", drawing.index("trained")) < drawing.index('class="median"')
    (other,) = [one for one in found if one.title == "LA_ED RV pDC"]
    assert (other.population, other.told) == ((), "")
    assert other.fence.value == 0.8, "each case's record tells its fence"


def test_a_fence_that_comes_from_the_run_itself_says_so():
    case = cine("a")
    for role in ("SA_ED", "SA_ES"):
        case["measures"][role]["quality"]["thresholds"] = "cohort" if role == "SA_ES" else "frozen"
    told = {one.title: one.told for one in distributions("mnms2", [case], CALIBRATED)}
    assert "cases of this run" in told["SA_ES RV pDC"]
    assert told["SA_ED RV pDC"] == ""


def test_agreement_of_samples_is_drawn_with_its_fences():
    cases = [judged("a"), judged("b", 0.8), enhanced("c")]
    cavity, obstruction = distributions("emidec", cases, TRUST)[:2]
    assert "cavity" in cavity.title
    assert (cavity.fence, cavity.beyond) == (Fence(value=0.9, side="low"), [1])
    assert "80 held-out patients" in cavity.told
    assert cavity.population == (0.88, 0.95, 0.97)
    assert "no-reflow" in obstruction.title
    assert (dict(obstruction.values), obstruction.population) == ({0: 0.8, 1: 0.8}, ())
    assert not any(one.fence for one in distributions("emidec", [enhanced("c")] * 3, TRUST))


def test_a_bundle_has_fences_by_either_way_of_judging():
    assert [has_fences(m) for m in (CALIBRATED, TRUST, {}, {"trust": {"fences": {}}})] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(("count", "drawn"), [(2, False), (3, True)])
def test_two_values_are_no_distribution(count, drawn):
    found = distributions("emidec", [enhanced(f"c{n}") for n in range(count)], {})
    assert bool(found) is drawn


def test_a_single_case_is_shown_beside_its_fences():
    found = distributions("mnms2", [cine("a")], {})
    assert [one.fence is not None for one in found] == [True] * 8
    assert all(heights(svg(one, ["a"]), "in") for one in found)


def test_each_of_the_answers_is_told_by_role():
    titles = [one.title for one in distributions("mnms2", [cine(str(n)) for n in range(3)], {})]
    assert titles[:2] == ["LA_ED RV pDC", "LA_ED RV pHD [mm]"]
    assert "LV EF [%]" in titles
