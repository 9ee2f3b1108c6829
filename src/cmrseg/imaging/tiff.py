"""What a TIFF file leaves unsaid, found in its directories.

ITK reads the pages of a TIFF up to the first damaged one and says nothing of the rest, and where
the resolution tags are missing it reports 1 mm as if that were known.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from cmrseg.runtime.errors import InputError

X_RESOLUTION = 282


def survey(path: Path) -> tuple[str, ...]:
    """Follow the chain of directories (TIFF 6.0, section 2; BigTIFF alike).

    Returns:
        Warnings about sizes that the file does not tell.

    Raises:
        InputError: a directory that lies beyond the end of the file.
    """
    with path.open("rb") as stream:
        try:
            pages = _pages(stream)
        except struct.error as error:
            raise InputError(
                "the image file is truncated or damaged", "copy or export the image again"
            ) from error
    warnings = []
    if X_RESOLUTION not in pages[0]:
        warnings.append("the file gives no pixel size; it was taken as 1 mm")
    warnings.append("TIFF gives no slice spacing; it was taken as 1 mm")
    return tuple(warnings)


def _pages(stream: BinaryIO) -> list[set[int]]:
    """The tags of each page."""
    order = ">" if stream.read(2) == b"MM" else "<"
    (version,) = _take(stream, order + "H")
    big = version == 43
    stream.seek(8 if big else 4)
    offset_type, count_type, entry_size = ("Q", "Q", 20) if big else ("I", "H", 12)
    (offset,) = _take(stream, order + offset_type)
    pages: list[set[int]] = []
    seen: set[int] = set()
    while (offset or not pages) and offset not in seen:
        seen.add(offset)
        stream.seek(offset)
        (count,) = _take(stream, order + count_type)
        start = stream.tell()
        tags = set()
        for entry in range(count):
            stream.seek(start + entry * entry_size)
            tags.add(_take(stream, order + "H")[0])
        pages.append(tags)
        stream.seek(start + count * entry_size)
        (offset,) = _take(stream, order + offset_type)
    return pages


def _take(stream: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, stream.read(struct.calcsize(form)))
