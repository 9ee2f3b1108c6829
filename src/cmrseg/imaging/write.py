"""One way out for every format. What is written here reads back with the same geometry."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from cmrseg.imaging.volume import Array, Volume
from cmrseg.runtime.errors import OutputError

SUFFIXES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd")
"""File name endings of the formats that are written."""


def write(volume: Volume, path: Path) -> None:
    """Write a volume in the format that the file name's ending tells.

    NIfTI copies the header that the volume was read with; MHA, MHD, NRRD and ``.nii.gz`` are
    compressed. Writing is not atomic: callers stage and move.

    Args:
        volume: labels (integers, bool) or maps (floats); half precision becomes float32.
        path: where, in a folder that exists.

    Raises:
        OutputError: the file cannot be written (permission, disk full).
        ValueError: an ending that is not one of ``SUFFIXES``.
    """
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise ValueError(f"cannot write {''.join(path.suffixes)}: one of {SUFFIXES}")
    volume = volume.like(_storable(volume.array))
    try:
        if name.endswith((".nii", ".nii.gz")):
            _write_nifti(volume, path, packed=name.endswith(".gz"))
        else:
            _write_itk(volume, path)
    except OSError as error:
        raise _unwritable(error.strerror or "write error") from error


def packed_cine(frames: Array, like: Volume) -> bytes:
    """The bytes of a ``.nii.gz`` file of a cine.

    Args:
        frames: (t, z, y, x).
        like: one of its images: where its voxels lie, and its header.
    """
    from cmrseg.imaging.nifti import encode

    return gzip.compress(encode(like, frames), compresslevel=2, mtime=0)


def _write_nifti(volume: Volume, path: Path, *, packed: bool) -> None:
    from cmrseg.imaging.nifti import encode

    data = encode(volume)
    # floats hardly shrink, however long one tries
    level = 1 if volume.array.dtype.kind == "f" else 2
    # no time and no file name in the archive: equal volumes give equal files, and none tells
    # what the file was called before it was renamed
    path.write_bytes(gzip.compress(data, compresslevel=level, mtime=0) if packed else data)


def _write_itk(volume: Volume, path: Path) -> None:
    from cmrseg.imaging.itk import sitk, to_itk

    try:
        sitk.WriteImage(to_itk(volume), str(path), useCompression=True)
    except RuntimeError as error:
        raise _unwritable("write error") from error


def _storable(array: Array) -> Array:
    """The array in a type that every format holds."""
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    return array


def _unwritable(reason: str) -> OutputError:
    return OutputError(
        f"the image cannot be written ({reason})",
        "check that the output folder exists, may be written to and has space left",
    )
