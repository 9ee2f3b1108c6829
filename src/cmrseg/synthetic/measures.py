"""What can be measured on a labelled image, the same way on real and synthetic ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array, Volume

Measures = dict[str, float]


def measure_cine(image: Volume, label: Volume) -> Measures:
    """Volumes, extents and grey values of a short-axis cine image in M&Ms-2 codes.

    Returns:
        Volumes in mL, wall thickness and radius in mm, counts of slices, and grey values as
        shares of the median LV blood.
    """
    codes = {"LV": (1,), "MYO": (2,), "RV": (3,)}
    found = _volumes(label, codes) | _extent(label, (1,), (2,))
    return found | _tissues(image, label, codes)


def measure_late(image: Volume, label: Volume) -> Measures:
    """The same for late enhancement in EMIDEC codes, and the share of the wall that is dead."""
    codes = {"LV": (1,), "MYO": (2, 3, 4), "infarct": (3, 4), "no-reflow": (4,)}
    found = _volumes(label, codes) | _extent(label, (1,), (2, 3, 4))
    found["infarct share [%]"] = 100 * found["infarct [mL]"] / max(found["MYO [mL]"], 1e-6)
    tissues = {"LV": (1,), "MYO": (2,), "infarct": (3,), "no-reflow": (4,)}
    return found | _tissues(image, label, tissues, late=True)


def _volumes(label: Volume, codes: Mapping[str, tuple[int, ...]]) -> Measures:
    voxel = label.geometry.voxel_ml
    return {
        f"{name} [mL]": float(np.isin(label.array, values).sum()) * voxel
        for name, values in codes.items()
    }


def _extent(label: Volume, cavity: tuple[int, ...], wall: tuple[int, ...]) -> Measures:
    """Wall thickness and cavity radius (of equal area) over the slices that show both."""
    pixel = label.spacing_mm[1] * label.spacing_mm[2]
    inside = np.isin(label.array, cavity).sum((1, 2)) * pixel
    muscle = np.isin(label.array, wall).sum((1, 2)) * pixel
    both = (inside > 0) & (muscle > 0)
    radius = np.sqrt(inside[both] / np.pi)
    thickness = np.sqrt((inside + muscle)[both] / np.pi) - radius
    shown = label.array.any((1, 2))
    return {
        "slices": float(label.array.shape[0]),
        "slices with labels": float(shown.sum()),
        "slice distance [mm]": label.spacing_mm[0],
        "pixel [mm]": float(np.sqrt(pixel)),
        "wall thickness [mm]": float(thickness.mean()) if both.any() else float("nan"),
        "LV radius [mm]": float(radius.mean()) if both.any() else float("nan"),
    }


def _tissues(
    image: Volume, label: Volume, codes: Mapping[str, tuple[int, ...]], *, late: bool = False
) -> Measures:
    """Median and spread of each tissue's grey value on a scale that any scanner shares.

    Cine: 0 is no signal and 1 the median LV blood. Late enhancement: the grey scale has no true
    zero, so 0 is the 20th percentile of the image and 1 the 98th, slice by slice.
    """
    grey = image.array.astype(np.float64)
    grey = _slice_scaled(grey) if late else grey / max(np.median(grey[label.array == 1]), 1.0)
    found = {}
    for name, values in codes.items():
        voxels = grey[np.isin(label.array, values)]
        if voxels.size > 20:
            found[f"{name} grey"] = float(np.median(voxels))
            found[f"{name} grey spread"] = float(voxels.std())
    around = grey[_ring(label.array)]
    found["around the heart grey"] = float(np.median(around))
    found["around the heart grey spread"] = float(around.std())
    return found


def _slice_scaled(grey: Array) -> Array:
    scaled = np.zeros_like(grey)
    for z, image in enumerate(grey):
        seen = image[image > 0]
        if seen.size:
            low, high = np.percentile(seen, (20, 98))
            scaled[z] = (image - low) / max(high - low, 1e-6)
    return scaled


def _ring(label: Array) -> Array:
    """Pixels 2 to 10 beyond the labels, slice by slice."""
    flat = np.ones((1, 3, 3), bool)
    heart = label > 0
    near = ndimage.binary_dilation(heart, flat, 2)
    return np.asarray(ndimage.binary_dilation(near, flat, 8) & ~near)
