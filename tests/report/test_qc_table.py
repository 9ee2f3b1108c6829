"""Quality control's findings in words, as a reader of the page finds them."""

from cmrseg.report.qc_table import PSEUDO, control_table
from report.made import Page, cine, control, enhanced, judged, run_page, summary

GOOD, BAD = {"pDC": 0.96, "pHD_mm": 4.0}, {"pDC": 0.5, "pHD_mm": 27.76}


def rows(role="SA_ES", **changed):
    return {row.name: row.text for row in control_table(role, control() | changed).rows}


def test_the_answer_stands_beside_what_is_in_range():
    assert control_table("SA_ES", control()).title == "SA_ES quality control"
    told = rows()
    assert told["verdict"] == "in range"
    assert told["LV"] == "pDC 0.970, pHD 3.00 mm"
    in_range = "pDC from 0.800, pHD to 20.0 mm"
    assert told["RV"] == f"pDC 0.950, pHD 4.00 mm (in range by the bundle: {in_range})"
    cohort = rows(thresholds="cohort")["RV"]
    assert cohort.endswith(f"(in range by the cases at hand: {in_range})")
    assert "candidate 1" not in told, "of one the answer tells all"
    assert not [name for name in told if name.startswith("refined")]


def test_every_candidate_has_its_line_and_what_was_taken_too():
    told = rows(
        candidates=[{"RV": GOOD}, {"RV": BAD}],
        chosen=[2, 1],
        candidates_agree={"LV": 0.9876, "RV": 0.9},
    )
    assert told["candidate 1"] == "RV pDC 0.960, pHD 4.00 mm"
    assert told["candidate 2"] == "RV pDC 0.500, pHD 27.8 mm"
    assert "candidates 2 and 1" in told["taken"]
    assert told["candidates agree"].startswith("LV 0.988, RV 0.900 (mean Dice")


def test_masks_of_others_go_by_name_with_their_faults():
    told = rows(
        candidates={"theirs": {"RV": GOOD}, "ours": {"RV": BAD}},
        in_range={"theirs": True, "ours": False},
        faults={"ours": ["no LV in the mask"]},
        chosen=["theirs"],
    )
    assert told["candidate theirs"] == "RV pDC 0.960, pHD 4.00 mm; in range"
    assert told["candidate ours"] == "RV pDC 0.500, pHD 27.8 mm; out of range; no LV in the mask"
    assert told["taken"].startswith("candidate theirs: ")


def refined(after, *candidates, over="case"):
    return {
        "over": over,
        "seconds": 20.72,
        "candidates_kept": sum(one["kept"] for one in candidates),
        "out_of_distribution_before": True,
        "out_of_distribution_after": after,
        "candidates": list(candidates),
    }


def test_refinement_tells_what_it_changed():
    taken = {"candidate": 3, "kept": True, "reason": "in range", "before": BAD, "after": GOOD}
    told = rows(refinement=refined(False, {"kept": False, "reason": "no time to begin"}, taken))
    assert "this case, 21 s" in told["refined"]
    assert "1 of 2" in told["refined"]
    assert "no time" in told["refined candidate 1"]
    assert (
        "pDC 0.500, pHD 27.8 mm before, pDC 0.960, pHD 4.00 mm after"
        in (told["refined candidate 3"])
    )


def test_refinement_that_led_to_nothing_says_so():
    told = rows(refinement=refined(True, {"kept": False, "reason": "worse"}, over="cohort"))
    assert "all flagged cases, 21 s" in told["refined"]
    assert "0 of 1" in told["refined"]


def test_the_page_says_what_pseudo_measures_are_where_there_are_any():
    assert PSEUDO in Page(run_page(summary("mnms2", [cine("a")]), {})).text
    for cases in ([enhanced("a")], [judged("a")]):
        assert PSEUDO not in Page(run_page(summary("emidec", cases), {})).text
    assert PSEUDO not in Page(run_page(summary("mnms2", [cine("a", pdc=None)]), {})).text
