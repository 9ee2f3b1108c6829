"""Masks in, verdict and best mask out; the same as `predict` tells of the same masks."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cmrseg.cases.case import Case, ImageSource
from cmrseg.imaging import Geometry, Volume
from cmrseg.imaging.postprocess import ventricles
from cmrseg.imaging.prepare import prepare
from cmrseg.quality.control import assess
from cmrseg.quality.inspector import Inspector
from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.selection import Fences, Thresholds
from cmrseg.recipes import mnms2_judge
from cmrseg.recipes.mnms2 import RECIPES
from cmrseg.recipes.mnms2_judge import (
    because,
    checked_mask,
    inspectors_of,
    judge_masks,
    judged,
    one_hot,
    reason,
)
from cmrseg.recipes.mnms2_volumes import STRUCTURES
from cmrseg.recipes.steps import prepared_image
from cmrseg.run.predict import model
from cmrseg.runtime.errors import InputError, UsageError, WeightsError
from judging_tools import judging_bundle
from quality.tools import Copier, Square, control
from tiny import heart, save, volume

SPACING = (10.0, 1.5, 1.5)
WHOLE = heart()[1]
LOST = np.where(WHOLE == 3, 0, WHOLE).astype(np.uint8)
STRICT = Thresholds({"SA_ED": Fences(th_low=0.9, th_up_mm=5.0, measures=9)})


def inspector(network, thresholds=STRICT):
    return Inspector(control=control(network), thresholds=thresholds)


def on(image, given, network):
    """Judged as an end-diastolic stack."""
    prepared = prepare(image, RECIPES["SA"].grid)
    return judged(inspector(network), "SA_ED", prepared, given)


def picture():
    return Volume(heart()[0], Geometry(WHOLE.shape, SPACING))


def test_the_mask_in_range_is_taken_as_it_is_and_told_by_name():
    found = on(picture(), {"theirs": LOST, "ours": WHOLE}, Copier(size=64))
    np.testing.assert_array_equal(found.mask, WHOLE)
    np.testing.assert_array_equal(found.expected, WHOLE)
    told = found.told
    assert not told["out_of_distribution"]
    assert "1 of 2" in told["reason"]
    assert told["chosen"] == ["ours"]
    assert told["in_range"] == {"theirs": False, "ours": True}
    assert told["candidates"]["ours"]["RV"] == {"pDC": 1.0, "pHD_mm": 0.0}
    assert told["candidates"]["theirs"]["RV"]["pDC"] == 0.0
    assert told["answer"] == told["candidates"]["ours"]
    assert told["candidates_agree"] == {"LV": 1.0, "MYO": 1.0, "RV": 0.5}
    assert found.warnings == ()
    assert json.dumps(told, allow_nan=False)


def test_one_mask_out_of_range_is_flagged_and_still_the_answer():
    found = on(picture(), {"theirs": WHOLE}, Copier(size=64, without_rv=True))
    np.testing.assert_array_equal(found.mask, WHOLE)
    np.testing.assert_array_equal(found.expected, LOST)
    assert found.told["out_of_distribution"]
    (warning,) = found.warnings
    assert "RV out of range (theirs: pDC 0.000 < 0.900" in warning
    assert found.told["chosen_because"] == "the only mask given"
    assert "candidates_agree" not in found.told


def test_where_no_mask_has_the_right_ventricle_that_is_said():
    found = on(picture(), {"one": LOST, "other": 0 * LOST}, Copier(size=64))
    assert "(one: no RV; other: no RV)" in found.told["reason"]
    assert found.told["chosen"] == ["one"]
    assert "none has an RV" in found.told["chosen_because"]
    (lost,), (empty,) = (found.told["faults"][name] for name in ("one", "other"))
    assert "no RV" in lost
    assert "empty" in empty
    assert found.warnings[1:] == (lost,)


def test_nothing_is_taken_away_before_it_is_judged():
    """A piece that `predict` would have dropped costs pHD and stays in the answer."""
    stray = WHOLE.copy()
    stray[0, :2, :2] = 3
    found = on(picture(), {"theirs": stray}, Copier(size=16))
    np.testing.assert_array_equal(found.mask, stray)
    assert found.told["candidates"]["theirs"]["RV"]["pHD_mm"] > 5.0


def squares(*sides):
    """Square RVs in the middle; the autoencoder of the tests knows one of 16."""
    masks = []
    for side in sides:
        mask = np.zeros((1, 64, 64), np.uint8)
        mask[0, 32 - side // 2 : 32 + side // 2, 32 - side // 2 : 32 + side // 2] = 3
        masks.append(mask)
    return masks


def fallback(**given):
    """Judged where no pHD is in range and best pDC and best pHD are two candidates."""
    grey = np.random.default_rng(0).normal(size=(1, 64, 64)).astype(np.float32)
    never = Thresholds({"SA_ED": Fences(th_low=0.9, th_up_mm=0.0, measures=9)})
    prepared = prepare(Volume(grey, Geometry(grey.shape, SPACING)), RECIPES["SA"].grid)
    return judged(inspector(Square(), never), "SA_ED", prepared, given)


def far_and_near():
    """One with the better overlap but a voxel far away, and one nearer all over."""
    far, near = squares(16, 12)
    far[0, 31:33, 2] = 3
    return far, near


def test_of_two_label_maps_the_better_by_pdc_settles_a_draw():
    far, near = far_and_near()
    found = fallback(far=far, near=near)
    assert found.told["chosen"] == ["far", "near"]
    assert "all candidates vote, and far settles a draw" in found.told["chosen_because"]
    np.testing.assert_array_equal(found.mask, far)


def test_of_three_label_maps_the_third_settles_where_two_differ():
    far, near = far_and_near()
    found = fallback(far=far, near=near, third=squares(8)[0])
    assert found.told["chosen"] == ["far", "near"]
    np.testing.assert_array_equal(found.mask, near)
    assert found.told["answer"]["RV"] == found.told["candidates"]["near"]["RV"]


def test_of_probabilities_the_mean_is_taken():
    far, near = far_and_near()
    unsure, sure = 0.6 * one_hot(far) + 0.1, 0.96 * one_hot(near) + 0.01
    found = fallback(unsure=unsure.astype(np.float32), sure=sure.astype(np.float32))
    assert found.told["chosen"] == ["unsure", "sure"]
    np.testing.assert_array_equal(found.mask, near)
    certain = {"unsure": one_hot(far), "sure": 0.4 * one_hot(near) + np.float32(0.15)}
    np.testing.assert_array_equal(fallback(**certain).mask, far)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return judging_bundle(tmp_path_factory.mktemp("judging"))


@pytest.mark.parametrize("th_low", [0.0, 0.58, 0.9])
def test_what_predict_told_of_its_own_candidates_is_told_of_their_masks(tmp_path, weights, th_low):
    """On the recipe's own grid: both, one, or none of the two are in range."""
    path = save(tmp_path / "image.nii.gz", picture())
    case = Case("a", {"SA_ED": ImageSource(path)}, "case 1")
    own = Thresholds({"SA_ED": Fences(th_low=th_low, th_up_mm=999.0, measures=9)})
    control = replace(inspectors_of(weights, torch.device("cpu"))["SA"], thresholds=own)
    predicting = model("mnms2", weights, device="cpu", precision="fp32", mirrors=1)
    predicting.inspectors = {"SA": control}
    before = predicting.segment(case).measures["SA_ED"]["quality"]
    candidates = predicting.segmented("SA_ED", case).passes.candidates
    masks = {str(n): ventricles(one) for n, one in enumerate(candidates, 1)}
    _, prepared = prepared_image(case.images["SA_ED"], RECIPES["SA"].grid)
    after = judged(control, "SA_ED", prepared, masks).told
    first, second = (one["RV"]["pDC"] for one in before["candidates"])
    assert 0.5 < second < 0.58 < first < 0.9, "not alike, so that equality says something"
    assert list(after["candidates"].values()) == before["candidates"]
    for key in ("out_of_distribution", "th_low", "th_up_mm", "chosen_because", "answer"):
        assert after[key] == before[key], key
    assert after["chosen"] == [str(n) for n in before["chosen"]]
    assert before["reason"].replace("candidate ", "") == after["reason"]


