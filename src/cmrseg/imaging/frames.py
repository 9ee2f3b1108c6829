"""What every reader agrees on: which frame, which type of number."""

from __future__ import annotations

import numpy as np

from cmrseg.imaging.volume import Array
from cmrseg.runtime.errors import InputError


def chosen_frame(frame: int | None, count: int) -> int:
    """The index of the frame to read.

    Raises:
        InputError: a cine and no frame named, or a frame that it does not have.
    """
    if frame is None:
        if count > 1:
            raise InputError(
                f"the image is a cine of {count} frames where one frame is needed",
                f"name the frame to take (0 to {count - 1}) or give the frame as its own image",
            )
        return 0
    if not 0 <= frame < count:
        raise InputError(
            f"frame {frame} was asked for, but the image has {count}",
            f"name a frame from 0 to {count - 1}",
        )
    return frame


def plain_values(array: Array) -> Array:
    """The array in C order, native byte order, and no wider than float32 if it has fractions.

    Raises:
        InputError: numbers that are not real.
    """
    if array.dtype.kind not in "biuf":
        raise InputError("the image does not hold one real number a voxel", "give a grey image")
    kind = np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    with np.errstate(over="ignore"):  # becomes infinite, which check_image refuses
        return np.ascontiguousarray(array, kind)
