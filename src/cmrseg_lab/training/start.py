"""Fine-tuning: trained networks of a bundle that a training starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmrseg.models.autoencoder import AutoencoderConfig
from cmrseg.models.bundle import Bundle, find
from cmrseg.models.unet import UNetConfig
from cmrseg.runtime.errors import InputError
from cmrseg_lab.training.preset import AutoencoderPreset, SegmenterPreset

if TYPE_CHECKING:
    from torch import Tensor

RATE, STEPS = 0.2, 0.125
"""Of the preset's learning rate and steps: few cases, and most is learned."""
TOLD = ("sources", "patients", "fold", "folds", "fold_seed", "trained_on", "started_from")


@dataclass(frozen=True, slots=True)
class Start:
    """A trained network.

    Attributes:
        file: its name in the bundle.
        config: its shape, as the manifest has it.
        weights: its tensors, fp32.
        told: whom it learned from, JSON-ready; goes into the manifest as ``started_from``.
    """

    file: str
    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    told: dict[str, Any]


def starts(bundle: Bundle, recipe: str) -> list[Start]:
    """A recipe's networks in a bundle, ``mnms2-sa-qc`` being the autoencoders'."""
    found = []
    for entry in bundle.networks:
        if entry["recipe"] == recipe:
            training = entry["training"]
            told = {key: training[key] for key in TOLD if key in training}
            told |= {"bundle": bundle.digest, "steps": training["steps_done"]}
            file = entry["file"]
            found.append(Start(file, entry["config"], bundle.tensors(file), told))
    return found


def first(folder: Path, preset: SegmenterPreset | AutoencoderPreset) -> Start:
    """The first network of a preset's recipe in a bundle.

    Args:
        folder: the bundle, or the folder it lies in.
        preset: what is to be trained.

    Raises:
        InputError: there is none, or it has another shape than the preset's network.
    """
    bundle = find(preset.recipe.split("-")[0], folder)
    found = starts(bundle, preset.recipe)
    if not found:
        raise InputError(f"{folder} has no network of {preset.recipe}", "Start from another bundle")
    config = dict(found[0].config)
    segments = isinstance(preset, SegmenterPreset)
    kind = UNetConfig.from_dict if segments else AutoencoderConfig.from_dict
    if kind(config) != preset.network:
        raise InputError(
            f"{found[0].file} has another shape than the preset's network",
            "Start from another bundle, or change the preset",
        )
    return found[0]


def fine_tuning(
    preset: SegmenterPreset | AutoencoderPreset, start: Start
) -> SegmenterPreset | AutoencoderPreset:
    """A preset with the shape of a trained network, a lower rate and fewer steps.

    Raises:
        InputError: the network has a shape that presets do not train.
    """
    known: UNetConfig | AutoencoderConfig
    shape: dict[str, Any]
    if isinstance(preset, SegmenterPreset):
        known = UNetConfig.from_dict(dict(start.config))
        shape = known.as_dict()
        shape["channels"] = shape.pop("in_channels")
        del shape["pooling"], shape["dropout_at"]
    else:
        known = AutoencoderConfig.from_dict(dict(start.config))
        shape = known.as_dict()
        del shape["classes"]
    steps = max(1, round(STEPS * preset.steps))
    found = replace(
        preset,
        **shape,
        learning_rate=RATE * preset.learning_rate,
        steps=steps,
        warm_up=min(preset.warm_up, steps // 10),
    )
    if found.network != known:
        raise InputError(
            f"{start.file} has a shape that is not trained here", "start from another bundle"
        )
    return found
