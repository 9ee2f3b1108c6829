"""A training's configuration travels as JSON and checks itself."""

import json

import pytest

from cmrseg.challenges.catalogue import RECIPES
from cmrseg.training.config import TrainingConfig
from tiny import training_config

ALL = [(name, key) for name, recipe in RECIPES.items() for key in recipe.training]


@pytest.mark.parametrize(("name", "key"), ALL)
def test_every_configuration_survives_json(name, key):
    config = RECIPES[name].training[key]
    assert config.recipe == name
    assert config.network.classes == len(RECIPES[name].labels) + 1
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_patches_must_fit_the_pooling():
    with pytest.raises(ValueError, match="no multiple of 4"):
        training_config("emidec", patch=(4, 32, 30))


def test_what_was_written_before_there_were_samples_is_the_baseline():
    config = training_config("emidec")
    older = {k: v for k, v in config.as_dict().items() if k not in ("samples", "alpha")}
    loaded = TrainingConfig.from_dict(json.loads(json.dumps(older)))
    assert loaded == config
    assert (loaded.samples, loaded.alpha) == (1, 0.0)


@pytest.mark.parametrize("changed", [{"samples": 0}, {"alpha": -1.0}])
def test_samples_and_alpha_are_checked(changed):
    with pytest.raises(ValueError, match="samples"):
        training_config("emidec", **changed)
