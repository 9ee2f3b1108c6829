"""One command from labelled cases to a bundle, calibrated and scored; it goes on after a stop."""

import json

import pytest

from cmrseg.models import bundle
from cmrseg.quality import selection
from cmrseg.recipes.emidec_rules import Rule
from cmrseg.runtime.errors import EXIT_OK, EXIT_USAGE
from cmrseg_lab.cli import main
from cmrseg_lab.training import loop, preset
from cmrseg_lab.training.calibration import emidec_rule_search
from cmrseg_lab.training.held_out import is_held_out
from emidec_data import held, make_data
from tiny import autoencoder_preset, heart, save, segmenter_preset, volume

PATIENTS, FOLDS = 13, (0, 1, 2, 3)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Tiny presets, few rules."""
    read = preset.read_preset

    def tiny(name, **changed):
        recipe = read(name).recipe
        make = autoencoder_preset if recipe.endswith("-qc") else segmenter_preset
        return make(recipe, **{"steps": 2, **changed})

    monkeypatch.setattr(preset, "read_preset", tiny)
    few = {"no_obstruction": [Rule.of("no_obstruction", by="found_ml", below=1e6)]}
    monkeypatch.setattr(emidec_rule_search, "CHOICES", few)


def train(tmp_path, challenge, *options):
    told = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), *options]
    small = ["--workers", "0", "--device", "cpu"]
    return main.main(["train", challenge, *told, *small])


def test_emidec_becomes_a_calibrated_and_scored_bundle(tmp_path, monkeypatch, capsys):
    make_data(tmp_path / "data", PATIENTS)
    folds = ["--folds", *map(str, FOLDS)]
    stopped = loop.take_step
    steps = []

    def stop_later(*arguments):
        steps.append(arguments)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return stopped(*arguments)

    monkeypatch.setattr(loop, "take_step", stop_later)
    assert train(tmp_path, "emidec", *folds) == 130
    monkeypatch.setattr(loop, "take_step", lambda *a: steps.append(a) or stopped(*a))
    assert train(tmp_path, "emidec", *folds) == EXIT_OK
    assert len(steps) == 3 + 1 + (2 * len(FOLDS) - 2), "finished folds are not trained again"

    found = bundle.load(tmp_path / "out/emidec", "emidec")
    told = [n["training"] for n in found.networks]
    assert [t["fold"] for t in told] == list(FOLDS)
    assert {t["steps_done"] for t in told} == {2}
    everybody = set().union(*(held(PATIENTS, fold) for fold in FOLDS))
    assert found.manifest["scores_out_of_fold"]["cases"] == len(everybody)
    assert f"{len(everybody)} held-out patients" in found.manifest["rules"]["chosen_on"]
    (told,) = found.manifest["data"].items()
    assert told[0] == "emidec-official"
    assert "recovered from" not in told[1]["title"]  # that is the copy the committed bundle is of
    assert "the bundle lies in" in capsys.readouterr().out

    (tmp_path / "data/Case_P000/Images/Case_P000.nii.gz").unlink()
    assert train(tmp_path, "emidec", *folds) == EXIT_USAGE
    assert "begun with other cases" in capsys.readouterr().err


@pytest.fixture
def both_views(tmp_path):
    """Five patients with a short and a long axis."""
    for number in range(5):
        for view, slices in (("SA", 3), ("LA", 1)):
            image = volume(number, slices)
            stem = tmp_path / "data" / f"{number:03d}" / f"{number:03d}_{view}_ED"
            save(stem.with_name(stem.name + ".nii.gz"), image)
            label = image.like(heart(number, image.array.shape)[1])
            save(stem.with_name(stem.name + "_gt.nii.gz"), label)


def test_mnms2_gets_both_views_and_their_autoencoders(tmp_path, both_views, capsys):
    assert train(tmp_path, "mnms2", "--steps", "1") == EXIT_OK
    found = bundle.load(tmp_path / "out/mnms2", "mnms2")
    recipes = ["mnms2-sa", "mnms2-sa-qc", "mnms2-la", "mnms2-la-qc"]
    assert [n["recipe"] for n in found.networks] == recipes
    assert {n["training"]["fold"] for n in found.networks} == {0}
    assert found.manifest["scores_out_of_fold"]["cases"] == 1
    said = capsys.readouterr().out
    assert "not calibrated: " in said, "one patient gives no quartiles"
    assert "refinement" not in said, "nothing is said of what was not calibrated"


def test_mnms2_carries_slices_of_its_patients_only_if_told_to(
    tmp_path, both_views, monkeypatch, capsys
):
    """And says how to choose; what was trained is not trained again for it."""
    monkeypatch.setattr(selection, "FEWEST", 1)
    assert train(tmp_path, "mnms2", "--steps", "1") == EXIT_OK
    said = [line for line in capsys.readouterr().out.splitlines() if "refinement" in line]
    assert len(said) == 1
    assert "not possible" in said[0]
    assert "`--rehearse learned`" in said[0]
    monkeypatch.setattr(loop, "take_step", lambda *_: pytest.fail("trained again"))
    assert train(tmp_path, "mnms2", "--steps", "1", "--rehearse", "learned") == EXIT_OK
    assert "not possible" not in capsys.readouterr().out
    quality = bundle.load(tmp_path / "out/mnms2", "mnms2").manifest["quality"]
    assert {name: entry["rehearsal"] for name, entry in quality.items()} == {
        name: f"{name}-rehearsal.safetensors" for name in ("mnms2-sa", "mnms2-la")
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["emidec"],
        ["emidec", "cache"],
        ["short_axis", "--data", "data"],
        ["emidec", "cache", "run", "--data", "data"],
    ],
)
def test_what_does_not_go_together_is_told(arguments, capsys):
    assert main.main(["train", *arguments]) == EXIT_USAGE
    assert "--data" in capsys.readouterr().err


def test_only_mnms2_has_slices_to_rehearse(tmp_path, capsys):
    assert train(tmp_path, "emidec", "--rehearse", "learned") == EXIT_USAGE
    assert "emidec is not refined" in capsys.readouterr().err


def test_scores_are_json(tmp_path):
    """What is left of the scores can be read by programs."""
    make_data(tmp_path / "data", 7)
    assert train(tmp_path, "emidec", "--folds", "0", "--steps", "1") == EXIT_OK
    path = tmp_path / "out" / "work" / "emidec" / "scores" / "evaluation.json"
    assert json.loads(path.read_text())["challenge"] == "emidec"
    assert "rules" not in bundle.load(tmp_path / "out/emidec", "emidec").manifest


def test_fine_tuning_goes_on_from_each_network_and_keeps_the_view_without_cases(
    tmp_path, both_views, bundles, monkeypatch
):
    for path in (tmp_path / "data").rglob("*_LA_*"):
        path.unlink()
    begun = bundle.load(bundles / "mnms2", "mnms2")
    told = ["--start", str(bundles), "--source", "ours"]
    assert train(tmp_path, "mnms2", *told, "--steps", "1") == EXIT_OK
    found = bundle.load(tmp_path / "out/mnms2", "mnms2")
    short, long = ({n["recipe"]: n for n in b.networks} for b in (found, begun))
    assert found.manifest["files"][short["mnms2-la"]["file"]] in begun.manifest["files"].values()
    training = short["mnms2-sa"]["training"]
    assert (training["sources"], training["steps_done"]) == (["ours"], 1)
    assert training["started_from"]["bundle"] == begun.digest
    assert set(found.manifest["data"]) == {"ours", "hospital"}, "whose licences count"
    assert not is_held_out(short["mnms2-sa"], "hospital", "001", {})
    before, after = (b.tensors(n["mnms2-sa"]["file"]) for b, n in ((begun, long), (found, short)))
    kernel = max(before, key=lambda name: before[name].numel())
    moved = (before[kernel] - after[kernel]).abs().max()
    assert 0 < moved < 0.1 * before[kernel].abs().max()


def test_fine_tuning_asks_for_the_name_of_the_data(tmp_path, bundles, capsys):
    assert train(tmp_path, "emidec", "--start", str(bundles)) == EXIT_USAGE
    assert "--source" in capsys.readouterr().err
