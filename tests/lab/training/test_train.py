"""Which volumes are learned from: held-out patients never are, and drawn hearts never score."""

import hashlib
from dataclasses import replace

import pytest
import torch

from cmrseg.runtime.errors import InputError, UsageError
from cmrseg_lab.training import cache, checkpoint
from cmrseg_lab.training import loop as fitting
from cmrseg_lab.training import train as running
from cmrseg_lab.training.loop import CHECKPOINT
from cmrseg_lab.training.train import FOLDS, choosing, split, train, unseen
from tiny import make_cache, network_config, training_config


def entries(source, patients=20, roles=("SA_ED", "SA_ES")):
    return [
        cache.Entry(
            patient=f"{n:03d}",
            role=role,
            group="PN"[n % 2],
            file=f"{source}-{n:03d}_{role}.npz",
            source=source,
        )
        for n in range(patients)
        for role in roles
    ]


def patients(volumes):
    return {(e.source, e.patient) for e in volumes}


@pytest.mark.parametrize("fold", range(FOLDS))
def test_a_held_out_patient_is_never_learned_from(fold):
    both = entries("acdc") + entries("mnms2", patients=13)
    learn, out = split(both, fold)
    assert not patients(learn) & patients(out)
    assert sorted(e.file for e in learn + out) == sorted(e.file for e in both)
    for source, total in (("acdc", 20), ("mnms2", 13)):
        held = [p for s, p in patients(out) if s == source]
        assert total // FOLDS <= len(held) <= total // FOLDS + 1


def test_folds_together_hold_everyone_out_once():
    held = [p for fold in range(FOLDS) for p in patients(split(entries("acdc"), fold)[1])]
    assert sorted(held) == sorted(patients(entries("acdc")))


def test_another_source_does_not_move_the_folds_of_the_first():
    alone = patients(split(entries("acdc"), 1)[1])
    joined = patients(split(entries("acdc") + entries("mnms2") + entries("synthetic"), 1)[1])
    assert {p for p in joined if p[0] == "acdc"} == alone


def test_synthetic_hearts_are_held_out_only_among_themselves():
    mixed = entries("acdc") + entries("synthetic") + entries("synthetic-out")
    learn, out = split(mixed, 0)
    assert {e.source for e in out} == {"acdc"}
    assert len([e for e in learn if e.source.startswith("synthetic")]) == 80
    _, drawn = split(entries("synthetic"), 0)
    assert len(patients(drawn)) == 4


def test_everything_is_learned_from_on_request():
    assert split(entries("acdc"), None) == (entries("acdc"), [])


@pytest.mark.parametrize("fold", [-1, FOLDS])
def test_a_fold_that_does_not_exist_is_refused(fold):
    with pytest.raises(UsageError, match=f"no fold {fold}"):
        split(entries("acdc"), fold)


@pytest.mark.parametrize("fold", [*range(FOLDS), None])
def test_who_chooses_is_neither_learned_from_nor_held_out(fold):
    both = entries("acdc") + entries("synthetic")
    choose_fold, learn, choosers = choosing(both, fold)
    assert choose_fold == (0 if fold is None else (fold + 1) % FOLDS)
    held = split(both, fold)[1]
    for one, other in ((learn, choosers), (learn, held), (choosers, held)):
        assert not patients(one) & patients(other)
    assert sorted(e.file for e in learn + choosers + held) == sorted(e.file for e in both)
    # those to be held out when that fold's turn comes; drawn hearts choose nothing
    assert choosers == split(both, choose_fold)[1]
    assert {e.source for e in choosers} == {"acdc"}


def test_with_nobody_to_choose_by_nothing_is_kept():
    with pytest.raises(InputError, match="nobody in fold 1 to choose snapshots by"):
        choosing(entries("acdc", patients=1), 0)


def told(fold, *sources, **more):
    """What a manifest tells of a network."""
    return {"fold": fold, "sources": list(sources), **more}


def test_whom_a_network_has_never_met():
    mixed = entries("acdc") + entries("clinic") + entries("synthetic")
    held = {name: patients(split(entries(name), 2)[1]) for name in ("acdc", "clinic")}
    everyone = {name: patients(entries(name)) for name in ("acdc", "clinic", "synthetic")}

    def met_by_none(*networks):
        return set.intersection(*(patients(unseen(mixed, network)) for network in networks))

    real = told(2, "acdc", "synthetic")
    assert met_by_none(real) == held["acdc"] | everyone["clinic"]
    assert met_by_none(real, told(2, "acdc", "clinic")) == held["acdc"] | held["clinic"]
    # whom another network chose by, and learned to be chosen by, is no more new
    assert met_by_none(real, told(1, "acdc", choose_fold=2)) == everyone["clinic"]
    assert met_by_none(told(None, "acdc")) == everyone["clinic"] | everyone["synthetic"]
    assert met_by_none(told(0, "synthetic")) >= everyone["acdc"] | everyone["clinic"]
    # images made of the same patients, and patients of the run before
    assert met_by_none(told(None, "acdc-reformatted")) == everyone["clinic"] | everyone["synthetic"]
    later = told(2, "acdc", started_from={"sources": ["clinic"], "steps": 1})
    assert met_by_none(later) == held["acdc"] | everyone["synthetic"]


