from __future__ import annotations

from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.selection import Fences, judge_measures

FENCES = Fences(th_low=0.8, th_up_mm=12.0, measures=30)
GOOD, LOW, FAR, BOTH = Pseudo(0.9, 5.0), Pseudo(0.7, 5.0), Pseudo(0.9, 20.0), Pseudo(0.1, 99.0)


def test_one_candidate_in_range_is_enough():
    verdict = judge_measures([LOW, GOOD, FAR], FENCES)
    assert not verdict.ood
    assert "1 of 3" in verdict.reason


def test_out_of_distribution_if_all_fail_whichever_way():
    verdict = judge_measures([LOW, FAR, BOTH], FENCES)
    assert verdict.ood
    for failing in (
        "1: pDC 0.700 < 0.800",
        "2: pHD 20.0 > 12.0 mm",
        "3: pDC 0.100 < 0.800 and pHD 99.0 > 12.0 mm",
    ):
        assert failing in verdict.reason


def test_a_single_candidate():
    assert judge_measures([LOW], FENCES).ood
    assert not judge_measures([GOOD], FENCES).ood
