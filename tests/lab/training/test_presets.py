"""The command line names the networks without importing them: the names must agree."""

from cmrseg.cases.labels import CODES
from cmrseg.cli import options
from cmrseg_lab.cli import train
from cmrseg_lab.training.presets import RECIPES


def test_names_agree():
    assert tuple(RECIPES) == train.NETWORKS
    assert tuple(CODES) == options.CHALLENGES
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert all("compact" in recipe.training for recipe in RECIPES.values())