def test_patients_to_choose_by_are_set_aside_and_recorded(tmp_path, monkeypatch):
    given = {}

    def fit(config, training, held_out, run_dir, **options):
        given.update(config=config, training=training, held_out=held_out, **options)
        return run_dir

    monkeypatch.setattr(running, "fit", fit)
    make_cache(tmp_path, "mnms2-sa", patients=10)
    options = {"fold": 4, "device": "cpu", "configuration": "tiny"}
    train(training_config("mnms2-sa"), tmp_path, tmp_path / "run", keep=2, **options)
    assert given["config"].keep == 2
    sizes = [len(given[part]) for part in ("training", "choosers", "held_out")]
    assert sizes == [6, 2, 2]
    about = given["about"]
    _, learn, choosers = choosing(cache.read_index(tmp_path, "mnms2-sa"), 4)
    assert about["choosers"] == sorted(e.patient for e in choosers)
    assert (about["choose_fold"], about["configuration"]) == (0, "tiny")
    assert about["volumes"] == about["patients"] == len(learn)
    train(training_config("mnms2-sa"), tmp_path, tmp_path / "run", fold=4, device="cpu")
    assert len(given["training"]) == 8
    assert not given["choosers"]
    assert not {"choose_fold", "choosers", "configuration"} & given["about"].keys()


def test_what_is_fitted_and_recorded(tmp_path, monkeypatch):
    given = {}

    def fit(config, training, held_out, run_dir, **options):
        given.update(config=config, training=training, held_out=held_out, **options)
        return run_dir

    monkeypatch.setattr(running, "fit", fit)
    make_cache(tmp_path, "emidec", patients=10)
    make_cache(tmp_path, "emidec", patients=5, source="synthetic")
    config = training_config("emidec")
    train(config, tmp_path, tmp_path / "run", fold=2, device="cpu", steps=11, seed=4)
    assert (given["config"].steps, given["config"].seed) == (11, 4)
    about = given["about"]
    assert (len(given["training"]), len(given["held_out"])) == (13, 2)
    assert about["volumes"] == about["patients"] == 13
    assert about["sources"] == ["hospital", "synthetic"]
    assert (about["fold"], about["folds"], about["fold_seed"]) == (2, FOLDS, running.FOLD_SEED)
    expected = split(cache.read_index(tmp_path, "emidec"), 2)[1]
    assert about["held_out"] == sorted(e.patient for e in expected)
    train(config, tmp_path, tmp_path / "run", device="cpu")
    assert given["config"] == config


def test_a_cache_without_volumes_is_told(tmp_path):
    cache.write_index(tmp_path, "emidec", [])
    with pytest.raises(InputError, match="no volume to learn from"):
        train(training_config("emidec"), tmp_path, tmp_path / "run", fold=None, device="cpu")


@pytest.fixture
def earlier(tmp_path):
    """A cache, and a run of two steps on it."""
    make_cache(tmp_path / "cache", "emidec", patients=10)
    config = training_config("emidec", steps=2)
    train(config, tmp_path / "cache", tmp_path / "one", device="cpu", workers=0)
    return config


