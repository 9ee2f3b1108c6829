"""Scores out of fold: no network is ever shown a patient it learned from."""

import json

import pytest

from cmrseg.models import bundle
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg_lab.cli import main
from cmrseg_lab.training import validate as validating
from cmrseg_lab.training.pack import pack
from cmrseg_lab.training.validate import validate
from tiny import heart, make_autoencoder, make_checkpoint, save, volume

PATIENTS = range(7)
WITH_LONG_AXIS = range(1, 6)


@pytest.fixture
def data(tmp_path):
    """Seven patients with one labelled short-axis stack, five of them with a long axis too."""
    for number in PATIENTS:
        for view in ("SA", "LA")[: 2 if number in WITH_LONG_AXIS else 1]:
            image = volume(number, slices=3 if view == "SA" else 1)
            label = image.like(heart(number, image.array.shape)[1])
            stem = tmp_path / "data" / f"{number:03d}" / f"{number:03d}_{view}_ED"
            save(stem.with_name(stem.name + ".nii.gz"), image)
            save(stem.with_name(stem.name + "_gt.nii.gz"), label)
    return tmp_path / "data"


def make_bundle(tmp_path, **networks):
    """``name``: (recipe, numbers of the patients it was trained on)."""
    paths = [
        make_checkpoint(
            tmp_path / "runs" / name,
            recipe,
            seed=seed,
            patients=[f"{number:03d}" for number in learned],
        )
        for seed, (name, (recipe, learned)) in enumerate(networks.items())
    ]
    return pack("mnms2", paths, tmp_path / "mnms2")


def predicted(out):
    return {p.name for p in (out / "predictions").iterdir() if p.is_dir()}


def check(tmp_path, data, weights, **options):
    options = {"source": "hospital", "device": "cpu", **options}
    return validate("mnms2", data, tmp_path / "out", weights=weights, **options)


def test_every_patient_is_scored_by_the_networks_that_never_saw_it(tmp_path, data, monkeypatch):
    weights = make_bundle(
        tmp_path,
        a=("mnms2-sa", [0, 1, 2, 3]),
        b=("mnms2-sa", [0, 1, 2, 4]),
        c=("mnms2-la", [0, 1, 5]),
    )
    used = {}
    open_model, run = validating.model, validating.batch.run

    def note(challenge, part, **options):
        used["now"] = tuple(n["training"]["seed"] for n in part.networks)
        return open_model(challenge, part, **options)

    def ran(contract, segment):
        used[used.pop("now")] = sorted(case.id for case in contract.cases())
        return run(contract, segment)

    monkeypatch.setattr(validating, "model", note)
    monkeypatch.setattr(validating.batch, "run", ran)
    report = check(tmp_path, data, weights)
    assert used == {
        (0, 1): ["005"],
        (0, 1, 2): ["006"],
        (0, 2): ["004"],
        (1, 2): ["003"],
        (2,): ["002"],
    }
    assert predicted(tmp_path / "out") == set(report.rows) == {"002", "003", "004", "005", "006"}


@pytest.mark.parametrize("source", ["hospital", "hospital-reformatted"])
def test_data_that_nothing_was_held_out_of_cannot_be_scored(tmp_path, data, source):
    weights = make_bundle(tmp_path, a=("mnms2-sa", PATIENTS))
    with pytest.raises(InputError, match="trained on all patients"):
        check(tmp_path, data, weights, source=source)


def test_older_predictions_of_its_own_go_and_nothing_else(tmp_path, data):
    weights = make_bundle(tmp_path, a=("mnms2-sa", [0, 1, 2, 3]))
    check(tmp_path, data, weights)
    held = predicted(tmp_path / "out")
    (tmp_path / "out/predictions/099").mkdir()
    check(tmp_path, data, weights)
    assert predicted(tmp_path / "out") == held
    assert (tmp_path / "out/predictions/summary-part0.json").exists()
    other = tmp_path / "other/predictions/thesis.txt"
    other.parent.mkdir(parents=True)
    other.write_text("all of it")
    options = {"source": "hospital", "device": "cpu", "weights": weights}
    with pytest.raises(UsageError, match="holds what no validation wrote"):
        validate("mnms2", data, tmp_path / "other", **options)
    assert other.read_text() == "all of it"


def test_scores_are_recorded_in_a_bundle_that_still_verifies(tmp_path, data, capsys):
    for path in data.glob("*/*_LA_*"):
        path.unlink()
    weights = make_bundle(tmp_path, a=("mnms2-sa", [0, 1, 2, 3]))
    arguments = ["validate", "mnms2", str(data), str(tmp_path / "out"), "--source", "hospital"]
    options = ["--weights", str(weights), "--device", "cpu", "--record"]
    assert main.main([*arguments, *options]) == 0
    scores = bundle.load(weights, "mnms2").manifest["scores_out_of_fold"]
    held = {"004", "005", "006"}
    assert predicted(tmp_path / "out") == held
    assert scores["cases"] == len(held)
    assert scores["table"] in (weights / "MODEL_CARD.md").read_text()
    assert f"{len(held)} cases compared" in capsys.readouterr().out
    json.loads((tmp_path / "out" / "evaluation.json").read_text(), parse_constant=pytest.fail)


def test_an_autoencoder_by_itself_segments_nothing(tmp_path, data):
    segmenter = make_checkpoint(tmp_path / "sa", "mnms2-sa", patients=["000", "001"])
    autoencoder = make_autoencoder(tmp_path / "qc", "mnms2-sa-qc", patients=["006"])
    weights = pack("mnms2", [segmenter, autoencoder], tmp_path / "mnms2")
    check(tmp_path, data, weights)
    assert predicted(tmp_path / "out") == {f"{n:03d}" for n in range(2, 7)}
    alone = pack("mnms2", [autoencoder], tmp_path / "alone")
    with pytest.raises(InputError, match="trained on all patients"):
        check(tmp_path, data, alone)
