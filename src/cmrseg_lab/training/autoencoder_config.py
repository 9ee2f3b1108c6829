"""What an autoencoder's training is, in one frozen object that travels with the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from cmrseg.models.autoencoder import AutoencoderConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderTraining:
    """One autoencoder's training.

    Attributes:
        recipe: ``mnms2-sa-qc`` or ``mnms2-la-qc``.
        network: shape of the autoencoder.
        batch: stacks a step; all slices of a stack are samples.
        steps: optimiser steps in all.
        learning_rate: of Adam, initial.
        weight_decay: of Adam.
        decay: exponent of the learning rate's way to zero; 0 leaves it constant.
        corrupted: share of stacks that are given with errors; 0 trains on true masks alone.
        blunders: share of stacks that are given with a gross error, whatever else they have.
        turned: share of stacks that are turned, scaled and sheared; all are mirrored at random.
        seed: everything random follows from it.
        validate_every: steps between looks at the held-out fold.
        checkpoint_every_s: seconds between checkpoints.
    """

    recipe: str
    network: AutoencoderConfig
    batch: int
    steps: int
    learning_rate: float
    weight_decay: float = 1e-5
    decay: float = 0.9
    corrupted: float = 0.7
    blunders: float = 0.0
    turned: float = 0.7
    seed: int = 0
    validate_every: int = 500
    checkpoint_every_s: float = 120.0

    def altered(self, *, slices: int | None = None, **settings: Any) -> AutoencoderTraining:
        """The same with other settings, by attribute; None leaves one as it is.

        Args:
            slices: that the network sees at once, odd.
            settings: of this training.
        """
        network = self.network if slices is None else replace(self.network, slices=slices)
        given = {name: value for name, value in settings.items() if value is not None}
        return replace(self, network=network, **given)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, the inverse of :meth:`from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AutoencoderTraining:
        """From a checkpoint's or manifest's JSON."""
        return cls(**{**values, "network": AutoencoderConfig.from_dict(values["network"])})


def configurations(recipe: str) -> dict[str, AutoencoderTraining]:
    """The trainings of one view's autoencoder (``mnms2-sa-qc``, ``mnms2-la-qc``), by name.

    ``compact`` sees 192 mm in 128 voxels of the recipe's own grid: every heart fits, and nothing
    is resampled. In the short axis it sees the neighbouring slices too. ``paper`` is the authors'
    network and training; ``paper-denoising`` their network, trained as ``compact`` is.
    """
    stack = recipe == "mnms2-sa-qc"
    compact = AutoencoderConfig(
        slices=3 if stack else 1,
        size=128,
        layers=((24, 2), (48, 2), (96, 2), (96, 1), (128, 2), (48, 1)),
        dropout=0.0,
    )
    ours = AutoencoderTraining(
        recipe=recipe,
        network=compact,
        batch=2 if stack else 20,
        steps=3000,
        learning_rate=2e-3,
    )
    return {
        "compact": ours,
        "paper-denoising": replace(ours, network=AutoencoderConfig()),
        "paper": AutoencoderTraining(
            recipe=recipe,
            network=AutoencoderConfig(),
            batch=2 if stack else 20,
            steps=40_000 if stack else 8_000,  # about 500 epochs of 160 patients' slices
            learning_rate=2e-4,
            decay=0.0,
            corrupted=0.0,
            turned=0.0,
        ),
    }
