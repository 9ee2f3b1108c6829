"""Steps both recipes take: reading an image, naming its role in errors, settling on labels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from cmrseg.contracts.case import ImageSource
from cmrseg.errors import CmrsegError
from cmrseg.imaging.components import largest
from cmrseg.imaging.grid import Grid
from cmrseg.imaging.prepare import Prepared, prepare
from cmrseg.imaging.read import check_image, read
from cmrseg.imaging.volume import Array, Volume


def prepared_image(source: ImageSource, grid: Grid) -> tuple[Volume, Prepared]:
    """The image as stored, and as a network sees it.

    Raises:
        InputError: unreadable, or no image (constant, not finite, a label map).
    """
    volume = read(source.path, source.frame)
    check_image(volume)
    return volume, prepare(volume, grid)


def labels(probabilities: Array) -> Array:
    """(C, z, y, x) class probabilities to uint8 labels, the heart in one piece."""
    found = probabilities.argmax(axis=0).astype(np.uint8)
    return np.where(largest(found > 0), found, 0).astype(np.uint8)


@contextlib.contextmanager
def within_role(role: str) -> Iterator[None]:
    """Put the image's role before what an error says."""
    try:
        yield
    except CmrsegError as error:
        raise error.within(role) from error
