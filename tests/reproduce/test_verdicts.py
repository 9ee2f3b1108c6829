"""Flagged and poor answers are counted, by hand."""

from dataclasses import replace

from cmrseg.reproduce.mnms2.tables import Results
from cmrseg.reproduce.mnms2.verdicts import detection, hits
from reproduce.test_mnms2 import measured


def judged(cohort, qc, ood):
    one = measured(cohort, 1, [qc, qc], qc=qc)
    return replace(one, pseudo=[(qc, 5.0)] * 2, ood=ood)


def test_poor_answers_that_are_flagged_and_flagged_ones_that_are_poor():
    hearts = [
        judged("clean", 0.9, False),
        judged("clean", 0.8, True),
        judged("clean", 0.6, True),
        judged("clean", 0.5, False),
        judged("low-field", 0.9, False),
    ]
    assert hits([Results("BN1", "", hearts)]).lines == [
        ["BN1", "SA", "as they are", "4", "2", "1", "2", "1", "0.700 / 0.700"],
        ["BN1", "SA", "shifted", "1", "0", "0", "0", "0", "- / 0.900"],
    ]


def test_measures_that_follow_the_truth_find_all_poor_masks():
    hearts = [judged("clean", dice, False) for dice in (0.9, 0.8, 0.6)]
    (line,) = detection([Results("BN1", "", hearts)]).lines
    assert line[:5] == ["BN1", "SA", "6", "2", "1.000"]
    assert line[-1] == "1.000"
