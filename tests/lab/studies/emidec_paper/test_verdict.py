"""Words follow from figures, whichever way they fall."""

import numpy as np
import pytest

from cmrseg.evaluation.paired import paired
from cmrseg_lab.studies.emidec_paper.verdict import CLAIMS, aims, sentences, verdict

RISES = next(c for c in CLAIMS if c.metric == "infarction_dice")
FALLS = next(c for c in CLAIMS if c.metric == "infarction_brier_near")


@pytest.mark.parametrize(
    ("shift", "rises", "falls"),
    [
        (0.1, "reproduced", "contradicted"),
        (-0.1, "contradicted", "reproduced"),
        (0.0, "undecided", "undecided"),
    ],
)
def test_a_claim_is_judged_by_its_interval_and_sign(shift, rises, falls):
    found = paired(shift + np.array([0.02, -0.02] * 10))
    assert verdict(RISES, found) == rises
    assert verdict(FALLS, found) == falls


def test_sentences_tell_the_numbers_and_sum_up():
    found = {RISES.metric: paired([0.1, 0.12, 0.11]), FALLS.metric: paired([0.1, 0.12, 0.11])}
    one, two, whole = sentences(found)
    assert "**reproduced**; difference +11.00 (+10.00 to +12.00)" in one
    assert "over 3 patients" in one
    assert "**contradicted**" in two
    assert whole == "In all, of 2 claims: 1 reproduced, 1 contradicted."


def test_aims_are_met_or_missed():
    rows = {
        "a": {"myocardium_dice": 0.9, "infarction_dice": 0.6, "no_reflow_dice": 0.7},
        "b": {"myocardium_dice": 0.8, "infarction_dice": 0.6, "no_reflow_dice": 0.8},
    }
    told = aims(rows)
    assert "myocardium 0.850 (aim 0.82, met)" in told
    assert "infarction 0.600 (aim 0.68, missed)" in told
    assert "no-reflow 0.750 (aim 0.75, met)" in told


def test_volume_errors_of_both_are_claimed():
    """Section 3.1: "the HD and the average volume error of both scar and myocardium"."""
    claims = {c.metric: c for c in CLAIMS}
    for structure in ("infarction", "myocardium"):
        claim = claims[f"{structure}_volume_difference_cm3"]
        assert verdict(claim, paired([-1.0, -2.0, -1.5])) == "reproduced"
        (line, _) = sentences({claim.metric: paired([1.0, 2.0, 1.5])})
        assert "**contradicted**; difference +1.50 (+1.00 to +2.00) cm3" in line
