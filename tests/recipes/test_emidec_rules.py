"""Each rule on a small heart drawn by hand, and rules as a bundle tells them."""

import numpy as np
import pytest

from cmrseg.recipes.emidec_rules import RULES, UNIONS, Rule, Rules, feature, keywords
from cmrseg.runtime.errors import WeightsError

ML = 0.1
"""Volume of a voxel of these hearts."""
NONE = np.zeros((5, 1, 1, 1))


def heart(slices=1):
    """Slices of 12 x 12: cavity 4 x 4 inside muscle 8 x 8."""
    mask = np.zeros((slices, 12, 12), np.uint8)
    mask[:, 2:10, 2:10] = 2
    mask[:, 4:8, 4:8] = 1
    return mask


def said(mask, sure=0.9):
    """Probabilities of a network that is ``sure`` of a mask and shares out the rest evenly."""
    one_hot = (mask == np.arange(5)[:, None, None, None]).astype(float)
    return sure * one_hot + (1 - sure) / 5


def apply(name, mask, probabilities=NONE, **parameters):
    before = mask.copy()
    after = Rule.of(name, **parameters).apply(mask, probabilities, ML)
    np.testing.assert_array_equal(mask, before, err_msg="a rule changes no mask in place")
    assert after.dtype == np.uint8
    return after


def test_nested_gives_back_what_is_certain():
    mask = heart(2)
    mask[:, 2:4, 2:8], mask[0, 2, 3:5] = 3, 4
    found = apply("nested", np.zeros_like(mask), said(mask), infarction=0.5, no_reflow=0.5)
    np.testing.assert_array_equal(found, mask)


def test_nested_counts_the_muscles_votes_together():
    mask, split = heart(), said(heart())
    split[:, 0, 2, 2] = [0.4, 0.0, 0.3, 0.2, 0.1]
    assert split.argmax(axis=0)[0, 2, 2] == 0
    for infarction, no_reflow, label in ((0.6, 0.5, 2), (0.4, 0.5, 3), (0.4, 0.3, 4)):
        found = apply("nested", mask, split, infarction=infarction, no_reflow=no_reflow)
        assert found[0, 2, 2] == label


def test_nested_keeps_one_heart():
    mask = heart()
    mask[0, 0, 11] = 2
    found = apply("nested", mask, said(mask), infarction=0.5, no_reflow=0.5)
    np.testing.assert_array_equal(found, heart())


def test_one_ring_removes_islands_inside_and_outside():
    mask = heart(2)
    mask[0, 5, 5], mask[1, 0, 0] = 3, 2
    np.testing.assert_array_equal(apply("one_ring", mask, least_share=0.1), heart(2))
    np.testing.assert_array_equal(apply("one_ring", mask, least_share=0.0), mask)


def test_one_ring_keeps_a_large_half_of_a_torn_ring():
    mask = heart()
    mask[0, :, 5:7] = np.where(mask[0, :, 5:7] == 2, 0, mask[0, :, 5:7])
    np.testing.assert_array_equal(apply("one_ring", mask, least_share=0.5), mask)
    empty = np.zeros((1, 4, 4), np.uint8)
    np.testing.assert_array_equal(apply("one_ring", empty, least_share=0.5), empty)


def test_an_infarct_away_from_the_muscle_is_no_infarct():
    mask = heart()
    mask[0, 2:4, 2:8] = 3  # touches the muscle on both sides
    stray = mask.copy()
    stray[0, 6, 5:7], stray[0, 11, 11] = 3, 4
    np.testing.assert_array_equal(apply("infarct_in_myocardium", stray, least_share=0.05), mask)


def test_an_infarct_all_around_stays():
    mask = heart()
    mask[mask == 2] = 3
    np.testing.assert_array_equal(apply("infarct_in_myocardium", mask, least_share=0.2), mask)


def test_no_reflow_without_infarct_around_is_muscle():
    mask = heart()
    mask[0, 2:4, 2:6], mask[0, 2, 3:5] = 3, 4
    expected = mask.copy()
    mask[0, 9, 4:6] = 4
    np.testing.assert_array_equal(apply("no_reflow_in_infarct", mask, least_share=0.2), expected)


