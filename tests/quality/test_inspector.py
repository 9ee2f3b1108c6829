"""Quality control at work: the verdict is told, the best is taken, refinement reports itself."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cmrseg.cases.case import Case, ImageSource
from cmrseg.imaging import Geometry, Volume
from cmrseg.imaging.overlap import dice
from cmrseg.models import bundle
from cmrseg.models.ensemble import Segmenter
from cmrseg.models.roi_crop import MARGIN, Roi
from cmrseg.models.unet import UNet
from cmrseg.quality.adapt_at_test_time import Refiner, Shown
from cmrseg.quality.adaptation_types import Look, Refined, Refining
from cmrseg.quality.inspector import Inspector
from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.replay import Rehearsal
from cmrseg.quality.selection import Fences, Thresholds
from cmrseg.recipes.mnms2 import Mnms2
from cmrseg.recipes.mnms2_volumes import STRUCTURES
from cmrseg.runtime import Budget
from cmrseg_lab.training.pack import pack, record_quality
from quality.tools import Copier, Square, control
from tiny import heart, make_checkpoint, network_config, quality_entry, sample, save, volume

CPU = torch.device("cpu")
STRICT = Thresholds({"SA_ED": Fences(th_low=0.9, th_up_mm=5.0, measures=9)})


def picture():
    array = sample().image
    return Volume(array, Geometry(array.shape, (10.0, 1.5, 1.5)))


def certain(label):
    """(C, z, y, x) probabilities that say just this."""
    return np.moveaxis(np.eye(4, dtype=np.float32)[label], -1, 0) * 0.97 + 0.0075


def inspector(network, thresholds=STRICT, **refining):
    judge = control(network)
    refiner = Refiner(control=judge, **refining) if refining else None
    return Inspector(control=judge, thresholds=thresholds, refiner=refiner)


def candidates():
    """A heart without its RV, and a whole one."""
    whole = heart()[1]
    return np.stack([certain(np.where(whole == 3, 0, whole)), certain(whole)])


def test_the_candidate_that_is_in_range_becomes_the_answer():
    given = candidates()
    found = inspector(Copier(size=64)).inspect("SA_ED", Shown(image=picture()), given, pass_s=0.1)
    np.testing.assert_allclose(found.probabilities, given[1], atol=1e-6)
    assert found.record["chosen"] == [2]
    assert not found.record["out_of_distribution"]
    assert found.record["answer"]["RV"] == {"pDC": 1.0, "pHD_mm": 0.0}
    assert found.record["thresholds"] == "frozen"
    assert found.record["candidates"][0]["RV"]["pDC"] == 0.0
    assert found.warnings == ()
    assert found.inspected_s > 0
    assert found.refined_s == 0


def test_where_all_fail_it_is_said_and_nothing_is_refined_unasked():
    given = candidates()
    found = inspector(Copier(size=64, without_rv=True)).inspect(
        "SA_ED", Shown(image=picture()), given, pass_s=0.1
    )
    assert found.record["out_of_distribution"]
    (warning,) = found.warnings
    assert "RV out of range in all candidates" in warning
    assert "refinement" not in found.record


def test_a_role_without_thresholds_is_left_as_it_is():
    assert (
        inspector(Copier()).inspect("SA_ES", Shown(image=picture()), candidates(), pass_s=0.1)
        is None
    )


def network():
    torch.manual_seed(0)
    return UNet(network_config("mnms2-sa")).eval()


def rehearsed():
    one = sample(1)
    return Rehearsal(one.image[:, 4:36, 4:36], one.label[:, 4:36, 4:36])


def test_refinement_tells_what_it_did():
    """The autoencoder knows one square only, which no network reaches in a few epochs."""
    net = network()
    found = inspector(Square(), rehearsed=rehearsed, networks=lambda: [net]).inspect(
        "SA_ED", Shown(image=picture()), candidates()[:1], refine_s=999.0, pass_s=0.01
    )
    told = found.record["refinement"]
    assert told["out_of_distribution_before"]
    (one,) = told["candidates"]
    assert one["epochs"] > 0
    assert told["candidates_kept"] == int(one["kept"])
    assert found.refined_s > 0
    assert json.dumps(found.record, allow_nan=False)


def test_what_refinement_looked_at_last_is_the_answer(monkeypatch):
    """It was shown the heart alone; beyond it lies background, and nothing is computed again."""
    whole = np.pad(heart()[1], ((0, 0), (60, 60), (60, 60)))
    image = np.pad(picture().array, ((0, 0), (60, 60), (60, 60)))
    grey = Volume(image, Geometry(image.shape, (10.0, 1.5, 1.5)))
    seen = []

    def refine(networks, flagged, *_, **__):
        seen.append(flagged[0].image.shape[1:])
        maps = certain(np.full(flagged[0].image.shape[1:], 3))
        measures = {name: Pseudo(1.0, 0.0) for name in STRUCTURES}
        look = Look((None,), (measures,), (True,), (maps,))
        return [replace(cohort_of(networks[0], {}), before=look, after=look)]

    monkeypatch.setattr("cmrseg.quality.adapt_at_test_time.refine", refine)
    lost = certain(np.where(whole == 3, 0, whole))[None]
    found = inspector(Copier(size=64), rehearsed=rehearsed, networks=lambda: [network()]).inspect(
        "SA_ED", Shown(image=grey), lost, refine_s=999.0, pass_s=0.01
    )
    assert found.record["refinement"]["candidates_kept"] == 1
    rows, columns = (
        np.flatnonzero((lost[0].argmax(axis=0) > 0).any(axis=a)) for a in ((0, 2), (0, 1))
    )
    box = np.s_[
        :, rows[0] - MARGIN : rows[-1] + MARGIN + 1, columns[0] - MARGIN : columns[-1] + MARGIN + 1
    ]
    assert seen == [image[box].shape]
    answer = found.probabilities.argmax(axis=0)
    assert (answer[box] == 3).all()
    answer[box] = 0
    assert not answer.any()


def test_refinement_sees_the_other_phase_as_the_networks_did(monkeypatch):
    seen = []

    def refine(networks, flagged, *_, **__):
        seen.append(flagged[0].image)
        return [None]

    monkeypatch.setattr("cmrseg.quality.adapt_at_test_time.refine", refine)
    image, beside = picture(), sample(1).image
    roi = replace(Roi.rounded(image, sample().label > 0), companion=beside)
    lost = certain(np.where(heart()[1] == 3, 0, heart()[1]))[None]
    inspector(Copier(size=64), rehearsed=rehearsed, networks=lambda: [network()]).inspect(
        "SA_ED", Shown(image=image, roi=roi), lost, refine_s=999.0, pass_s=0.01
    )
    np.testing.assert_array_equal(seen[0], np.stack([roi.image.array, beside]))


def test_a_budget_too_small_to_begin_in_is_met():
    found = inspector(Square(), rehearsed=rehearsed, networks=lambda: [network()]).inspect(
        "SA_ED", Shown(image=picture()), candidates()[:1], refine_s=0.5, pass_s=30.0
    )
    (one,) = found.record["refinement"]["candidates"]
    assert not one["kept"]
    assert "no time" in one["reason"]
    assert "no candidate kept" in found.warnings[1]
    assert found.refined_s < 0.5


def test_refinement_that_was_asked_for_needs_labelled_slices_and_says_so():
    found = inspector(Copier(size=64, without_rv=True)).inspect(
        "SA_ED", Shown(image=picture()), candidates(), refine_s=999.0, pass_s=0.1
    )
    assert "no labelled slices" in found.warnings[1]
    assert "refinement" not in found.record
    in_range = inspector(Copier(size=64)).inspect(
        "SA_ED", Shown(image=picture()), candidates(), refine_s=999.0, pass_s=0.1
    )
    assert in_range.warnings == (), "there was nothing to refine"


def test_why_no_candidate_was_kept_is_told_once_a_reason():
    net = network()
    lost = cohort_of(net, None)
    refiner = {
        "rehearsed": rehearsed,
        "networks": lambda: [net, net, net],
        "cohort": (None, replace(lost, reason="rolled back"), replace(lost, reason="rolled back")),
    }
    given = np.repeat(candidates()[:1], 3, axis=0)
    everyone = inspector(
        Copier(size=64, without_rv=True), config=Refining(candidates="all"), **refiner
    )
    found = everyone.inspect("SA_ED", Shown(image=picture()), given, refine_s=999.0, pass_s=0.01)
    told = "refinement: no candidate kept (no time to begin; rolled back)"
    assert found.warnings[1:] == (told,)


@pytest.mark.parametrize(("who", "chosen"), [("answering", [1]), ("all", [2])])
def test_a_refined_candidate_takes_its_own_place_unless_all_were_refined(monkeypatch, who, chosen):
    """Of two equals the first answers; refinement mends the second."""
    lost = candidates()[:1]
    maps = certain(heart()[1])

    def refine(networks, flagged, *_, **__):
        assert flagged[0].answering == (0,)
        measures = {name: Pseudo(1.0, 0.0) for name in STRUCTURES}
        look = Look((None,), (measures,), (True,), (maps,))
        return [None, replace(cohort_of(networks[0], {}), before=look, after=look)]

    monkeypatch.setattr("cmrseg.quality.adapt_at_test_time.refine", refine)
    refining = {"rehearsed": rehearsed, "networks": lambda: [network()] * 2}
    found = inspector(Copier(size=64), config=Refining(candidates=who), **refining).inspect(
        "SA_ED", Shown(image=picture()), np.repeat(lost, 2, axis=0), refine_s=999.0, pass_s=0.01
    )
    told = found.record["refinement"]
    assert found.record["chosen"] == chosen
    assert told["candidates_kept"] == len(told["candidates"]) - 1 == int(who == "all")
    answer = maps if who == "all" else lost[0]
    np.testing.assert_allclose(found.probabilities, answer, atol=1e-6)


def test_where_no_time_is_left_it_says_that_nothing_was_refined():
    found = inspector(
        Square(), rehearsed=rehearsed, networks=lambda: pytest.fail("refined")
    ).inspect("SA_ED", Shown(image=picture()), candidates()[:1], refine_s=-0.1, pass_s=0.01)
    assert "no time" in found.warnings[-1]
    assert "refinement" not in found.record
    assert found.refined_s == 0


def test_a_case_out_of_time_tells_that_it_was_not_refined(tmp_path, weights):
    path = save(tmp_path / "in" / "image.nii.gz", volume())
    case = Case("a", {"SA_ED": ImageSource(path)}, "case 1")
    budget = Budget(1e-3)
    segmenter = Segmenter.from_bundle(weights, "mnms2-sa", CPU, precision="fp32", budget=budget)
    control = {
        "SA": inspector(Square(), rehearsed=rehearsed, networks=lambda: pytest.fail("refined"))
    }
    asked = Mnms2({"SA": segmenter}, budget=budget, inspectors=control, refine_s=60.0)
    warnings = asked.segment(case).warnings
    assert "SA_ED: the time budget is short: 1 of 4 mirror images" in warnings
    assert "SA_ED: no time is left to refine" in warnings
    unasked = Mnms2({"SA": segmenter}, budget=budget, inspectors=control)
    assert not any("refine" in warning for warning in unasked.segment(case).warnings)


def cohort_of(net, weights):
    """As if a cohort's refinement had left these weights; its maps are of some other image."""
    look = Look((None,), ({},), (True,), (certain(np.zeros((1, 8, 8), int)),))
    return Refined(
        weights=weights, reason="all in range", epochs=2, before=look, after=look,
        rehearsal_loss=(1.0, 1.0),
    )  # fmt: skip


