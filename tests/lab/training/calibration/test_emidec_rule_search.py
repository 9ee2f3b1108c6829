"""Rules that pay are found, rules that do not are left out, and nobody scores his own choice."""

import numpy as np
import pytest

from cmrseg.recipes.emidec_rules import Rule, Rules
from cmrseg_lab.training.calibration import emidec_rule_search as module
from cmrseg_lab.training.calibration.emidec_rule_search import SCORES, Chooser, RuleCase, together

ML = 0.1
EVERY = {"smallest_infarct": [Rule.of("smallest_infarct", least_ml=v) for v in (0.15, 0.45)]}


@pytest.fixture(autouse=True)
def one_rule(monkeypatch):
    monkeypatch.setattr(module, "CHOICES", EVERY)


def heart(*, infarct=0, false=0):
    """A slice with so many voxels of infarct, and so many found where there is none."""
    truth = np.zeros((1, 16, 16), np.uint8)
    truth[0, 2:12, 2:12] = 2
    truth[0, 5:9, 5:9] = 1
    truth[0, 2, 2 : 2 + infarct] = 3
    mask = truth.copy()
    mask[0, 11, 2 : 2 + false] = 3
    return RuleCase(np.zeros((5, 1, 16, 16), np.float32), truth, mask, ML)


def test_scores_by_hand():
    told = Chooser([heart(infarct=4, false=4)], [0]).scores(Rules())[0]
    dice = dict(zip(SCORES, told, strict=True))
    assert dice["myocardium_dice"] == 1.0
    assert dice["infarction_dice"] == pytest.approx(2 * 4 / 12)
    assert dice["no_reflow_dice"] == 1.0
    assert dice["infarction_vd_ml"] == pytest.approx(0.4)


def test_a_rule_that_pays_is_kept_with_what_pays_most():
    """False islands of 3 voxels (0.3 mL) beside infarcts of 8: only 0.45 mL removes them."""
    chooser = Chooser([heart(infarct=8, false=3) for _ in range(6)], [0, 1, 2] * 2)
    (tried,) = chooser.choose()
    assert tried.kept == Rule.of("smallest_infarct", least_ml=0.45)
    before = 2 * 8 / 19
    assert tried.gain["infarction_dice"] == pytest.approx(1 - before)
    assert tried.gain["infarction_vd_ml"] == pytest.approx(-0.3)
    assert set(chooser.honest().values()) == {Rules((tried.kept,))}


def test_a_rule_that_harms_is_left_out():
    chooser = Chooser([heart(infarct=3) for _ in range(6)], [0, 1, 2] * 2)
    (tried,) = chooser.choose()
    assert tried.kept is None
    assert together([tried]) == Rules()
    assert tried.gain["infarction_dice"] == 0.0, "nobody chooses it"


def test_what_pays_for_one_part_alone_is_no_gain():
    """Part 0 prefers 0.45 mL, which the others would never choose: on them it harms."""
    hearts = [heart(infarct=8, false=3)] * 2 + [heart(infarct=3)] * 4
    chooser = Chooser(hearts, [0, 0, 1, 1, 2, 2])
    (tried,) = chooser.choose()
    assert tried.gain["infarction_dice"] <= 0
    assert tried.kept is None


def test_choices_of_a_part_see_nothing_of_it(monkeypatch):
    """The rules scored on a part stay what they are whatever that part's patients look like."""
    others = [heart(infarct=8, false=3)] * 4
    for mine in (heart(infarct=3), heart(infarct=8, false=3)):
        chooser = Chooser([mine, *others], [0, 1, 2, 1, 2])
        assert chooser.honest()[0] == Rules((Rule.of("smallest_infarct", least_ml=0.45),))


def test_a_heart_is_cut_out_without_changing_its_scores():
    from cmrseg_lab.training.calibration.emidec_out_of_fold import Held

    truth = np.zeros((2, 40, 40), np.uint8)
    truth[:, 10:20, 15:25] = 2
    probabilities = np.zeros((5, 2, 40, 40), np.float32)
    probabilities[0] = 1
    probabilities[:, :, 11:21, 15:25] = np.array([0, 0, 1, 0, 0])[:, None, None, None]
    none = np.zeros((2, 1, 1))
    held = Held(
        patient="x", group="P", fold=0, truth=truth, probabilities=probabilities, variance=none,
        spacing_mm=(10.0, 1.0, 1.0), image_level=0.0, grid_truth=none, central=none, samples=none,
        grid_spacing_mm=(10.0, 1.0, 1.0),
    )  # fmt: skip
    cut = RuleCase.of(held)
    assert cut.mask.size < truth.size / 4
    assert cut.scores(cut.mask)[0] == pytest.approx(0.9)
    assert cut.scores(cut.mask)[3] == 0.0


@pytest.mark.parametrize(
    ("means", "best"),
    [
        ([0.1, 0.3, 0.3, 0.3, 0.2, 0.3], 2),  # the last one is apart from those before
        ([0.2, 0.3, 0.3], 1),
        ([0.3, 0.1, 0.2], 0),
        ([0.3, 0.3, 0.3], 1),
        ([-0.1, 0.0], None),
    ],
)
def test_of_parameters_that_do_equally_well_the_middle_one_is_taken(means, best):
    change = np.zeros((len(means), 4, len(SCORES)))
    change[:, :, :3] = np.array(means)[:, None, None]
    change[:, :, 3:] = 9.0  # volumes decide nothing
    assert module._best(change) == best
    assert module._best(change[:, :0]) is None
