"""EMIDEC: late enhancement to cavity, myocardium, infarction and no-reflow (arega2021).

Read :meth:`Emidec.segment` for what happens to a case, :data:`RECIPE` for what was trained.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from cmrseg.challenges.recipe import Recipe
from cmrseg.contracts.case import Case, Prediction, Result
from cmrseg.imaging.grid import Grid
from cmrseg.imaging.volume import Array
from cmrseg.networks.unet import UNetConfig
from cmrseg.training import datasets
from cmrseg.training.config import TrainingConfig
from cmrseg.uncertainty import measures

if TYPE_CHECKING:
    from cmrseg.challenges.segmenter import Segmenter

# The organisers' unions: infarction lies in the myocardium, no-reflow in the infarction.
STRUCTURES = {
    "cavity": (1,),
    "myocardium": (2, 3, 4),
    "infarction": (3, 4),
    "no_reflow": (4,),
}


def _recipe() -> Recipe:
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
    return Recipe(
        name="emidec",
        labels={1: "cavity", 2: "normal myocardium", 3: "infarction", 4: "no-reflow"},
        grid=Grid((None, 1.458, 1.458)),
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
                on_heart=1 / 3,
                scanners="one",
                slice_contrast=0.3,
                samples=5,
                alpha=3.0,
                validate_every=2500,
            ),
        },
    )


RECIPE = _recipe()


class Emidec:
    """The recipe with its trained networks.

    Args:
        segmenter: the ensemble.
        mirrors: test-time mirror images (1, 2 or 4).
        samples: Monte-Carlo dropout passes a network, for the uncertainty (0: none).
    """

    def __init__(self, segmenter: Segmenter, *, mirrors: int = 4, samples: int = 5) -> None:
        self.segmenter, self.mirrors, self.samples = segmenter, mirrors, samples

    def segment(self, case: Case) -> Result:
        """One stack to labels, uncertainty maps and volumes.

        Raises:
            InputError: the image cannot be read or is no LGE stack.
        """
        # Training imports this module where no image library is installed.
        from cmrseg.challenges.steps import labels, prepared_image, within_role

        started = time.perf_counter()
        self.segmenter.budget.restart()
        self.segmenter.reset_clock()
        with within_role("LGE"):
            source, prepared = prepared_image(case.images["LGE"], RECIPE.grid)
            mirrored = self.segmenter.mirrored(prepared.image, self.mirrors, samples=self.samples)
            mean = mirrored.mean(axis=0)
            native = prepared.restore(mean)
            mask = source.like(labels(native))
            maps, uncertainty = {}, {}
            if samples := self.segmenter.last.samples:
                drawn = self.segmenter.dropout_samples(prepared.image, samples)
                average, variance = measures.mean_and_variance(drawn)
                entropy = measures.predictive_entropy(average)
                pair = prepared.restore(np.stack([variance.mean(axis=0), entropy]))
                maps = {
                    name: source.like(values.astype(np.float32))
                    for name, values in zip(("variance", "entropy"), pair, strict=True)
                }
                uncertainty = {
                    "image_level": measures.image_uncertainty(variance),
                    "dice_within_samples": measures.dice_within_samples(average, drawn, STRUCTURES),
                }
        total = time.perf_counter() - started
        network = self.segmenter.network_s
        return Result(
            predictions={"LGE": Prediction(mask, maps)},
            measures={
                **volumes(mask.array, source.geometry.voxel_ml),
                **({"uncertainty": uncertainty} if uncertainty else {}),
            },
            computed=self.segmenter.computed(),
            timings_s={"network": round(network, 3), "around": round(total - network, 3)},
            warnings=(*source.warnings, *self.segmenter.warnings),
        )


def volumes(mask: Array, voxel_ml: float) -> dict[str, float | dict[str, float]]:
    """Volumes in mL and the infarcted share of the myocardium in percent."""
    ml = {
        name: round(float(np.isin(mask, parts).sum() * voxel_ml), 2)
        for name, parts in STRUCTURES.items()
    }
    share = 100 * ml["infarction"] / ml["myocardium"] if ml["myocardium"] else 0.0
    return {"volume_ml": ml, "infarcted_percent": round(share, 1)}