def test_a_run_goes_on_from_anothers_weights(earlier, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(fitting, "batches", lambda *_: iter(()))
    monkeypatch.setattr(fitting, "make_optimiser", lambda network, config: taken.append(network))
    path = tmp_path / "one" / CHECKPOINT
    options = {"device": "cpu", "start": path, "learning_rate": 1e-5, "seed": 8}
    train(earlier, tmp_path / "cache", tmp_path / "two", **options)
    (network,) = taken
    for name, value in checkpoint.network_weights(path).items():
        assert torch.equal(network.state_dict()[name], value), name


def test_what_a_run_started_from_is_recorded_and_survives_resuming(earlier, tmp_path):
    path = tmp_path / "one" / CHECKPOINT
    options = {"device": "cpu", "workers": 0}
    train(earlier, tmp_path / "cache", tmp_path / "two", start=path, seed=8, **options)
    train(earlier, tmp_path / "cache", tmp_path / "two", seed=8, resume=True, **options)
    about = checkpoint.read_state(tmp_path / "two" / CHECKPOINT)["about"]
    assert about["started_from"] == {
        "steps": 2,
        "seed": 0,
        "samples": earlier.samples,
        "alpha": earlier.alpha,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "sources": ["hospital"],
    }


def test_a_run_that_recorded_less_of_its_start_is_resumed(earlier, tmp_path, monkeypatch):
    path = tmp_path / "one" / CHECKPOINT
    options = {"device": "cpu", "workers": 0, "start": path, "seed": 8}
    full = running._same_fold

    def less(*of):
        return {k: v for k, v in full(*of).items() if k not in ("samples", "alpha", "sha256")}

    with monkeypatch.context() as patch:
        patch.setattr(running, "_same_fold", less)
        train(earlier, tmp_path / "cache", tmp_path / "two", **options)
    train(earlier, tmp_path / "cache", tmp_path / "two", resume=True, **options)
    with monkeypatch.context() as patch:
        patch.setattr(running, "_same_fold", lambda *of: full(*of) | {"steps": 3})
        with pytest.raises(UsageError, match="started_from"):
            train(earlier, tmp_path / "cache", tmp_path / "two", resume=True, **options)


def test_a_run_that_goes_on_draws_other_patches_unless_told_otherwise(earlier, tmp_path):
    path = tmp_path / "one" / CHECKPOINT
    options = {"device": "cpu", "workers": 0, "start": path}
    train(earlier, tmp_path / "cache", tmp_path / "two", **options)
    train(earlier, tmp_path / "cache", tmp_path / "two", **options, resume=True)
    train(earlier, tmp_path / "cache", tmp_path / "same", seed=0, **options)
    seeds = [
        checkpoint.read_state(tmp_path / run / CHECKPOINT)["config"]["seed"]
        for run in ("one", "two", "same")
    ]
    assert seeds == [0, 1, 0]


def test_weights_that_have_seen_the_held_out_patients_are_no_start(earlier, tmp_path):
    path = tmp_path / "one" / CHECKPOINT
    options = {"device": "cpu", "start": path}
    with pytest.raises(InputError, match="other held-out patients"):
        train(earlier, tmp_path / "cache", tmp_path / "two", fold=1, **options)
    with pytest.raises(InputError, match="other held-out patients"):
        train(earlier, tmp_path / "cache", tmp_path / "two", fold=None, **options)
    wider = training_config("emidec", network=network_config("emidec", features=(4, 8, 12)))
    with pytest.raises(InputError, match="another network"):
        train(wider, tmp_path / "cache", tmp_path / "two", **options)
    assert not (tmp_path / "two").exists()


def test_a_network_may_go_on_looking_across_more_slices_not_fewer(earlier, tmp_path):
    options = {"device": "cpu", "workers": 0, "start": tmp_path / "one" / CHECKPOINT}
    more = replace(earlier, network=network_config("emidec", across=(True, True, True)))
    path = train(more, tmp_path / "cache", tmp_path / "two", **options)
    assert checkpoint.read_state(path)["about"]["started_from"]["steps"] == 2
    fewer = replace(earlier, network=network_config("emidec", across=(True, False, True)))
    with pytest.raises(InputError, match="another network"):
        train(fewer, tmp_path / "cache", tmp_path / "three", **options)


def test_weights_that_have_seen_those_to_choose_by_are_no_start(earlier, tmp_path):
    options = {"device": "cpu", "workers": 0, "keep": 1}
    path = tmp_path / "one" / CHECKPOINT
    with pytest.raises(InputError, match="learned from those to choose by"):
        train(earlier, tmp_path / "cache", tmp_path / "two", start=path, **options)
    first = train(earlier, tmp_path / "cache", tmp_path / "first", **options)
    train(earlier, tmp_path / "cache", tmp_path / "second", start=first, **options)
    assert (tmp_path / "second" / "best-1.safetensors").exists()


def test_weights_of_other_patients_may_start_any_fold(earlier, tmp_path):
    make_cache(tmp_path / "elsewhere", "emidec", patients=10, source="clinic")
    options = {"device": "cpu", "workers": 0}
    path = train(earlier, tmp_path / "elsewhere", tmp_path / "all", fold=None, **options)
    train(earlier, tmp_path / "cache", tmp_path / "two", fold=3, start=path, **options)
    about = checkpoint.read_state(tmp_path / "two" / CHECKPOINT)["about"]
    assert about["started_from"]["sources"] == ["clinic"]
    # images made of those very patients count as them
    make_cache(tmp_path / "made", "emidec", patients=10, source="clinic-implanted")
    with pytest.raises(InputError, match="other held-out patients"):
        train(earlier, tmp_path / "made", tmp_path / "three", fold=3, start=path, **options)
    path = tmp_path / "two" / CHECKPOINT  # and so do those of the run before the last
    with pytest.raises(InputError, match="other held-out patients"):
        train(earlier, tmp_path / "made", tmp_path / "three", fold=1, start=path, **options)
