"""The data elements of a DICOM file up to its pixels, sequences included (DICOM PS3.5, section 7).

GDCM, through SimpleITK, decodes the pixels but hands out no sequences, in which enhanced images
keep the place and time of each frame, and it cannot tell a report from a damaged image. So headers
are read here; nothing a header promises is believed beyond the end of its file.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from cmrseg.runtime.errors import InputError

ENDINGS = (".dcm", ".ima")
INDEX = "DICOMDIR"
PREAMBLE = 128
UNDEFINED = 0xFFFFFFFF
PIXELS = 0x7FE00010
"""Pixel Data; Float and Double Float Pixel Data come just before it."""
FLOAT_PIXELS = (0x7FE00008, 0x7FE00009)
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
SYNTAX = 0x00020010
IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
LONG_FORMS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN"))
LONG_FORMS |= {b"UR", b"UT", b"UV"}
"""Value representations whose length takes four bytes."""
DEEPEST = 16
"""Sequences within one another; real files have five."""
MOST_BYTES = 64 << 20
"""Of a header: per-frame groups of thousands of frames are a few MB."""


@dataclass(slots=True)
class Elements:
    """Data elements by tag (group << 16 | element).

    Attributes:
        values: tag -> raw bytes, as stored.
        sequences: tag -> items.
        pixel_bytes: length of the pixel data; None if it is compressed, 0 if there is none.
        pixel_start: where they start in the file; None if there are none.
        order: ``<`` or ``>``, of binary numbers.
    """

    values: dict[int, bytes] = field(default_factory=dict)
    sequences: dict[int, list[Elements]] = field(default_factory=dict)
    pixel_bytes: int | None = 0
    pixel_start: int | None = None
    order: str = "<"

    def text(self, tag: int) -> str:
        """A value as text, "" if it is absent."""
        return self.values.get(tag, b"").decode("latin-1").strip(" \0")

    def numbers(self, tag: int) -> tuple[float, ...]:
        """A decimal string's numbers; none if it is absent or holds anything else."""
        try:
            found = tuple(float(part) for part in self.text(tag).split("\\"))
        except ValueError:
            return ()
        return found if all(map(math.isfinite, found)) else ()

    def binary(self, tag: int, form: str) -> int | float | None:
        """A binary number, ``form`` as in :mod:`struct`; None if it is absent."""
        raw = self.values.get(tag, b"")
        size = struct.calcsize(form)
        return struct.unpack(self.order + form, raw[:size])[0] if len(raw) >= size else None

    def within(self, *sequences: int) -> Elements:
        """The first item of a sequence in a sequence ...; without elements if it is absent."""
        found = self
        for tag in sequences:
            items = found.sequences.get(tag)
            if not items:
                return Elements(order=self.order)
            found = items[0]
        return found


def is_dicom(path: Path) -> bool:
    """Whether a file is named or begins like DICOM; an index of others (DICOMDIR) is not."""
    if path.name.startswith(".") or path.name.upper() == INDEX or not path.is_file():
        return False
    if path.suffix.lower() in ENDINGS:
        return True
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def elements(path: Path) -> Elements:
    """All elements of a file but its pixels.

    Raises:
        InputError: it is truncated, damaged or no DICOM.
    """
    with path.open("rb") as stream:
        raw = stream.read(MOST_BYTES)
    try:
        return _elements(raw, path.stat().st_size)
    except (struct.error, zlib.error, ValueError) as error:
        raise damaged() from error


def damaged() -> InputError:
    """The error for a file that cannot be read to its end."""
    return InputError("a DICOM slice is truncated or damaged", "export the series again")


def _elements(raw: bytes, size: int) -> Elements:
    start = PREAMBLE + 4 if raw[PREAMBLE : PREAMBLE + 4] == b"DICM" else 0
    meta = Elements()
    if start:
        start = _Reader(raw, size, explicit=True).read(meta, start, only_group=2)
    syntax = meta.text(SYNTAX)
    if syntax == DEFLATED:
        raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw[start:], MOST_BYTES)
        start, size = 0, len(raw)
    # Files without a preamble do not say; a value representation is two capital letters.
    explicit = syntax != IMPLICIT if syntax else raw[start + 4 : start + 6].isupper()
    order = ">" if syntax == BIG_ENDIAN else "<"
    found = Elements(order=order)
    _Reader(raw, size, explicit=explicit, order=order).read(found, start)
    if not found.values:
        raise ValueError("no element")
    return found


class _Reader:
    """Reads elements one after another.

    Args:
        raw: the file's beginning, its pixels perhaps cut off.
        size: bytes of the whole file.
        explicit: whether value representations are written out.
        order: ``<`` or ``>``.
    """

    def __init__(self, raw: bytes, size: int, *, explicit: bool, order: str = "<") -> None:
        self.raw, self.size, self.explicit, self.order = raw, size, explicit, order

    def read(
        self,
        into: Elements,
        start: int,
        end: int | None = None,
        *,
        depth: int = 0,
        only_group: int | None = None,
    ) -> int:
        """Read elements from ``start`` to ``end``, or to a delimiter, or to the pixels.

        Returns:
            Where the next element starts.

        Raises:
            ValueError: a value goes beyond the end, or sequences are too deep.
            struct.error: the file ends amid an element.
        """
        if depth > DEEPEST:
            raise ValueError("too deep")
        stop = self.size if end is None else end
        while start < stop:
            tag = self._tag(start)
            if only_group is not None and tag >> 16 != only_group:
                return start
            if tag in (ITEM_END, SEQUENCE_END):
                return start + 8
            form, length, start = self._head(start)
            if tag in (PIXELS, *FLOAT_PIXELS):
                self._pixels(into, length, start)
                return self.size
            if length == UNDEFINED or form == b"SQ":
                start = self._sequence(into, tag, start, length, depth)
                continue
            if start + length > min(stop, self.size, len(self.raw)):
                raise ValueError("a value beyond the end")
            into.values[tag] = self.raw[start : start + length]
            start += length
        return start

    def _tag(self, start: int) -> int:
        group, element = struct.unpack_from(self.order + "HH", self.raw, start)
        return int(group) << 16 | int(element)

    def _head(self, start: int) -> tuple[bytes, int, int]:
        """Value representation, length, and where the value starts."""
        if not self.explicit:
            return b"", *struct.unpack_from(self.order + "I", self.raw, start + 4), start + 8
        form = self.raw[start + 4 : start + 6]
        if form in LONG_FORMS:
            return form, *struct.unpack_from(self.order + "I", self.raw, start + 8), start + 12
        return form, *struct.unpack_from(self.order + "H", self.raw, start + 6), start + 8

    def _pixels(self, into: Elements, length: int, start: int) -> None:
        into.pixel_start = start
        into.pixel_bytes = None if length == UNDEFINED else length
        if length != UNDEFINED and start + length > self.size:
            raise ValueError("pixels beyond the end")

    def _sequence(self, into: Elements, tag: int, start: int, length: int, depth: int) -> int:
        end = self.size if length == UNDEFINED else start + length
        items = into.sequences.setdefault(tag, [])
        while start < end:
            kind = self._tag(start)
            (size,) = struct.unpack_from(self.order + "I", self.raw, start + 4)
            start += 8
            if kind == SEQUENCE_END:
                return start
            if kind != ITEM:
                raise ValueError("no item")
            item = Elements(order=self.order)
            start = self.read(
                item, start, None if size == UNDEFINED else start + size, depth=depth + 1
            )
            items.append(item)
        return start
