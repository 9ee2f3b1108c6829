"""Labelled slices that a segmenter goes on seeing while it is refined: L_SUP of galati2021 Eq. 2.

The set travels in the bundle as one safetensors file. Grey values are kept in steps of 1/16 of the
image's standard deviation, far below its noise, in one byte each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cmrseg.imaging.volume import Array
from cmrseg.runtime.errors import WeightsError

STEPS = 16
"""Grey steps a standard deviation."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Prepared slices and their labels.

    Attributes:
        images: (n, y, x) float32, robust z-scores on the recipe's grid.
        labels: (n, y, x) uint8.
    """

    images: Array
    labels: Array

    def __post_init__(self) -> None:
        if self.images.shape != self.labels.shape or self.images.ndim != 3 or not len(self.images):
            raise ValueError(f"images {self.images.shape} and labels {self.labels.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, chosen: Array) -> tuple[Tensor, Tensor]:
        """Images (k, 1, 1, y, x) and labels (k, 1, y, x) of the slices ``chosen``."""
        images = torch.from_numpy(self.images[chosen])[:, None, None]
        return images, torch.from_numpy(self.labels[chosen]).long()[:, None]


def write(path: Path, rehearsal: Rehearsal) -> None:
    """Store a rehearsal set."""
    grey = np.ascontiguousarray(rehearsal.images * STEPS).round().clip(-128, 127).astype(np.int8)
    save_file(
        {
            "images": torch.from_numpy(grey),
            "labels": torch.from_numpy(np.ascontiguousarray(rehearsal.labels)),
        },
        path,
    )


def read(path: Path) -> Rehearsal:
    """Load a rehearsal set.

    Raises:
        WeightsError: missing, or no rehearsal set of ours.
    """
    try:
        tensors = load_file(path)
        images, labels = tensors["images"].numpy(), tensors["labels"].numpy()
        return Rehearsal(images.astype(np.float32) / STEPS, labels)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(
            f"{path.name} holds no rehearsal set", "restore the bundle, or pack it anew"
        ) from error
