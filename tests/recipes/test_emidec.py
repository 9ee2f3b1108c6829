"""Volumes of an EMIDEC mask, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cmrseg.cases.case import Case, ImageSource
from cmrseg.models.bundle import load
from cmrseg.quality.uncertainty.conformal import ErrorBand
from cmrseg.quality.uncertainty.trust import Trust
from cmrseg.recipes.emidec import Emidec, volume_intervals, volumes
from cmrseg.run.predict import model
from cmrseg.runtime import Budget
from cmrseg.runtime.errors import InputError
from cmrseg_lab.training.pack import pack
from tiny import make_checkpoint, save, volume


def test_infarction_lies_in_the_myocardium_and_no_reflow_in_the_infarction():
    mask = np.repeat([0, 1, 2, 3, 4], [50, 20, 15, 4, 1]).reshape(1, 9, 10)
    told = volumes(mask, voxel_ml=0.5)
    assert told["volume_ml"] == {
        "cavity": 10.0,
        "myocardium": 10.0,
        "infarction": 2.5,
        "no_reflow": 0.5,
    }
    assert told["infarcted_percent"] == 25.0


def test_an_empty_mask_has_no_infarct():
    told = volumes(np.zeros((2, 3, 4), np.uint8), voxel_ml=0.02)
    assert set(told["volume_ml"].values()) == {0.0}
    assert told["infarcted_percent"] == 0.0


def test_intervals_of_samples_by_hand():
    """Infarcts of 1, 2 and 3 mL in 10 mL: mean 2, standard deviation 1."""
    one = [
        volumes(np.repeat([2, 3], [10 - n, n]).reshape(1, 2, 5), voxel_ml=1.0) for n in (1, 2, 3)
    ]
    told = volume_intervals(one[0], one, {})
    assert told["volume_ml_interval"]["infarction"] == {"mean": 2.0, "low": 0.04, "high": 3.96}
    assert told["volume_ml_interval"]["myocardium"] == {"mean": 10.0, "low": 10.0, "high": 10.0}
    assert told["infarcted_percent_interval"] == {"mean": 20.0, "low": 0.4, "high": 39.6}
    assert "of 3 dropout samples" in told["interval"]
    assert volume_intervals(one[0], one[:1], {}) == {}


def test_errors_of_held_out_patients_give_the_interval_where_they_are_known():
    """Every expert's infarct was a quarter larger: 4 mL becomes 4 +- 0.25 (4 + typical 8) mL."""
    found = volumes(np.repeat([2, 3], [6, 4]).reshape(1, 2, 5), voxel_ml=1.0)
    band = ErrorBand.fit([8.0] * 20, [12.0] * 20)
    told = volume_intervals(found, [], {"infarction": band})
    infarct = told["volume_ml_interval"].pop("infarction")
    assert infarct == {"mean": 4.0, "low": 1.0, "high": 7.0, "level": 0.9}
    assert not told["volume_ml_interval"]
    assert "20 patients whom no network had learned from" in told["interval"]
    assert "infarcted_percent_interval" not in told
    assert "samples" not in told


def test_the_spread_of_samples_is_told_beside_the_errors_to_expect():
    one = [
        volumes(np.repeat([2, 3], [10 - n, n]).reshape(1, 2, 5), voxel_ml=1.0) for n in (1, 2, 3)
    ]
    told = volume_intervals(one[0], one, {"infarction": ErrorBand.fit([8.0] * 20, [12.0] * 20)})
    assert told["volume_ml_interval"]["infarction"]["mean"] == 1.0, "the mask's own"
    assert told["samples"] == volume_intervals(one[0], one, {})
    assert told["samples"]["volume_ml_interval"]["infarction"]["mean"] == 2.0


@pytest.mark.parametrize(
    ("fences", "doubt", "said"),
    [
        ({}, {}, []),
        ({"cavity": 0.9}, {}, ["not judged by quality control: that takes 4 dropout samples"]),
        ({"cavity": 0.9}, {"quality": {"out_of_distribution": False, "reason": "fine"}}, []),
        (
            {"cavity": 0.9},
            {"quality": {"out_of_distribution": True, "reason": "low"}},
            ["quality control: low"],
        ),
    ],
)
def test_a_case_that_nobody_could_judge_says_so(fences, doubt, said):
    two = SimpleNamespace(networks=[None, None])
    recipe = Emidec(two, trust=Trust(fences=fences, fitted_on="20 held-out patients"))
    assert recipe._judged(doubt) == said
    assert Emidec(two)._judged(doubt) == []


def test_one_slice_is_refused_before_anything_is_computed(tmp_path):
    path = save(tmp_path / "a.nii.gz", volume(1, slices=1))

    class Untouched:
        budget = Budget()
        preparation = "nonzero"

        def begin(self):
            return None

    case = Case("a", {"LGE": ImageSource(path)}, "case a")
    with pytest.raises(InputError, match="one slice"):
        Emidec(Untouched()).segment(case)


@pytest.fixture
def bundle_with_fallback(tmp_path):
    """One network of EMIDEC, and one of other weights for any contrast."""
    first, other = (
        make_checkpoint(tmp_path / str(seed), "emidec", seed=seed, fold=seed) for seed in (2, 4)
    )
    alone = pack("emidec", [first], tmp_path / "alone")
    return pack("emidec", [other], tmp_path / "emidec", keep=alone, fallback=True)


def stack(tmp_path):
    path = save(tmp_path / "a.nii.gz", volume(1))
    return Case("a", {"LGE": ImageSource(path)}, "case a")


@pytest.mark.parametrize(("fence", "used"), [(2.0, True), (-1.0, False)])
def test_networks_for_any_contrast_answer_where_the_others_are_out_of_distribution(
    tmp_path, bundle_with_fallback, fence, used
):
    made = model("emidec", load(bundle_with_fallback, "emidec"), device="cpu", mirrors=1, samples=2)
    ensemble, other = made.segmenter, made.fallback
    assert len(ensemble.networks) == len(other.networks) == 1
    band = ErrorBand.fit([8.0] * 20, [12.0] * 20)
    trust = Trust(fences={"cavity": fence}, bands={"myocardium": band}, fitted_on="nobody")
    case = stack(tmp_path)
    result = Emidec(ensemble, trust=trust, mirrors=1, samples=2, fallback=other).segment(case)
    alone = Emidec(other if used else ensemble, mirrors=1, samples=2).segment(case)
    (found,), (expected,) = (r.predictions.values() for r in (result, alone))
    assert np.array_equal(found.mask.array, expected.mask.array)
    assert result.measures.get("fallback", False) == used
    assert result.measures["quality"]["out_of_distribution"] == used
    # Errors on held-out patients were the ensemble's.
    assert ("level" in result.measures["volume_ml_interval"]["myocardium"]) != used


def test_a_fallback_that_finds_no_heart_is_not_taken(tmp_path, bundle_with_fallback):
    made = model("emidec", load(bundle_with_fallback, "emidec"), device="cpu", mirrors=1, samples=2)
    with torch.no_grad():
        for head in made.fallback.networks[0].heads:
            head.weight.zero_()
            head.bias.copy_(torch.tensor([9.0, 0, 0, 0, 0]))
    trust = Trust(fences={"cavity": 2.0}, fitted_on="nobody")
    asked = Emidec(made.segmenter, trust=trust, mirrors=1, samples=2, fallback=made.fallback)
    result = asked.segment(stack(tmp_path))
    assert "fallback" not in result.measures
    assert result.predictions["LGE"].mask.array.any()
