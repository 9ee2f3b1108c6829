"""Patches as nnU-Net (version 1) places and augments them, for networks trained as arega2021's.

Probabilities, ranges and order are nnU-Net's for a stack of thick slices, which it turns and scales
in plane alone; where it says nothing of a range its library's default holds. MONAI supplies the
transforms, so what it does otherwise stays: interpolation is linear, ranges are drawn from evenly
(nnU-Net tosses a coin for the side of 1 first), and blur stays in plane.
"""

from __future__ import annotations

from math import pi

import monai.transforms as mt
import numpy as np

from cmrseg.imaging.volume import Array

Voxel = tuple[int, int, int]


def transforms(plane: tuple[int, ...]) -> list[mt.Transform]:
    """The random transforms of a patch: keys ``image`` and ``label``, each (z, y, x).

    Mirroring in z is not among them, as slices are channels here: ``upside_down`` does that.

    Args:
        plane: (y, x) voxels of the patch; what comes in is larger, so that it can be turned.
    """
    both, image = ["image", "label"], ["image"]
    gamma = {"gamma": (0.7, 1.5), "retain_stats": True}
    return [
        mt.RandZoomd(
            both, prob=0.2, min_zoom=0.7, max_zoom=1.4, mode=("bilinear", "nearest-exact")
        ),
        mt.RandRotated(
            both, prob=0.2, range_x=pi, mode=("bilinear", "nearest"), padding_mode="border"
        ),
        # Grey scales come after the cut: contrast and gamma keep the mean of what is shown.
        mt.CenterSpatialCropd(both, plane),
        # nnU-Net calls it a variance, up to 0.1, and draws with it as the deviation.
        mt.RandGaussianNoised(image, prob=0.1, std=0.1),
        mt.RandGaussianSmoothd(image, prob=0.2, sigma_x=(0.5, 1.0), sigma_y=(0.5, 1.0)),
        mt.RandScaleIntensityd(image, prob=0.15, factors=0.25),
        mt.RandScaleIntensityFixedMeand(image, prob=0.15, factors=0.25, preserve_range=True),
        mt.RandSimulateLowResolutiond(image, prob=0.25, zoom_range=(0.5, 1.0)),
        mt.RandAdjustContrastd(image, prob=0.1, invert_image=True, **gamma),
        mt.RandAdjustContrastd(image, prob=0.3, **gamma),
        mt.RandFlipd(both, prob=0.5, spatial_axis=0),
        mt.RandFlipd(both, prob=0.5, spatial_axis=1),
    ]


def centre(rng: np.random.Generator, label: Array, patch: Voxel, on_class: float) -> Voxel:
    """Where a patch lies: its middle voxel (z, y, x), such that it stays inside the volume.

    An axis along which the volume is no longer than the patch is shown whole.

    Args:
        rng: what chance follows from.
        label: the volume's labels (z, y, x), 0 the background.
        patch: (z, y, x) voxels of the patch.
        on_class: share of patches centred on a random voxel of a random class, each class that the
            volume has as likely as any other; the rest lie anywhere.
    """
    bounds = [_bounds(total, n) for total, n in zip(label.shape, patch, strict=True)]
    wanted: tuple[int, ...] | None = None
    if rng.random() < on_class:
        wanted = _voxel_of_a_class(rng, label)
    if wanted is None:
        wanted = tuple(int(rng.integers(low, high + 1)) for low, high in bounds)
    z, y, x = (min(max(at, low), high) for at, (low, high) in zip(wanted, bounds, strict=True))
    return z, y, x


def _bounds(total: int, size: int) -> tuple[int, int]:
    """The first and the last centre of a patch within an axis."""
    if total <= size:
        return total // 2, total // 2
    return size // 2, total - size + size // 2


def _voxel_of_a_class(rng: np.random.Generator, label: Array) -> tuple[int, ...] | None:
    classes = np.unique(label)
    classes = classes[classes > 0]
    if not len(classes):
        return None
    voxels = np.flatnonzero(label == rng.choice(classes))
    return tuple(int(at) for at in np.unravel_index(rng.choice(voxels), label.shape))
