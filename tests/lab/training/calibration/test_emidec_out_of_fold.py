"""Every patient is seen by networks that never learned from it, once, and kept."""

from dataclasses import replace

import numpy as np
import pytest

from cmrseg.models import bundle
from cmrseg.runtime.errors import InputError
from cmrseg_lab.training.calibration import emidec_out_of_fold as module
from cmrseg_lab.training.calibration.emidec_out_of_fold import (
    RunSettings,
    choosing_parts,
    folds_of,
    identity,
    predict_held_out,
)
from cmrseg_lab.training.datasets import emidec
from cmrseg_lab.training.held_out import digests
from emidec_data import held, make_bundle, make_data, name

PATIENTS, FOLDS = 8, (0, 3)
EFFORT = RunSettings(mirrors=1, samples=2, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("held")
    make_data(folder / "data", PATIENTS)
    return folder, bundle.load(make_bundle(folder / "emidec", PATIENTS, FOLDS), "emidec")


@pytest.fixture(scope="module")
def patients(place):
    folder, found = place
    told = predict_held_out(found, folder / "data", folder / "work", source="emidec", effort=EFFORT)
    return list(told)


def test_each_fold_brings_those_it_held_out(patients):
    assert {(one.patient, one.fold) for one in patients} == {
        (patient, fold) for fold in FOLDS for patient in held(PATIENTS, fold)
    }


def test_a_patient_is_what_its_folds_network_alone_says(place, patients):
    """The same network in a bundle by itself says the same."""
    folder, _ = place
    alone = bundle.load(make_bundle(folder / "alone", PATIENTS, FOLDS[1:]), "emidec")
    told = predict_held_out(alone, folder / "data", folder / "w2", source="emidec", effort=EFFORT)
    known = {one.patient: one for one in patients}
    for one in told:
        np.testing.assert_allclose(one.probabilities, known[one.patient].probabilities, atol=1e-3)
        np.testing.assert_array_equal(one.samples, known[one.patient].samples)


def test_what_is_kept_is_of_one_piece(patients):
    for one in patients:
        assert one.truth.shape == one.variance.shape == one.probabilities.shape[1:]
        np.testing.assert_allclose(one.probabilities.sum(axis=0), 1, atol=5e-3)
        assert one.samples.shape == (2, *one.grid_truth.shape) == (2, *one.central.shape)
        assert one.image_level > 0
        assert one.variance.mean() == pytest.approx(one.image_level, rel=0.3)
        ml = [(one.truth > 1).sum() * one.voxel_ml, (one.grid_truth > 1).sum() * one.grid_voxel_ml]
        assert ml[0] == pytest.approx(ml[1], rel=0.05)


def test_a_second_run_reads_and_an_interrupted_one_goes_on(place, patients, monkeypatch):
    folder, found = place
    kept = folder / "work" / identity(found, EFFORT)
    (kept / f"{patients[0].patient}.npz").unlink()
    made = []
    predicted = module._predicted
    monkeypatch.setattr(
        module,
        "_predicted",
        lambda s, item, *o: made.append(item.patient) or predicted(s, item, *o),
    )
    again = list(
        predict_held_out(found, folder / "data", folder / "work", source="emidec", effort=EFFORT)
    )
    assert made == [patients[0].patient]
    for one, other in zip(again, patients, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-3)
    assert (folder / "work/.gitignore").read_text() == "*\n"
    assert identity(found, EFFORT) != identity(found, RunSettings(mirrors=2, samples=2))


def test_data_that_nobody_held_out_are_refused(place):
    folder, found = place
    network = found.networks[0]
    everyone = digests(("emidec", name(n)) for n in range(PATIENTS))
    training = network["training"] | {"trained_on": everyone}
    manifest = {**found.manifest, "networks": [network | {"training": training}]}
    learned = replace(found, manifest=manifest)
    with pytest.raises(InputError, match="held out a fold of emidec"):
        folds_of(learned, emidec(folder / "data"), "emidec")


def test_parts_are_the_folds_or_dealt():
    many = [(str(n), "P", n % 3) for n in range(9)]
    assert choosing_parts(many) == [n % 3 for n in range(9)]
    one = [(str(n), "PN"[n % 2], 0) for n in range(10)]
    assert sorted(choosing_parts(one)) == sorted([0, 1, 2, 3, 4] * 2)
