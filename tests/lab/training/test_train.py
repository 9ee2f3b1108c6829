"""Whom a network is trained on, presets, and one that is trained from a cache."""

import pytest

from cmrseg.runtime.errors import InputError
from cmrseg_lab.training import cache, checkpoint, preset
from cmrseg_lab.training.start import first
from cmrseg_lab.training.train import _task, split, train
from tiny import make_cache, segmenter_preset


def entry(source, patient, vendor="A"):
    return cache.Patient(source=source, patient=patient, vendor=vendor, disease="NOR")


def names(patients):
    return [(p.source, p.patient) for p in patients]


def test_what_was_made_of_a_patient_is_held_out_with_it_and_synthetic_hearts_never():
    patients = [entry(s, f"{n}") for s in ("acdc", "acdc-reformatted") for n in range(6)]
    patients += [entry("synthetic", f"{n}") for n in range(6)]
    training, held = split(patients, 0, 3)
    assert not any(p.source == "synthetic" for p in held)
    by_source = [{p.patient for p in held if p.source == s} for s in ("acdc", "acdc-reformatted")]
    assert by_source[0] == by_source[1]
    assert len(by_source[0]) == 2
    assert sorted(names(training + held)) == sorted(names(patients))
    assert split(patients, None, 3) == (patients, [])


def test_synthetic_hearts_alone_are_dealt_as_others_are():
    assert len(split([entry("synthetic", f"{n}") for n in range(6)], 1, 3)[1]) == 2


@pytest.mark.parametrize(("without", "held"), [("acdc", 2), ("B", 1), ("nobody", 0)])
def test_a_source_or_a_vendor_is_left_out(without, held):
    patients = [entry("acdc", "1"), entry("acdc-reformatted", "1"), entry("mnms1", "2", vendor="B")]
    assert len(split(patients, 0, 3, without)[1]) == held


def test_a_network_is_trained_from_a_cache_and_its_patients_are_told(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-sa")
    path = train(segmenter_preset("mnms2-sa", steps=1), data, tmp_path / "run", workers=0)
    about = checkpoint.read_state(path)["about"]
    training, _ = split(cache.read_index(data, "mnms2-sa"), 0, 5)
    assert about["patients"] == [list(n) for n in names(training)]
    with pytest.raises(InputError, match="nobody"):
        train(segmenter_preset("mnms2-sa"), data, tmp_path / "none", without="hospital")
    with pytest.raises(InputError, match="of recipe mnms2-sa"):
        train(segmenter_preset("mnms2-la"), data, tmp_path / "none")


def test_a_training_begins_with_a_network_of_the_same_shape(tmp_path, bundles):
    assert first(bundles, segmenter_preset("emidec")).config["features"] == [4, 8, 8]
    with pytest.raises(InputError, match="another shape"):
        first(bundles, segmenter_preset("emidec", features=(5, 6, 7)))


def test_patients_of_a_source_are_drawn_more_often(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-sa")
    patients = cache.read_index(data, "mnms2-sa")
    plain, often = (
        _task(segmenter_preset("mnms2-sa", often=often), data, patients, patients[:1])
        for often in ({}, {patients[0].source: 3})
    )
    drawn = [len(task.training) for task in (plain, often)]
    same = sum(p.source == patients[0].source for p in patients)
    assert drawn == [len(patients), len(patients) + 2 * same]
    assert len(often.held_out) == 1


@pytest.mark.parametrize("name", preset.names())
def test_shipped_presets_are_right_and_survive_a_checkpoint(name):
    found = preset.read_preset(name, steps=10)
    assert found.steps == 10
    assert preset.of_values(preset.as_values(found)) == found
    assert found.rate(9) <= found.rate(5)


def test_the_papers_trainings():
    paper = preset.read_preset("emidec_paper")
    assert (paper.samples, paper.alpha, paper.optimiser) == (5, 3.0, "sgd")
    qc = preset.read_preset("qc_short_axis_paper")
    assert (qc.learning_rate, qc.weight_decay, qc.decay, qc.corrupted) == (2e-4, 1e-5, 0.0, 0.0)
    assert qc.network.latent == (100, 4, 4)


@pytest.mark.parametrize(
    "text", ["recipe = 1", "[", 'recipe = "emidec"\nsteps = 1', 'recipe = "x-qc"\nwords = 1']
)
def test_a_preset_that_is_not_right_is_told(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(InputError):
        preset.read_preset(str(path))
    with pytest.raises(InputError, match="short_axis"):
        preset.read_preset("nothing")
