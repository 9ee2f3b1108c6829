"""Claims are shown or contradicted where the interval says so, in the metric's own direction."""

from types import SimpleNamespace

import pytest

from cmrseg.evaluation.paired import Paired
from cmrseg.reproduce.mnms2.claims import AIMS, Claim, aims, claims


def claim(metric, **how):
    return Claim("words", "SA", "clean", "full", "M", metric, **how)


def found(low, high):
    return Paired(n=9, mean=(low + high) / 2, low=low, high=high, p=0.5, larger=1, smaller=1)


@pytest.mark.parametrize(
    ("metric", "low", "high", "told"),
    [
        ("rv_dice", 0.01, 0.03, "shown"),
        ("rv_dice", -0.03, -0.01, "contradicted"),
        ("rv_dice", -0.01, 0.03, "undecided"),
        ("rv_hd_mm", -9.0, -1.0, "shown"),
        ("rv_hd_mm", 1.0, 9.0, "contradicted"),
        ("rv_hd_mm", -9.0, 0.0, "undecided"),
        ("rv_dice", 0.0, 0.0, "nothing changed"),
    ],
)
def test_verdicts_follow_the_interval(metric, low, high, told):
    assert claim(metric).verdict(found(low, high)) == told


@pytest.mark.parametrize(
    ("metric", "low", "high", "told"),
    [
        ("rv_dice", -0.009, 0.03, "shown"),
        ("rv_dice", 0.0, 0.0, "nothing changed"),
        ("rv_dice", -0.011, 0.03, "undecided"),
        ("rv_dice", -0.009, -0.001, "contradicted"),
        ("rv_hd_mm", -3.0, 0.9, "shown"),
        ("rv_hd_mm", -3.0, 1.1, "undecided"),
        ("rv_hd_mm", 0.1, 0.9, "contradicted"),
    ],
)
def test_that_nothing_is_lost_has_some_leeway(metric, low, high, told):
    assert claim(metric, no_loss=True).verdict(found(low, high)) == told


def test_both_steps_are_judged_in_both_views():
    told = [(one.view, one.later, one.cohort, one.metric) for one in claims()]
    assert len(told) == len(set(told)) == 12
    assert len({(one.words, one.view) for one in claims()}) == 12


def test_aims_are_met_or_missed_by_the_mean():
    rows = [{f"{name}_dice": aim + gain for name, aim in AIMS.items()} for gain in (-0.02, 0.03)]
    rows = [{**row, "lv_dice": AIMS["lv"] - 0.01} for row in rows]
    asked = []

    def of(cohort, view):
        asked.append((cohort, view))
        return [SimpleNamespace(full=row) for row in rows]

    lines = aims([SimpleNamespace(name="BN1", of=of)]).lines
    assert {line[0] for line in lines} == {"BN1"}
    found = {line[1]: line[2:] for line in lines}
    assert asked == [("clean", "SA")]
    assert found["RV"] == ["0.915", "0.91", "met"]
    assert found["LV"][2] == "missed"
