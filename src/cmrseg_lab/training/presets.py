"""The trainings there are, by the network they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

from cmrseg.models.unet import UNetConfig
from cmrseg.recipes import emidec, mnms2
from cmrseg.recipes.recipe import Recipe
from cmrseg_lab.training import datasets
from cmrseg_lab.training.config import TrainingConfig
from cmrseg_lab.training.datasets import Labelled

NO = (False,) * 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe(Recipe):
    """A recipe with its data and its trainings.

    Attributes:
        items: finds the labelled images in a data folder.
        training: configurations by name; ``compact`` is what our bundles hold.
    """

    items: Callable[[Path], list[Labelled]]
    training: dict[str, TrainingConfig]

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        items: Callable[[Path], list[Labelled]],
        training: dict[str, TrainingConfig],
    ) -> Self:
        """The recipe, with them."""
        return cls(
            name=recipe.name,
            labels=recipe.labels,
            grid=recipe.grid,
            items=items,
            training=training,
        )


def _mnms2(view: str) -> TrainingRecipe:
    """2-D U-Nets, one a view.

    Those of the paper (section 3.1): ``paper``, also called ``bn1``, is the nnU-Net 2D of the M&Ms
    winner; ``bn2`` the 2-D U-Net of the ACDC winner, with his optimiser, rates, batch, weight decay
    and dropout (the public MIC-DKFZ/ACDC2017, UNet2D_config.py and network.py), but up-sampling by
    transposed convolutions, with our heads and on our grid. Both learn by Eq. 1 and keep
    m_best = 3. ``compact`` and ``bn2-compact`` are what a CPU trains in an hour or so. ``stack`` is
    ``compact`` whose deep stages look at neighbouring slices too: which slices show a ventricle at
    all, at the base above all, is hard to tell from one of them.
    """
    name = f"mnms2-{view.lower()}"
    compact = UNetConfig(classes=4, features=(16, 32, 64, 128, 192), across=NO, dropout=(0.0,) * 5)
    bn1 = UNetConfig(
        classes=4,
        features=(32, 64, 128, 256, 480, 480),
        across=(False,) * 6,
        dropout=(0.0,) * 6,
        deep_supervision=4,
    )
    bn2 = UNetConfig(
        classes=4,
        features=(48, 96, 192, 384, 768),
        across=NO,
        dropout=(0.0, 0.3, 0.3, 0.3, 0.0),
        pooling="max",
        dropout_at="seams",
    )
    paper_bn1 = TrainingConfig(
        recipe=name,
        network=bn1,
        patch=(1, 256, 256),
        batch=20,
        steps=125_000,
        optimiser="sgd",
        learning_rate=0.01,
        weight_decay=3e-5,
        dice="generalised",
        keep=3,
        on_heart=1 / 3,
        validate_every=2500,
    )
    paper_bn2 = TrainingConfig(
        recipe=name,
        network=bn2,
        patch=(1, 256, 256),
        batch=10,
        steps=30_000,
        optimiser="adam",
        learning_rate=5e-4,
        schedule="exponential",
        decay=0.985,
        epochs=300,
        weight_decay=1e-5,
        dice="generalised",
        keep=3,
        on_heart=1 / 3,
        validate_every=1000,
    )
    stack = TrainingConfig(
        recipe=name,
        network=replace(compact, across=(False, False, False, True, True)),
        patch=(6, 128, 128),
        batch=3,
        steps=4500,
        on_heart=0.9,
        upside_down=True,
        alone=0.2,
        averaged=1 / 3,
    )
    return TrainingRecipe.of(
        mnms2.RECIPES[view],
        items=partial(datasets.mnms2, view=view),
        training={
            "compact": TrainingConfig(
                recipe=name,
                network=compact,
                patch=(1, 128, 128),
                batch=8,
                steps=4500,
                on_heart=0.9,
            ),
            "paper": paper_bn1,
            "bn1": paper_bn1,
            "bn2": paper_bn2,
            "bn2-compact": replace(
                paper_bn2,
                network=replace(bn2, features=(16, 32, 64, 128, 192)),
                patch=(1, 128, 128),
                batch=8,
                steps=4500,
                learning_rate=2e-3,  # a seventh of the steps: the rate has to do more in each
                on_heart=0.9,
                validate_every=250,
            ),
            **({"stack": stack} if view == "SA" else {}),
        },
    )


def _emidec() -> TrainingRecipe:
    """1.458 mm in plane, the whole stack in z, dropout 0.1 in the middle layers (section 2.2)."""
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
    return TrainingRecipe.of(
        emidec.RECIPE,
        items=datasets.emidec,
        training={
            "compact": TrainingConfig(
                recipe="emidec",
                network=compact,
                patch=(8, 80, 80),
                batch=3,
                steps=3000,
                on_heart=0.85,
                scanners="one",
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
                augmentation="nnunet",
                on_heart=1 / 3,
                upside_down=True,
                samples=5,
                alpha=3.0,
                validate_every=2500,
            ),
        },
    )


RECIPES = {recipe.name: recipe for recipe in (_emidec(), _mnms2("SA"), _mnms2("LA"))}
