"""The command: rules chosen on held-out patients end up in a bundle that verifies and uses them."""

import json

import pytest

from cmrseg.cli import main as cmrseg
from cmrseg.models import bundle
from cmrseg.models.bundle import CARD
from cmrseg.recipes.emidec_rules import Rule, Rules
from cmrseg.runtime.errors import EXIT_OK, InputError
from cmrseg_lab.cli import main
from cmrseg_lab.training.calibration import emidec_rule_search
from cmrseg_lab.training.calibration.emidec import calibrate_emidec
from cmrseg_lab.training.calibration.emidec_out_of_fold import RunSettings
from emidec_data import make_bundle, make_data

PATIENTS, FOLDS = 13, (0, 1, 2, 3)
EFFORT = RunSettings(mirrors=1, samples=0, device="cpu", precision="fp32")


def test_rules_go_into_the_bundle_and_are_applied(tmp_path, capsys, monkeypatch):
    few = {
        "one_ring": [Rule.of("one_ring", least_share=1.0)],
        "no_obstruction": [Rule.of("no_obstruction", by="found_ml", below=1e6)],
    }
    monkeypatch.setattr(emidec_rule_search, "CHOICES", few)
    data = make_data(tmp_path / "data", PATIENTS)
    weights = make_bundle(tmp_path / "emidec", PATIENTS, FOLDS)
    options = ["--weights", str(weights), "--mirrors", "1", "--device", "cpu"]
    fit = ["calibrate", "emidec", str(data), *options, "--samples", "3"]
    assert main.main(fit) == EXIT_OK
    found = bundle.load(weights, "emidec")
    entry = found.manifest["rules"]
    assert [one["rule"] for one in entry["tried"]] == list(few)
    kept = {one["rule"] for one in entry["tried"] if one["kept"]}
    # No heart has no-reflow here, and what untrained networks call so is wrong everywhere.
    assert "no_obstruction" in kept
    assert entry["gain"]["no_reflow_dice"] > 0.5
    assert {step.name for step in Rules.from_manifest(found.manifest).steps} == kept
    assert "11 held-out patients of emidec" in entry["chosen_on"]
    assert "all that are kept" in capsys.readouterr().out
    assert "## Anatomical rules" in (weights / CARD).read_text()

    trust = found.manifest["trust"]
    assert set(trust["bands"]) == {"myocardium", "infarction", "no_reflow", "infarcted_percent"}
    assert {band["patients"] for band in trust["bands"].values()} == {11}
    assert {name: len(values) for name, values in trust["population"].items()} == {
        "cavity": 11, "myocardium": 11
    }  # fmt: skip

    out = tmp_path / "out"
    predict = ["predict", "emidec", str(data), str(out), *options, "--samples", "8"]
    assert cmrseg.main([*predict, "--no-report"]) == EXIT_OK
    cases = json.loads((out / "summary.json").read_text())["cases"]
    changed = 0.0
    for measures in (case["measures"] for case in cases):
        assert {step["rule"] for step in measures["rules"]} == kept
        assert measures["volume_ml"]["no_reflow"] == 0.0
        interval = measures["volume_ml_interval"]["no_reflow"]
        assert interval == {"mean": 0.0, "low": 0.0, "high": 0.0, "level": 0.9}, "samples too"
        assert "11 patients" in measures["interval"]
        assert set(measures["quality"]["samples_agree"]) == set(trust["fences"])
        changed += sum(step["change_ml"]["no_reflow"] for step in measures["rules"])
    assert changed < 0


def test_too_few_patients_choose_nothing(tmp_path):
    data = make_data(tmp_path / "data", 8)
    weights = make_bundle(tmp_path / "emidec", 8, [0])
    before = bundle.load(weights, "emidec").digest
    with pytest.raises(InputError, match="too few"):
        calibrate_emidec(data, weights, effort=EFFORT)
    assert bundle.load(weights, "emidec").digest == before
