"""The networks this house trains, by name."""

from __future__ import annotations

from cmrseg.recipes import emidec, mnms2
from cmrseg.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (emidec.RECIPE, mnms2.RECIPES["SA"], mnms2.RECIPES["LA"])
}
