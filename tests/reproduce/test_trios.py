"""What every three of more candidates would have answered, by hand."""

from dataclasses import replace

import pytest

from cmrseg.reproduce.mnms2.tables import Results
from cmrseg.reproduce.mnms2.trios import answer, trios
from reproduce.test_mnms2 import measured


def judged(cohort, patient, candidates, pseudo):
    """A heart with RV Dice and (pDC, pHD) of each candidate; pHD is in range to 10 mm."""
    return replace(measured(cohort, patient, candidates, qc=0.0), pseudo=pseudo)


def test_quality_control_takes_of_three_what_it_would_take():
    one = judged(
        "clean", 1, [0.9, 0.7, 0.8, 0.6], [(0.95, 30.0), (0.9, 5.0), (0.85, 5.0), (0.8, 20.0)]
    )
    found = answer(one, (0, 1, 2))
    assert (found.taken["rv_dice"], found.best["rv_dice"]) == (0.7, 0.9)
    # Neither is in range: the best by pDC and the best by pHD, their scores averaged.
    assert answer(one, (0, 3)).taken["rv_dice"] == pytest.approx(0.75)


def test_trios_stand_in_order_of_what_they_bring():
    pseudo = [(0.9, 5.0), (0.8, 5.0), (0.7, 5.0), (0.95, 5.0)]
    hearts = [
        judged("clean", 1, [0.8, 0.7, 0.6, 0.4], pseudo),
        judged("low-field", 1, [0.6, 0.7, 0.6, 0.9], pseudo),
    ]
    grid = trios([Results("all", "", hearts)], "SA")
    # The fourth has the highest pDC wherever it takes part: 0.4 and 0.9 are less than 0.8 and 0.6.
    assert grid.lines[0][1] == "1 2 3"
    assert {line[1]: (line[2], line[5]) for line in grid.lines} == {
        "1 2 3": ("0.800", "0.600"),
        "1 2 4": ("0.400", "0.900"),
        "1 3 4": ("0.400", "0.900"),
        "2 3 4": ("0.400", "0.900"),
    }
    assert [line[4] for line in grid.lines].count("0.700") == 1, "the best of 2 3 4, clean"


def test_three_candidates_are_no_choice():
    assert (
        trios([Results("three", "", [measured("clean", 1, [0.8] * 3, qc=0.8)])], "SA").lines == []
    )
