"""The command line names the networks without importing them: the names must agree."""

from cmrseg.challenges.catalogue import RECIPES
from cmrseg.commands import options, training
from cmrseg.contracts.labels import CODES


def test_names_agree():
    assert tuple(RECIPES) == training.NETWORKS
    assert tuple(CODES) == options.CHALLENGES
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert all("compact" in recipe.training for recipe in RECIPES.values())
