"""A bundle of tiny networks that learned nothing: trials are about files and processes."""

from __future__ import annotations

from pathlib import Path

import torch

from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.models.unet import UNet
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.loop import CHECKPOINT, make_optimiser
from cmrseg_lab.training.pack import pack
from cmrseg_lab.training.preset import Augmentation, SegmenterPreset, as_values

RECIPES = {name: next(iter(spec.grids_mm)) for name, spec in SPECS.items()}
"""The recipe that segments a stack."""


def make(challenge: Challenge, folder: Path) -> Path:
    """A bundle of one network of three stages.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        folder: to write into.
    """
    preset = SegmenterPreset(
        recipe=RECIPES[challenge],
        classes=1 + len(SPECS[challenge].labels),
        features=(4, 8, 8),
        across=(False,) * 3,
        dropout=(),
        deep_supervision=1,
        patch=(1, 32, 32),
        batch=1,
        steps=1,
        learning_rate=1e-3,
        weight_decay=0.0,
        look_every=1,
        folds=5,
        augmentation=Augmentation(),
    )
    torch.manual_seed(0)
    network = UNet(preset.network)
    about = checkpoint.TrainedOn(fold=0, without=None, seed=0, patients=[])
    state = checkpoint.State(step=0, preset=as_values(preset), about=about)
    checkpoint.save(folder / CHECKPOINT, network, make_optimiser(network, preset), state)
    return pack(challenge, [folder / CHECKPOINT], folder / challenge)