def test_arrays_of_a_notebook_are_judged_wherever_their_axes_point(weights):
    image = volume(2)
    mask = heart(2)[1]
    found = judge_masks({"mine": mask}, "SA_ED", (10.0, 1.3, 1.2), weights=weights.folder)
    turned = np.ascontiguousarray(mask[::-1, :, ::-1].swapaxes(1, 2))
    geometry = Geometry(image.array.shape, (10.0, 1.3, 1.2))
    direction = geometry.direction[:, [0, 2, 1]] * (-1.0, -1.0, 1.0)
    again = judge_masks(
        {"mine": turned},
        "SA_ED",
        (10.0, 1.2, 1.3),
        direction=direction,
        weights=weights.folder,
    )
    assert again.told == found.told
    np.testing.assert_array_equal(again.mask, turned)
    np.testing.assert_array_equal(again.expected[::-1].swapaxes(1, 2)[:, :, ::-1], found.expected)
    sure = judge_masks({"mine": one_hot(mask)}, "SA_ED", (10.0, 1.5, 1.5), weights=weights.folder)
    same = judge_masks({"mine": mask}, "SA_ED", (10.0, 1.5, 1.5), weights=weights.folder)
    assert sure.told == same.told


def test_a_bundle_is_loaded_once(weights, monkeypatch):
    mnms2_judge._loaded.cache_clear()
    loads = []
    find = mnms2_judge.bundle.find
    monkeypatch.setattr(
        "cmrseg.recipes.mnms2_judge.bundle.find", lambda *a: loads.append(a) or find(*a)
    )
    for _ in range(2):
        judge_masks({"mine": WHOLE}, "SA_ED", SPACING, weights=weights.folder)
    assert len(loads) == 1


