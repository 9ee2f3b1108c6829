"""Room in memory, asked for before a file's promises are believed."""

from __future__ import annotations

from cmrseg.runtime.memory import USABLE, memory_left, told, too_little

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
            f"{what} takes {told(COPIES * count)} while it is read, of {told(left)} that are left"
        )
