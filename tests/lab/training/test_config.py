"""A training's configuration travels as JSON and checks itself."""

import json

import pytest

from cmrseg_lab.training.config import TrainingConfig
from cmrseg_lab.training.presets import RECIPES
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


@pytest.mark.parametrize("changed", [{"keep": -1}, {"epochs": 0}])
def test_keep_and_epochs_are_checked(changed):
    with pytest.raises(ValueError, match="epochs must be one or more and keep not negative"):
        training_config("emidec", **changed)


def test_settings_that_came_later_leave_older_runs_as_they_were():
    config = training_config("emidec")
    new = ("keep", "dice", "schedule", "decay", "epochs", "augmentation", "scanners", "grey")
    older = {k: v for k, v in config.as_dict().items() if k not in new}
    older["network"] = {
        k: v for k, v in older["network"].items() if k not in ("pooling", "dropout_at")
    }
    loaded = TrainingConfig.from_dict(json.loads(json.dumps(older)))
    assert loaded == config
    assert (loaded.keep, loaded.dice, loaded.schedule) == (0, "soft", "poly")
    assert (loaded.augmentation, loaded.scanners, loaded.grey) == ("ours", "many", None)


@pytest.mark.parametrize("groups", [None, (), ("noise", "field-of-view")])
def test_groups_of_grey_scales_survive_json(groups):
    config = training_config("mnms2-sa", grey=groups)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_groups_that_there_are_not_are_named():
    with pytest.raises(ValueError, match="no group of grey-scale augmentation: colour"):
        training_config("emidec", grey=("noise", "colour"))
    with pytest.raises(ValueError, match="no groups"):
        training_config("mnms2-sa", augmentation="nnunet", grey=())


def test_nnunets_augmentation_has_no_jumps_between_slices():
    with pytest.raises(ValueError, match="slice_contrast"):
        training_config("emidec", augmentation="nnunet", slice_contrast=0.3)
    assert training_config("emidec", augmentation="nnunet", slice_contrast=0.0)


def test_the_rate_falls_by_a_factor_an_epoch():
    """BN2 (FACTS section 2): 5e-4, times 0.985 each of 300 epochs of 100 steps."""
    bn2 = RECIPES["mnms2-sa"].training["bn2"]
    rates = [bn2.rate(step) for step in (0, 99, 100, 250, 29_999)]
    expected = [5e-4 * 0.985**epoch for epoch in (0, 0, 1, 2, 299)]
    assert rates == pytest.approx(expected, rel=1e-12)
    short = RECIPES["mnms2-sa"].training["bn2-compact"]
    assert short.rate(short.steps - 1) == pytest.approx(short.rate(0) * 0.985**299, rel=1e-12)


@pytest.mark.parametrize(
    ("share", "counted"), [(0.0, []), (1 / 3, [3]), (0.5, [2, 3]), (1.0, [1, 2, 3])]
)
def test_the_last_share_of_the_steps_is_averaged(share, counted):
    config = training_config("emidec", steps=3, averaged=share)
    assert [step for step in (1, 2, 3) if config.averages(step)] == counted


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_more_than_all_steps_cannot_be_averaged(share):
    with pytest.raises(ValueError, match="share"):
        training_config("emidec", averaged=share)