def other_weights(net):
    changed = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for name in changed:
        if name.startswith("heads.0") and name.endswith("bias"):
            changed[name] += torch.tensor([0.0, 0.0, 0.0, 9.0])
    return changed


def test_what_a_cohort_left_is_taken_where_it_is_in_range():
    net = network()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    refiner = {
        "rehearsed": rehearsed,
        "networks": lambda: [net],
        "cohort": (cohort_of(net, other_weights(net)),),
    }
    lost = np.stack([certain(np.zeros_like(heart()[1]))])
    easy = Thresholds({"SA_ED": Fences(th_low=0.5, th_up_mm=999.0, measures=9)})
    found = inspector(Copier(size=64), easy, **refiner).inspect(
        "SA_ED", Shown(image=picture()), lost, refine_s=999.0, pass_s=0.01, mirrors=2
    )
    told = found.record["refinement"]
    assert (told["over"], told["candidates_kept"]) == ("cohort", 1)
    assert (told["out_of_distribution_before"], told["out_of_distribution_after"]) == (True, False)
    assert (found.probabilities.argmax(axis=0) == 3).mean() > 0.9
    assert "in range once refined" in found.warnings[-1]
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    # One that brings no mask into range is left.
    found = inspector(Copier(size=64, without_rv=True), **refiner).inspect(
        "SA_ED", Shown(image=picture()), lost, refine_s=999.0, pass_s=0.01
    )
    told = found.record["refinement"]
    (one,) = told["candidates"]
    assert one == {"candidate": 1, "kept": False, "reason": "not in range here", "epochs": 2}
    np.testing.assert_array_equal(found.probabilities, lost[0].astype(np.float32))


