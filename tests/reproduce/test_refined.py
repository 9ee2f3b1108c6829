"""What became of refinement is counted by how it ended and by whose answer it changed."""

from dataclasses import replace

from cmrseg.reproduce.mnms2.refined import answers, endings, same_candidates
from cmrseg.reproduce.mnms2.tables import Results
from reproduce.test_mnms2 import measured

OUT = [(0.7, 30.0), (0.75, 20.0)]
"""pDC and pHD of two candidates; fences are 0.8 and 10 mm: the second is answered."""


def tried(before, after, pseudo_after, *reasons):
    """A heart whose second candidate was answered before."""
    told = [{"kept": reason == "all in range", "reason": reason} for reason in reasons]
    return replace(
        measured("clean", 1, [0.4, 0.5], qc=before, full=after),
        pseudo=OUT,
        pseudo_after=pseudo_after,
        refinement={"candidates": told, "candidates_kept": sum(one["kept"] for one in told)},
    )


def test_a_candidate_that_takes_anothers_place_is_told_apart():
    itself = tried(0.5, 0.7, [OUT[0], (0.9, 5.0)], "the time is over", "all in range")
    another = tried(0.5, 0.4, [(0.9, 5.0), OUT[1]], "all in range", "the time is over")
    nothing = tried(0.5, 0.5, OUT, "the time is over", "the time is over")
    assert same_candidates(itself)
    assert not same_candidates(another)
    results = [Results("BN1", "", [itself, another, another, nothing, measured("clean", 2, [0.5])])]
    assert endings(results).lines == [
        ["BN1", "SA", "the time is over", "5"],
        ["BN1", "SA", "all in range", "3"],
    ]
    assert answers(results).lines == [
        ["BN1", "SA", "the same", "1", "0.500 to 0.700", "15.0 to 13.0", "1 / 0"],
        ["BN1", "SA", "another", "2", "0.500 to 0.400", "15.0 to 16.0", "0 / 2"],
    ]


def test_where_nothing_was_tried_nothing_is_told():
    results = [Results("BN1", "", [measured("clean", 1, [0.5])])]
    assert endings(results).lines == answers(results).lines == []
