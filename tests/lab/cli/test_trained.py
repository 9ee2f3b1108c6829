"""From data alone to the page: both bundles are trained on the way, once."""

import pytest

from cmrseg.models import bundle
from cmrseg.recipes.emidec_rules import Rule
from cmrseg.runtime.errors import EXIT_OK
from cmrseg_lab.cli import main
from cmrseg_lab.training import loop
from cmrseg_lab.training.calibration import emidec_rule_search
from cmrseg_lab.training.presets import RECIPES
from emidec_data import make_data
from tiny import training_config

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
