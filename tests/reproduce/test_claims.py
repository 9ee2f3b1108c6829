"""Claims are shown or contradicted where the interval says so, in the metric's own direction."""

from types import SimpleNamespace

import pytest

from cmrseg.evaluation.paired import Paired
from cmrseg.reproduce.mnms2.claims import AIMS, Claim, aims, claims


def claim(metric):
    return Claim("words", "SA", "clean", "full", "M", metric)


@pytest.mark.parametrize(
    ("metric", "low", "high", "told"),
    [
        ("rv_dice", 0.01, 0.03, "shown"),
        ("rv_dice", -0.03, -0.01, "contradicted"),
        ("rv_dice", -0.01, 0.03, "undecided"),
        ("rv_hd_mm", -9.0, -1.0, "shown"),
        ("rv_hd_mm", 1.0, 9.0, "contradicted"),
        ("rv_hd_mm", -9.0, 0.0, "undecided"),
        ("rv_dice", 0.0, 0.0, "no difference"),
    ],
)
def test_verdicts_follow_the_interval(metric, low, high, told):
    found = Paired(n=9, mean=(low + high) / 2, low=low, high=high, p=0.5, larger=1, smaller=1)
    assert claim(metric).verdict(found) == told


def test_both_steps_are_judged_in_both_views():
    told = [(one.view, one.later, one.metric) for one in claims()]
    assert len(told) == len(set(told)) == 6


def test_aims_are_met_or_missed_by_the_mean():
    rows = [{f"{name}_dice": aim + gain for name, aim in AIMS.items()} for gain in (-0.02, 0.03)]
    rows = [{**row, "lv_dice": AIMS["lv"] - 0.01} for row in rows]
    asked = []

    def of(cohort, view):
        asked.append((cohort, view))
        return [SimpleNamespace(full=row) for row in rows]

    found = {line[0]: line[1:] for line in aims(SimpleNamespace(of=of)).lines}
    assert asked == [("clean", "SA")]
    assert found["RV"] == ["0.915", "0.91", "met"]
    assert found["LV"][2] == "missed"
