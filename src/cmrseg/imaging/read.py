"""One way in for every format.

``read`` takes images and labels alike; ``check_image`` then refuses what is no image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cmrseg.errors import InputError
from cmrseg.imaging.volume import Volume

NIFTI = (".nii", ".nii.gz")
ITK = (".mha", ".mhd", ".nrrd", ".tif", ".tiff")
SUFFIXES = (*NIFTI, *ITK)
"""File name endings of the formats that are read; DICOM comes as a folder."""

LABEL_VALUES = 10
"""An image with no more distinct grey values than this is a label map."""


def read(path: Path, frame: int | None = None) -> Volume:
    """The image or label volume at ``path``.

    Args:
        path: an MHA, MHD, NIfTI, NRRD or TIFF file, or a folder of DICOM slices.
        frame: which frame of a cine, from 0.

    Returns:
        A (z, y, x) volume; a 2D image has one slice. Fractions are float32, integers keep
        their type. ``warnings`` says what had to be mended.

    Raises:
        InputError: missing, empty, truncated or unreadable; wrong dimensions; a cine and no
            frame; spacing or axes that cannot be used. The message does not name the file.
    """
    volume: Volume = _format(path).read(path, frame)
    return volume


def frame_count(path: Path) -> int:
    """Frames in the image at ``path``: 1 unless it is a cine.

    Raises:
        InputError: as :func:`read`.
    """
    count: int = _format(path).count(path)
    return count


def check_image(volume: Volume) -> None:
    """Refuse a volume that is no grey image.

    Raises:
        InputError: NaN or infinite values; one value everywhere; a label map.
    """
    array = volume.array
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(
            f"the image has {int((~np.isfinite(array)).sum())} voxels that are NaN or infinite",
            "replace them by numbers or export the image again",
        )
    if low == high:
        raise InputError(
            f"every voxel of the image is {float(low):g}: there is nothing to see",
            "export the image again",
        )
    if _is_label_map(array, float(low), float(high)):
        raise InputError(
            "this is a label file where an image should be",
            "give the grey image; labels belong elsewhere",
        )


def _is_label_map(array: Any, low: float, high: float) -> bool:
    if low < 0 or high > 255:
        return False
    whole = array.astype(np.uint8)
    if not np.array_equal(whole, array):
        return False
    return int(np.count_nonzero(np.bincount(whole.ravel()))) <= LABEL_VALUES


class _Format:
    """A pair of functions, imported when first needed: SimpleITK alone costs 0.2 s."""

    def __init__(self, kind: str) -> None:
        if kind == "nifti":
            from cmrseg.imaging import nifti

            self.read, self.count = nifti.read_nifti, nifti.count_frames
        else:
            from cmrseg.imaging import itk

            self.read, self.count = itk.read_itk, itk.count_frames


def _format(path: Path) -> _Format:
    name = path.name.lower()
    if not path.exists():
        raise InputError("the image does not exist", "check the path and the folder layout")
    if not name.endswith(SUFFIXES):
        raise InputError(
            "the file is of a kind that is not read",
            f"give one of {', '.join(SUFFIXES)} or a folder of DICOM slices",
        )
    if path.stat().st_size == 0:
        raise InputError("the image file is empty", "copy or export the image again")
    return _Format("nifti" if name.endswith(NIFTI) else "itk")
