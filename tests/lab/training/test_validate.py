"""Scores out of fold: no network is ever shown a patient it learned from."""

import json

import pytest

from cmrseg.models import bundle
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg_lab.cli import main
from cmrseg_lab.training import cache
from cmrseg_lab.training import validate as validating
from cmrseg_lab.training.datasets import mnms2
from cmrseg_lab.training.pack import pack
from cmrseg_lab.training.train import split
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


def learned_from(data, view, fold):
    """Patients that training on this data with this fold learns from, and those it holds out."""
    entries = [
        cache.Entry(
            patient=i.patient, role=i.role, group=i.group, file=i.image.name, source="hospital"
        )
        for i in mnms2(data, view)
    ]
    return [{e.patient for e in part} for part in split(entries, fold)]


def make_bundle(tmp_path, **networks):
    """``name``: (recipe, fold, sources)."""
    paths = [
        make_checkpoint(tmp_path / "runs" / name, recipe, fold=fold, sources=sources, seed=seed)
        for seed, (name, (recipe, fold, sources)) in enumerate(networks.items())
    ]
    return pack("mnms2", paths, tmp_path / "mnms2")


def predicted(out):
    return {p.name for p in (out / "predictions").iterdir() if p.is_dir()}


def check(tmp_path, data, weights, **options):
    options = {"source": "hospital", "device": "cpu", **options}
    return validate("mnms2", data, tmp_path / "out", weights=weights, **options)


def test_each_fold_is_scored_by_networks_that_held_it_out(tmp_path, data):
    weights = make_bundle(
        tmp_path, a=("mnms2-sa", 0, ["hospital"]), b=("mnms2-sa", 2, ["hospital"])
    )
    report = check(tmp_path, data, weights)
    held = [learned_from(data, "SA", fold)[1] for fold in (0, 2)]
    assert all(held)
    assert predicted(tmp_path / "out") == held[0] | held[1]
    assert set(report.rows) == held[0] | held[1]


def test_all_candidates_of_a_fold_score_it_together(tmp_path, data, monkeypatch):
    """Seeds and shapes differ; another fold's network never sees that fold's patients."""
    weights = make_bundle(
        tmp_path,
        a=("mnms2-sa", 0, ["hospital"]),
        b=("mnms2-sa", 0, ["hospital"]),
        c=("mnms2-sa", 0, ["hospital"]),
        d=("mnms2-sa", 2, ["hospital"]),
    )
    used = []
    open_recipe = validating.recipe

    def note(challenge, part, **options):
        used.append([n["training"]["seed"] for n in part.networks])
        return open_recipe(challenge, part, **options)

    monkeypatch.setattr(validating, "recipe", note)
    check(tmp_path, data, weights)
    assert used == [[0, 1, 2], [3]]
    held = [learned_from(data, "SA", fold)[1] for fold in (0, 2)]
    assert predicted(tmp_path / "out") == held[0] | held[1]


def test_a_patient_one_views_network_learned_from_is_left_out(tmp_path, data):
    """Folds are dealt view by view: with other patients in each, they differ."""
    fold = 1
    weights = make_bundle(
        tmp_path, sa=("mnms2-sa", fold, ["hospital"]), la=("mnms2-la", fold, ["hospital"])
    )
    check(tmp_path, data, weights)
    learned_sa, held_sa = learned_from(data, "SA", fold)
    learned_la, held_la = learned_from(data, "LA", fold)
    expected = (held_sa | held_la) - learned_sa - learned_la
    assert predicted(tmp_path / "out") == expected
    assert (held_sa | held_la) > expected > set(), "the example has both kinds"


def test_a_fold_whose_every_patient_some_network_learned_from_scores_nothing(tmp_path, data):
    fold = 3
    learned_sa, held_sa = learned_from(data, "SA", fold)
    learned_la, held_la = learned_from(data, "LA", fold)
    assert held_sa <= learned_la
    assert held_la <= learned_sa
    weights = make_bundle(
        tmp_path, sa=("mnms2-sa", fold, ["hospital"]), la=("mnms2-la", fold, ["hospital"])
    )
    with pytest.raises(InputError, match="held out a fold of hospital"):
        check(tmp_path, data, weights)


@pytest.mark.parametrize(
    ("sources", "fold", "asked"),
    [
        (["hospital"], 0, "elsewhere"),
        (["hospital"], None, "hospital"),
        # Beside real hearts all synthetic ones are learned from.
        (["hospital", "synthetic"], 0, "synthetic"),
    ],
)
def test_data_that_nothing_was_held_out_of_cannot_be_scored(tmp_path, data, sources, fold, asked):
    weights = make_bundle(tmp_path, a=("mnms2-sa", fold, sources))
    with pytest.raises(InputError, match=f"held out a fold of {asked}"):
        check(tmp_path, data, weights, source=asked)


def test_older_predictions_of_its_own_go_and_nothing_else(tmp_path, data):
    weights = make_bundle(tmp_path, a=("mnms2-sa", 0, ["hospital"]))
    check(tmp_path, data, weights)
    held = predicted(tmp_path / "out")
    (tmp_path / "out/predictions/099").mkdir()
    check(tmp_path, data, weights)
    assert predicted(tmp_path / "out") == held
    assert (tmp_path / "out/predictions/summary-fold0.json").exists()
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
    weights = make_bundle(tmp_path, a=("mnms2-sa", 0, ["hospital"]))
    arguments = ["validate", "mnms2", str(data), str(tmp_path / "out"), "--source", "hospital"]
    options = ["--weights", str(weights), "--device", "cpu", "--record"]
    assert main.main([*arguments, *options]) == 0
    scores = bundle.load(weights, "mnms2").manifest["scores_out_of_fold"]
    held = learned_from(data, "SA", 0)[1]
    assert predicted(tmp_path / "out") == held
    assert scores["cases"] == len(held)
    assert scores["table"] in (weights / "MODEL_CARD.md").read_text()
    assert f"{len(held)} cases compared" in capsys.readouterr().out
    json.loads((tmp_path / "out" / "evaluation.json").read_text(), parse_constant=pytest.fail)


def test_an_autoencoder_in_the_bundle_changes_nobodys_fold(tmp_path, data):
    """It segments nothing, and held out whom the view's segmenter held out."""
    segmenter = make_checkpoint(tmp_path / "runs" / "sa", "mnms2-sa", sources=["hospital"])
    autoencoder = make_autoencoder(tmp_path / "runs" / "qc", "mnms2-sa-qc", sources=["hospital"])
    weights = pack("mnms2", [segmenter, autoencoder], tmp_path / "mnms2")
    check(tmp_path, data, weights)
    assert predicted(tmp_path / "out") == learned_from(data, "SA", 0)[1]
    alone = pack("mnms2", [autoencoder], tmp_path / "alone")
    with pytest.raises(InputError, match="held out a fold"):
        check(tmp_path, data, alone)
