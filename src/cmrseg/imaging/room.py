"""Room in memory, asked for before a file's promises are believed, and before much is computed."""

from __future__ import annotations

import math

import numpy as np

from cmrseg.imaging.volume import Array
from cmrseg.runtime.memory import USABLE, bytes_text, memory_left, too_little

COPIES = 3
"""How often an image lies in memory while it is read: decoded, as an array, as floats."""
SMALL = 16 << 20
"""Bytes that are always there: asking costs more."""


def check_room(count: int, what: str) -> None:
    """Refuse what would not fit, instead of being killed for it.

    Args:
        count: bytes of the image.
        what: what holds it, for the message ("the image").

    Raises:
        MemoryLimitError: it does not fit.
    """
    left = memory_left() if count > SMALL else None
    if left is not None and COPIES * count > USABLE * left:
        raise too_little(
            f"{what} takes {bytes_text(COPIES * count)} while it is read, of "
            f"{bytes_text(left)} that are left"
        )


def room_for_maps(shape: tuple[int, ...]) -> Array:
    """Memory for maps that are computed one by one, taken at once.

    The system gives memory when it is first written to. What is written now is no longer counted as
    left when the size of the pieces is planned that networks see at a time.

    Args:
        shape: of all maps together.

    Returns:
        float32 of that shape, zeros.

    Raises:
        MemoryLimitError: it does not fit.
    """
    count = 4 * math.prod(shape)
    left = memory_left() if count > SMALL else None
    if left is not None and count > USABLE * left:
        raise too_little(
            f"what networks say takes {bytes_text(count)}, of {bytes_text(left)} that are left"
        )
    maps = np.empty(shape, np.float32)
    maps.fill(0)
    return maps