@pytest.mark.parametrize(
    ("name", "label", "instead"), [("smallest_infarct", 3, 2), ("smallest_no_reflow", 4, 3)]
)
def test_small_pieces_go_one_by_one(name, label, instead):
    mask = heart()
    mask[0, 2:4, 2:6] = mask[0, 9, 7:9] = label  # 0.8 and 0.2 mL
    expected = mask.copy()
    expected[0, 9, 7:9] = instead
    np.testing.assert_array_equal(apply(name, mask, least_ml=0.25), expected)
    np.testing.assert_array_equal(apply(name, mask, least_ml=0.2), mask)


def test_pieces_join_across_slices():
    mask = heart(2)
    mask[:, 2, 2] = 3
    np.testing.assert_array_equal(apply("smallest_infarct", mask, least_ml=0.15), mask)


@pytest.mark.parametrize(
    ("name", "label", "instead"), [("normal_heart", (3, 4), 2), ("no_obstruction", (4,), 3)]
)
def test_a_gate_empties_a_whole_heart_or_leaves_it(name, label, instead):
    mask = heart()
    mask[0, 2:4, 2:6], mask[0, 2, 3] = 3, 4
    for by, below in (("found_ml", 5.0), ("expected_ml", 9.0), ("peak", 0.95)):
        found = apply(name, mask, said(mask), by=by, below=below)
        expected = np.where(np.isin(mask, label), instead, mask)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(apply(name, mask, said(mask), by=by, below=0.0), mask)


def test_features_by_hand():
    """48 voxels of muscle, 8 of them infarcted and said so with 0.82 (0.02 elsewhere, twice)."""
    mask = heart()
    mask[0, 2:4, 2:6] = 3
    told = said(mask, sure=0.9)
    both = UNIONS["infarction"]
    assert feature(mask, told, ML, both, "found_ml") == pytest.approx(0.8)
    assert feature(mask, told, ML, both, "expected_ml") == pytest.approx(
        ML * (8 * 0.94 + 40 * 0.04)
    )
    assert feature(mask, told, ML, both, "peak") == pytest.approx(0.94)
    assert feature(mask, told, ML * 0.04, both, "peak") == pytest.approx(0), "no 0.5 mL of muscle"


def test_rules_tell_what_they_changed_and_survive_a_manifest():
    mask = heart()
    mask[0, 2:4, 2:6], mask[0, 9, 7:9] = 3, 4
    rules = Rules().then(Rule.of("smallest_no_reflow", least_ml=0.3))
    rules = rules.then(Rule.of("smallest_infarct", least_ml=0.3))
    found, told = rules.told(mask, said(mask), ML)
    np.testing.assert_array_equal(found, rules.apply(mask, said(mask), ML))
    assert [step["changed_voxels"] for step in told] == [2, 2]
    assert told[0]["change_ml"] == {"myocardium": 0.0, "infarction": 0.0, "no_reflow": -0.2}
    assert told[1]["change_ml"] == {"myocardium": 0.0, "infarction": -0.2, "no_reflow": 0.0}
    manifest = {"rules": {"steps": [rule.as_dict() for rule in rules.steps]}}
    assert Rules.from_manifest(manifest) == rules
    assert Rules.from_manifest({}) == Rules()


@pytest.mark.parametrize(
    "step", [{"rule": "astrology"}, {"rule": "one_ring"}, {"rule": "one_ring", "least": 1}]
)
def test_unknown_rules_are_told(step):
    with pytest.raises(WeightsError, match="does not know"):
        Rules.from_manifest({"rules": {"steps": [step]}})


@pytest.mark.parametrize("name", RULES)
def test_every_rule_keeps_an_empty_mask_empty(name):
    some = {"by": "peak", "below": 0.5}
    parameters = {k: some.get(k, 0.5) for k in keywords(RULES[name])}
    empty = np.zeros((2, 6, 6), np.uint8)
    background = np.zeros((5, 2, 6, 6))
    background[0] = 1
    np.testing.assert_array_equal(apply(name, empty, background, **parameters), empty)
