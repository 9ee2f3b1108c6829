"""The command line names the networks without importing them: the names must agree."""

from cmrseg import cli
from cmrseg.challenges.catalogue import RECIPES
from cmrseg.contracts.labels import CODES


def test_names_agree():
    assert tuple(RECIPES) == cli.NETWORKS
    assert tuple(CODES) == cli.CHALLENGES
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert all("compact" in recipe.training for recipe in RECIPES.values())
