"""Image headers that name other files: MHA, MHD and NRRD say in text where their voxels lie.

ITK opens whatever a header names, a system file or an endless device included, and asks for as
much memory as it promises. So a header is looked through before ITK sees it.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from cmrseg.runtime.errors import InputError

LONGEST = 1 << 20
"""Bytes of a header; a list of a thousand files is 30 kB."""
META = (".mha", ".mhd")
_NAMED = re.compile(rb"^(?:ElementDataFile\s*=|data ?file:)[ \t]*([^\r\n]*)", re.IGNORECASE | re.M)
_AXES = re.compile(rb"^(?:NDims\s*=|dimension:)[ \t]*([^\r\n]*)", re.IGNORECASE | re.M)
_SIZES = re.compile(rb"^(?:DimSize\s*=|sizes:)[ \t]*([^\r\n]*)", re.IGNORECASE | re.M)
MOST_AXES = 5
"""Space, time and colour; more make the image library write where it should not."""
_PACKED = re.compile(rb"^CompressedDataSize\s*=\s*(\d+)", re.M)


def check_detached(path: Path) -> int:
    """Refuse a header that leads out of its own folder, or to what is no regular file.

    Args:
        path: an MHA, MHD or NRRD file.

    Returns:
        Bytes of the file and of all that it names.

    Raises:
        InputError: it does.
    """
    with path.open("rb") as stream:
        header = stream.read(LONGEST)
    if path.suffix.lower() not in META:
        header = header.partition(b"\n\n")[0]  # an NRRD's header ends with an empty line
    _check_size(header)
    size = path.stat().st_size
    named = _NAMED.search(header)
    if named:
        size += sum(_size_of(path.parent, name) for name in _names(header, named))
    packed = _PACKED.search(header)
    if packed and int(packed[1]) > size:
        raise InputError(
            "the image file is truncated or damaged: it promises more than it holds",
            "copy or export the image again",
        )
    return size


def _check_size(header: bytes) -> None:
    """Refuse sizes that are no numbers, or far too many of them."""
    axes, sizes = _AXES.search(header), _SIZES.search(header)
    counted = axes is None or (axes[1].strip().isdigit() and int(axes[1]) <= MOST_AXES)
    numbers = sizes[1].split() if sizes else []
    if not counted or len(numbers) > MOST_AXES or not all(one.isdigit() for one in numbers):
        raise InputError("the image header's size cannot be read", "copy or export the image again")


def _names(header: bytes, named: re.Match[bytes]) -> list[str]:
    """The files that the field names, those of a list below it included; a pattern as it is."""
    told = named[1].decode("utf-8", "surrogateescape").strip()
    if told.upper() in ("LOCAL", ""):
        return []
    if told.upper().startswith("LIST"):
        below = header[named.end() :].decode("utf-8", "surrogateescape").splitlines()
        return [line.strip() for line in below if line.strip()]
    return [told]


def _size_of(folder: Path, name: str) -> int:
    """Bytes of a file beside the header; of a pattern all that it could mean."""
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts:
        raise InputError(
            "the image header names a file outside its folder",
            "put header and voxels into one folder, or write the image as one file",
        )
    if "%" in name:
        beside = (folder / place).parent
        return sum(one.stat().st_size for one in beside.iterdir() if one.is_file())
    found = folder / place
    if not found.is_file():
        raise InputError(
            "the file that the image header names is missing or no regular file",
            "copy the image again, with the file that holds its voxels",
        )
    return found.stat().st_size
