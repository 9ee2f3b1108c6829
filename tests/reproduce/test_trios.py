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


FOUR = {"SA": ("a", "b", "c", "d")}
PSEUDO = [(0.9, 5.0), (0.8, 5.0), (0.7, 5.0), (0.95, 5.0)]
HEARTS = [
    judged("clean", 1, [0.8, 0.7, 0.6, 0.4], PSEUDO),
    judged("low-field", 1, [0.6, 0.7, 0.6, 0.9], PSEUDO),
    judged("clean", 2, [0.8, 0.7, 0.6, 0.4], PSEUDO),
]


def shipped(*files):
    return Results("BN1", "", [], {"SA": files})


def test_trios_stand_in_order_of_what_they_bring():
    grid = trios([Results("all", "", HEARTS[:2], FOUR)], "SA", shipped("x", "y", "z"))
    # The fourth has the highest pDC wherever it takes part: 0.4 and 0.9 are less than 0.8 and 0.6.
    assert grid.lines[0][1] == "1 2 3"
    assert {line[1]: (line[2], line[5]) for line in grid.lines} == {
        "1 2 3": ("0.800", "0.600"),
        "1 2 4": ("0.400", "0.900"),
        "1 3 4": ("0.400", "0.900"),
        "2 3 4": ("0.400", "0.900"),
    }
    assert [line[4] for line in grid.lines].count("0.700") == 1, "the best of 2 3 4, clean"
    assert {line[-1] for line in grid.lines} == {"-"}, "what is shipped is not among them"


def test_what_is_shipped_is_marked_and_the_others_stand_beside_it():
    trio = trios([Results("all", "", HEARTS, FOUR)], "SA", shipped("c", "a", "b"))
    told = {line[1]: line[-1] for line in trio.lines}
    assert told.pop("1 2 3 (shipped)") == "-"
    # Patient 1 loses 0.4 and gains 0.3, patient 2 loses 0.4.
    assert len(told) == 3
    assert all(words.startswith("-0.225, p") for words in told.values())
    pair = trios([Results("all", "", HEARTS, FOUR)], "SA", shipped("b", "c"))
    assert len(pair.lines) == 5
    assert "2 3 (shipped)" in {line[1] for line in pair.lines}


def test_three_candidates_are_no_choice():
    three = Results("three", "", [measured("clean", 1, [0.8] * 3, qc=0.8)])
    assert trios([three], "SA", shipped()).lines == []
