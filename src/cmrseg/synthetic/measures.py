"""What can be measured on a labelled image, the same way on real and synthetic ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from cmrseg.imaging.volume import Array, Volume
from cmrseg.synthetic.pieces import measure_pieces
from cmrseg.synthetic.rv_shape import rv_shape

Measures = dict[str, float]

AROUND = "around the heart"
"""What :func:`ring` holds."""


def measure_cine(image: Volume, label: Volume) -> Measures:
    """Volumes, extents and grey values of a short-axis cine image in M&Ms-2 codes.

    Returns:
        Volumes in mL, wall thickness and radius in mm, counts of slices, the RV's shape, how
        often labels are in pieces, grey values as shares of the median LV blood, and how grainy
        they are.
    """
    codes = {"LV": (1,), "MYO": (2,), "RV": (3,)}
    found = _volumes(label, codes) | _extent(label, (1,), (2,))
    found |= rv_shape(label) | measure_pieces(label, codes)
    return found | _tissues(image, label, codes) | _grain(image, label, codes)


def measure_late(image: Volume, label: Volume) -> Measures:
    """The same for late enhancement in EMIDEC codes, and the share of the wall that is dead."""
    codes = {"LV": (1,), "MYO": (2, 3, 4), "infarct": (3, 4), "no-reflow": (4,)}
    found = _volumes(label, codes) | _extent(label, (1,), (2, 3, 4))
    found["infarct share [%]"] = 100 * found["infarct [mL]"] / max(found["MYO [mL]"], 1e-6)
    found |= measure_pieces(label, codes)
    tissues = {"LV": (1,), "MYO": (2,), "infarct": (3,), "no-reflow": (4,)}
    found |= _tissues(image, label, tissues, late=True)
    return found | _grain(image, label, {"LV": (1,), "MYO": (2,)})


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
    """Median and spread of each tissue's grey value on the scale of :func:`grey_scaled`."""
    grey = grey_scaled(image, label, late=late)
    found = {}
    for name, values in codes.items():
        voxels = grey[np.isin(label.array, values)]
        if voxels.size > 20:
            found[f"{name} grey"] = float(np.median(voxels))
            found[f"{name} grey spread"] = float(voxels.std())
    around = grey[ring(label.array)]
    found[f"{AROUND} grey"] = float(np.median(around))
    found[f"{AROUND} grey spread"] = float(around.std())
    return found


def grey_scaled(image: Volume, label: Volume, *, late: bool = False) -> Array:
    """Grey values on a scale that any scanner shares.

    Cine: 0 is no signal and 1 the median LV blood. Late enhancement: the grey scale has no true
    zero, so 0 is the 20th percentile of the image and 1 the 98th, slice by slice.
    """
    grey: Array = image.array.astype(np.float64)
    return _slice_scaled(grey) if late else grey / max(np.median(grey[label.array == 1]), 1.0)


def _grain(image: Volume, label: Volume, codes: Mapping[str, tuple[int, ...]]) -> Measures:
    """How alike neighbouring voxels of a tissue are once its slow changes are taken off.

    The correlation of neighbours in the plane is 0 for white noise and grows as an image is
    interpolated from fewer lines of k-space than it has rows.
    """
    grey = image.array.astype(np.float64)
    grain = grey - ndimage.uniform_filter(grey, (1, 5, 5))
    found = {}
    for name, values in codes.items():
        inside = ndimage.binary_erosion(np.isin(label.array, values), np.ones((1, 3, 3)))
        across, down = inside[:, :, 1:] & inside[:, :, :-1], inside[:, 1:] & inside[:, :-1]
        if min(across.sum(), down.sum()) > 50:
            pairs = (
                (grain[:, :, 1:][across], grain[:, :, :-1][across]),
                (grain[:, 1:][down], grain[:, :-1][down]),
            )
            found[f"{name} neighbours alike"] = float(
                np.mean([np.corrcoef(*p)[0, 1] for p in pairs])
            )
    return found


def _slice_scaled(grey: Array) -> Array:
    scaled = np.zeros_like(grey)
    for z, image in enumerate(grey):
        seen = image[image > 0]
        if seen.size:
            low, high = np.percentile(seen, (20, 98))
            scaled[z] = (image - low) / max(high - low, 1e-6)
    return scaled


def ring(label: Array) -> Array:
    """Pixels 2 to 10 beyond the labels, slice by slice."""
    flat = np.ones((1, 3, 3), bool)
    heart = label > 0
    near = ndimage.binary_dilation(heart, flat, 2)
    return np.asarray(ndimage.binary_dilation(near, flat, 8) & ~near)
