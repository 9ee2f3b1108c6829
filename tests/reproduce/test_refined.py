"""What became of refinement is counted by how it ended, and by what it did to the answers."""

from dataclasses import replace

from cmrseg.reproduce.mnms2.refined import answers, endings
from cmrseg.reproduce.mnms2.tables import Results
from reproduce.test_mnms2 import measured


def tried(before, after, *reasons):
    """A heart, and how the refinement of its answering candidates ended."""
    told = [{"kept": reason == "all in range", "reason": reason} for reason in reasons]
    return replace(
        measured("clean", 1, [0.4, 0.5], qc=before, full=after),
        refinement={"candidates": told, "candidates_kept": sum(one["kept"] for one in told)},
    )


def test_endings_are_counted_and_answers_before_and_after_are_told_of_what_was_kept():
    gained = tried(0.5, 0.7, "the time is over", "all in range")
    lost = tried(0.5, 0.4, "all in range")
    nothing = tried(0.5, 0.5, "the time is over")
    results = [Results("BN1", "", [gained, lost, lost, nothing, measured("clean", 2, [0.5])])]
    assert endings(results).lines == [
        ["BN1", "SA", "all in range", "3"],
        ["BN1", "SA", "the time is over", "2"],
    ]
    assert answers(results).lines == [["BN1", "SA", "3", "0.500 to 0.500", "15.0 to 15.0", "1 / 2"]]


def test_where_nothing_was_tried_nothing_is_told():
    results = [Results("BN1", "", [measured("clean", 1, [0.5])])]
    assert endings(results).lines == answers(results).lines == []
