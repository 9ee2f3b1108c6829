"""One way in for every format.

``read`` takes images and labels alike; ``check_image`` then refuses what is no image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from cmrseg.imaging.plausible import implausible
from cmrseg.imaging.volume import Array, Volume
from cmrseg.runtime.errors import InputError
from cmrseg.runtime.logs import silenced

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
        their type. ``warnings`` says what had to be mended, ``review`` what is doubtful.

    Raises:
        InputError: missing, empty, truncated or unreadable; wrong dimensions; a cine and no
            frame; spacing or axes that cannot be used. The message does not name the file.
        MemoryLimitError: it does not fit the memory.
    """
    with _readable():
        volume: Volume = _format(path).read_frame(path, frame)
    return replace(volume, review=(*volume.review, *implausible(volume.geometry)))


def frame_count(path: Path) -> int:
    """Frames in the image at ``path``: 1 unless it is a cine.

    Raises:
        InputError: as :func:`read`.
    """
    with _readable():
        count: int = _format(path).count_frames(path)
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


def _is_label_map(array: Array, low: float, high: float) -> bool:
    if low < 0 or high > 255:
        return False
    whole = array.astype(np.uint8)
    if not np.array_equal(whole, array):
        return False
    return int(np.count_nonzero(np.bincount(whole.ravel()))) <= LABEL_VALUES


@contextmanager
def _readable() -> Iterator[None]:
    """The system's errors in words; what libraries print, with file names in it, unsaid."""
    try:
        with silenced():
            yield
    except OSError as error:
        raise InputError(
            f"the image cannot be read ({error.strerror or 'read error'})",
            "check the permissions of the file and its folder",
        ) from error


def _format(path: Path) -> ModuleType:
    """The module that reads ``path``, imported when first needed (SimpleITK costs 0.2 s)."""
    name = path.name.lower()
    if not path.exists():
        raise InputError("the image does not exist", "check the path and the folder layout")
    if path.is_dir():
        return import_module("cmrseg.imaging.dicom")
    if not name.endswith(SUFFIXES):
        raise InputError(
            "the file is of a kind that is not read",
            f"give one of {', '.join(SUFFIXES)} or a folder of DICOM slices",
        )
    if not path.is_file():
        # A pipe or a device may never end.
        raise InputError("the image is no regular file", "copy the image, or export it again")
    if path.stat().st_size == 0:
        raise InputError("the image file is empty", "copy or export the image again")
    return import_module(f"cmrseg.imaging.{'nifti' if name.endswith(NIFTI) else 'itk'}")
