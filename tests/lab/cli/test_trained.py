"""From data alone to the page: both bundles are trained on the way, once."""

from dataclasses import replace

import pytest

from cmrseg.models import bundle
from cmrseg.models.autoencoder import AutoencoderConfig
from cmrseg.recipes.emidec_rules import Rule
from cmrseg.runtime.errors import EXIT_OK
from cmrseg_lab.cli import main
from cmrseg_lab.training import autoencoder_config, loop
from cmrseg_lab.training.autoencoder_config import AutoencoderTraining
from cmrseg_lab.training.calibration import emidec_rule_search
from cmrseg_lab.training.presets import RECIPES
from emidec_data import make_data
from tiny import heart, save, training_config, volume

PATIENTS = 16


def test_emidecs_tables_from_data_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(RECIPES["emidec"].training, "tiny", training_config("emidec", steps=2))
    few = {"one_ring": [Rule.of("one_ring", least_share=1.0)]}
    monkeypatch.setattr(emidec_rule_search, "CHOICES", few)
    make_data(tmp_path / "data", PATIENTS)
    told = [str(tmp_path / "data"), str(tmp_path / "out"), "--train", "tiny", "--steps", "1"]
    effort = ["--mirrors", "1", "--samples", "2", "--device", "cpu", "--precision", "fp32"]
    command = ["reproduce", "emidec", *told, *effort, "--shift", "", "--commit", "abc123"]
    assert main.main(command) == EXIT_OK
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "reproduce emidec data out --train tiny --steps 1" in page
    for name, samples, alpha in (("weights", 5, 3.0), ("baseline", 1, 0.0)):
        found = bundle.load(tmp_path / "out" / "work" / "trained" / name / "emidec", "emidec")
        assert {(n["training"]["samples"], n["training"]["alpha"]) for n in found.networks} == {
            (samples, alpha)
        }
        assert found.digest[:12] in page
    monkeypatch.setattr(loop, "step", lambda *a: pytest.fail("trained again"))
    assert main.main(command) == EXIT_OK


def test_mnms2s_tables_from_data_alone(tmp_path, monkeypatch):
    """BN1 and BN2, which are told apart by their configurations where these have such names."""
    for recipe in ("mnms2-sa", "mnms2-la"):
        for name in ("compact", "bn2-compact"):
            monkeypatch.setitem(RECIPES[recipe].training, name, training_config(recipe, steps=2))
    small = AutoencoderTraining(
        recipe="mnms2-sa-qc",
        network=AutoencoderConfig(size=32, layers=((4, 2), (4, 2))),
        batch=2,
        steps=1,
        learning_rate=1e-3,
    )
    monkeypatch.setattr(
        autoencoder_config,
        "configurations",
        lambda name: {"compact": replace(small, recipe=name)},
    )
    for number in range(5):
        for view, slices in (("SA", 3), ("LA", 1)):
            image = volume(number, slices)
            stem = f"{number:03d}_{view}_ED"
            folder = tmp_path / "data" / f"{number:03d}"
            save(folder / f"{stem}.nii.gz", image)
            save(folder / f"{stem}_gt.nii.gz", image.like(heart(number, image.array.shape)[1]))
    told = [str(tmp_path / "data"), str(tmp_path / "out"), "--train", "compact", "--steps", "1"]
    few = ["--source", "mnms2", "--shift", "low-field", "--hearts", "0", "--refine-budget", "0"]
    command = ["reproduce", "mnms2", *told, *few, "--device", "cpu", "--precision", "fp32"]
    assert main.main([*command, "--commit", "abc123"]) == EXIT_OK
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "reproduce mnms2 data out --train compact --steps 1" in page
    for name, configuration in (("BN1", "compact"), ("BN2", "bn2-compact")):
        found = bundle.load(tmp_path / "out" / "work" / "trained" / name / "mnms2", "mnms2")
        segmenters = [n for n in found.networks if not n["recipe"].endswith("qc")]
        assert {n["training"]["configuration"] for n in segmenters} == {configuration}
        assert found.digest[:12] in page
