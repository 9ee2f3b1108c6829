"""Images that a program has in memory: SimpleITK's, or an array with its spacing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cmrseg.imaging.frames import plain_values
from cmrseg.imaging.plausible import implausible
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.runtime.errors import InputError

if TYPE_CHECKING:
    import SimpleITK

PathName: TypeAlias = str | PathLike[str]
Image: TypeAlias = (
    "PathName | tuple[PathName, int] | tuple[Array, Sequence[float]] | Volume | SimpleITK.Image"
)
"""A path, (path of a cine, frame), (array, spacing in mm), or an image in memory."""
THICKNESS_MM = 1.0
"""Of a lone slice whose thickness nobody told; areas do not depend on it."""


def given(image: Any) -> Volume:
    """An image in memory as a volume, with what is doubtful about it, as ``read`` tells it.

    Args:
        image: a :class:`Volume`; a SimpleITK image; or (array, spacing): (z, y, x) and mm in the
            same order, or (y, x) and two numbers for one slice.

    Raises:
        InputError: it is none of these, has not two or three dimensions, or impossible spacing.
    """
    if isinstance(image, tuple) and len(image) == 2:
        volume = _of_array(np.asarray(image[0]), image[1])
    elif type(image).__module__.partition(".")[0] == "SimpleITK":
        from cmrseg.imaging.itk import from_itk

        volume = from_itk(image)
    elif isinstance(image, Volume):
        volume = replace(image, array=plain_values(image.array))
    else:
        raise InputError(
            f"an image is given as {type(image).__name__}",
            "give a path, (path, frame), a SimpleITK image or (array, spacing in mm)",
        )
    return replace(volume, review=(*volume.review, *implausible(volume.geometry)))


def _of_array(array: Array, spacing_mm: Sequence[float]) -> Volume:
    """Array axes (z, y, x) on the patient's axes."""
    spacing = [float(one) for one in spacing_mm]
    if array.ndim not in (2, 3) or len(spacing) not in (array.ndim, 3):
        raise InputError(
            f"an array of {array.ndim} dimensions comes with {len(spacing)} numbers of spacing",
            "give (z, y, x) or (y, x), and the spacing in mm in the same order",
        )
    if array.ndim == 2:
        array = array[None]
    z, y, x = [THICKNESS_MM, *spacing][-3:]
    return Volume(plain_values(array), Geometry(array.shape, (z, y, x)))