@pytest.mark.parametrize(
    ("masks", "role", "error", "told"),
    [
        ({}, "SA_ED", UsageError, "nothing to judge"),
        ({"a": WHOLE}, "SA", UsageError, "SA_ED, SA_ES, LA_ED, LA_ES"),
        ({"a": WHOLE}, "LA_ED", WeightsError, "no quality control for LA_ED"),
        ({"a": WHOLE, "b": WHOLE[1:]}, "SA_ED", InputError, "mask of b has voxels (3, 40, 44)"),
        ({"a": WHOLE[0]}, "SA_ED", InputError, "has 2 axes, not three"),
        ({"a": WHOLE + 1}, "SA_ED", InputError, "values that are not labels"),
        ({"a": WHOLE / 2}, "SA_ED", InputError, "values that are not labels"),
        ({"a": 2 * one_hot(WHOLE)}, "SA_ED", InputError, "do not add up to one"),
        ({"a": np.where(WHOLE, np.nan, 0)}, "SA_ED", InputError, "values that are not labels"),
        ({"a": one_hot(WHOLE)[:3]}, "SA_ED", InputError, "voxels (3, 4, 40, 44), not (4, 40, 44)"),
    ],
)
def test_what_cannot_be_judged(weights, masks, role, error, told):
    with pytest.raises(error) as raised:
        judge_masks(masks, role, SPACING, weights=weights.folder)
    assert told in str(raised.value)


def test_labels_written_as_fractions_are_labels():
    mask = checked_mask(WHOLE.astype(np.float64), WHOLE.shape, "a")
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, WHOLE)


def test_a_long_axis_has_one_slice():
    prepared = prepare(picture(), RECIPES["LA"].grid)
    fences = Thresholds({"LA_ED": STRICT.of("SA_ED")})
    with pytest.raises(InputError, match="long-axis image has 4 slices"):
        judged(inspector(Copier(), fences), "LA_ED", prepared, {"a": WHOLE})


def test_a_bundle_without_quality_control(bundles):
    with pytest.raises(WeightsError, match="has no quality control"):
        judge_masks({"a": WHOLE}, "SA_ED", SPACING, weights=bundles)


def test_structures_are_those_that_classes_count():
    assert mnms2_judge.CLASSES == 4 == 1 + len(STRUCTURES)


FENCES = Fences(th_low=0.9, th_up_mm=10.0, measures=9)
GOOD, FAR, NONE = Pseudo(0.95, 4.0), Pseudo(0.95, 12.0), Pseudo(0.0, 99.0)


def found(*candidates):
    return assess(tuple({"RV": one} for one in candidates), FENCES)


@pytest.mark.parametrize(
    ("candidates", "lacking", "told"),
    [
        ([FAR], {"a": False}, "RV out of range (a: pHD 12.0 > 10.0 mm)"),
        ([NONE], {"a": True}, "RV out of range (a: no RV)"),
        ([GOOD], {"a": False}, "RV in range"),
        (
            [NONE, FAR],
            {"b (x)": True, "a": False},
            "RV out of range in all candidates (b (x): no RV; a: pHD 12.0 > 10.0 mm)",
        ),
        ([NONE, GOOD], {"b": True, "a": False}, "RV in range in 1 of 2 candidates"),
        ([NONE], {"a": False}, "RV out of range (a: pDC 0.000 < 0.900 and pHD 99.0 > 10.0 mm)"),
    ],
)
def test_reasons_go_by_name(candidates, lacking, told):
    assert reason(found(*candidates), lacking) == told


def test_why_masks_are_taken():
    assert because(found(NONE), ["a"], {"a": True}) == "the only mask given"
    none = found(NONE, NONE)
    assert "none has an RV" in because(none, ["a"], {"a": True, "b": True})
    one = found(GOOD, FAR)
    assert because(one, ["a"], {"a": False, "b": False}) == one.choice.reason
    two = found(Pseudo(0.95, 30.0), Pseudo(0.94, 20.0))
    told = because(two, ["a", "b"], {"a": False, "b": False})
    assert told.startswith(two.choice.reason)
    assert told.endswith("all candidates vote, and a settles a draw")