def test_without_time_nothing_of_a_cohort_is_taken():
    net = network()
    refiner = {"cohort": (cohort_of(net, other_weights(net)),), "networks": lambda: [net]}
    found = inspector(Copier(size=64, without_rv=True), rehearsed=rehearsed, **refiner).inspect(
        "SA_ED", Shown(image=picture()), candidates()[:1], refine_s=1e-6, pass_s=0.01
    )
    (one,) = found.record["refinement"]["candidates"]
    assert "no time" in one["reason"]


@pytest.fixture
def weights(tmp_path):
    """Two short-axis candidates of one seed, and thresholds."""
    paths = [
        make_checkpoint(tmp_path / "runs" / str(seed), "mnms2-sa", seed=seed) for seed in (3, 4)
    ]
    out = pack("mnms2", paths, tmp_path / "mnms2")
    record_quality(out, "mnms2-sa", quality_entry(**STRICT.by_role), rehearsed())
    return bundle.load(out, "mnms2")


def test_a_case_tells_of_its_quality_and_without_control_it_is_as_ever(tmp_path, weights):
    path = save(tmp_path / "in" / "image.nii.gz", volume())
    case = Case("a", {"SA_ED": ImageSource(path)}, "case 1")
    segmenters = {"SA": Segmenter.from_bundle(weights, "mnms2-sa", CPU, precision="fp32")}
    plain = Mnms2(segmenters, mirrors=2).segment(case)
    assert "quality" not in plain.measures["SA_ED"]
    assert "quality" not in plain.timings_s
    watched = Mnms2(segmenters, mirrors=2, inspectors={"SA": inspector(Copier(size=64))})
    result = watched.segment(case)
    told = result.measures["SA_ED"]["quality"]
    assert len(told["candidates"]) == 2
    assert set(told["candidates_agree"]) == set(STRUCTURES)
    assert result.timings_s["quality"] > 0
    image = result.predictions["SA_ED"].mask
    # Both candidates are nearly equal to the copying autoencoder, so their mean answers.
    assert told["chosen"] == [1, 2]
    alone = Segmenter(segmenters["SA"].networks, CPU, "fp32")
    expected = Mnms2({"SA": alone}, mirrors=2).segment(case).predictions["SA_ED"].mask
    assert dice(image.array > 0, expected.array > 0) == 1.0


def test_a_bundle_without_an_autoencoder_has_no_quality_control(weights):
    assert Inspector.from_bundle(weights, "mnms2-sa", STRUCTURES, CPU) is None
