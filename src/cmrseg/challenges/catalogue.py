"""The networks this house trains, by name."""

from __future__ import annotations

from functools import partial

from cmrseg.challenges.recipe import Recipe
from cmrseg.imaging.resample import Grid
from cmrseg.networks.unet import UNetConfig
from cmrseg.training import datasets
from cmrseg.training.config import TrainingConfig

NO = (False,) * 5


def _emidec() -> Recipe:
    """arega2021: 1.458 mm in plane, the whole stack in z, dropout 0.1 in the middle layers."""
    compact = UNetConfig(
        classes=5,
        features=(16, 32, 64, 128, 160),
        across=(False, False, True, True, True),
        dropout=(0.0, 0.0, 0.0, 0.1, 0.1),
    )
    paper = UNetConfig(
        classes=5,
        features=(32, 64, 128, 256, 320),
        across=(False, False, True, True, True),
        dropout=(0.0, 0.0, 0.0, 0.1, 0.1),
        deep_supervision=4,
    )
    return Recipe(
        name="emidec",
        labels={1: "cavity", 2: "normal myocardium", 3: "infarction", 4: "no-reflow"},
        grid=Grid((None, 1.458, 1.458)),
        items=datasets.emidec,
        training={
            "compact": TrainingConfig(
                recipe="emidec",
                network=compact,
                patch=(8, 96, 96),
                batch=3,
                steps=3000,
                on_heart=0.95,
                slice_contrast=0.3,
            ),
            "paper": TrainingConfig(
                recipe="emidec",
                network=paper,
                patch=(7, 224, 224),
                batch=5,
                steps=250_000,
                optimiser="sgd",
                learning_rate=0.01,
                weight_decay=3e-5,
                on_heart=1 / 3,
                slice_contrast=0.3,
                validate_every=2500,
            ),
        },
    )


def _mnms2(view: str) -> Recipe:
    """galati2021: 2-D U-Nets, one a view; BN1 is the nnU-Net 2D of the M&Ms winner."""
    name = f"mnms2-{view.lower()}"
    compact = UNetConfig(classes=4, features=(16, 32, 64, 128, 192), across=NO, dropout=(0.0,) * 5)
    bn1 = UNetConfig(
        classes=4,
        features=(32, 64, 128, 256, 480, 480),
        across=(False,) * 6,
        dropout=(0.0,) * 6,
        deep_supervision=4,
    )
    return Recipe(
        name=name,
        labels={1: "LV", 2: "MYO", 3: "RV"},
        grid=Grid((None, 1.5, 1.5)),
        items=partial(datasets.mnms2, view=view),
        training={
            "compact": TrainingConfig(
                recipe=name, network=compact, patch=(1, 128, 128), batch=16, steps=3000
            ),
            "paper": TrainingConfig(
                recipe=name,
                network=bn1,
                patch=(1, 256, 256),
                batch=20,
                steps=125_000,
                optimiser="sgd",
                learning_rate=0.01,
                weight_decay=3e-5,
                on_heart=1 / 3,
                validate_every=2500,
            ),
        },
    )


RECIPES = {recipe.name: recipe for recipe in (_emidec(), _mnms2("SA"), _mnms2("LA"))}
