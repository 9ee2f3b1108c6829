"""MHA, MHD, NRRD and TIFF, through SimpleITK. Its (x, y, z) order stops here.

Headers of MHA, MHD and NRRD say in text where their voxels lie. ITK opens whatever a header names,
a system file or an endless device included, and asks for as much memory as it promises: so a header
is looked through before ITK sees it.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import SimpleITK

from cmrseg.imaging.frames import chosen_frame, plain_values
from cmrseg.imaging.orient import orthonormal
from cmrseg.imaging.room import check_room
from cmrseg.imaging.volume import Geometry, Volume
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
    _check_axes(header)
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


def _check_axes(header: bytes) -> None:
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


sitk: Any = SimpleITK  # its Python layer is untyped
# ITK prints warnings with full paths on stderr; patients' file names do not belong in logs.
sitk.ProcessObject.SetGlobalWarningDisplay(False)

TIFF = (".tif", ".tiff")
MOST_PACKED = 1100
"""Bytes that one byte of a compressed file stands for at most (deflate: 1032); bzip2's bound, which
NRRD may use, is so far off that the memory's is the one that holds."""
BZIP2 = (b"bzip2", b"bz2")


def read_frame(path: Path, frame: int | None) -> Volume:
    """The volume in a file that SimpleITK reads, ``frame`` of it if it is a cine.

    Raises:
        InputError: unreadable, truncated, not one grey image, no usable geometry.
    """
    reader = _information(path)
    size = list(reader.GetSize())
    number = chosen_frame(frame, _frames(size))
    if len(size) == 4:
        reader.SetExtractSize([*size[:3], 0])
        reader.SetExtractIndex([0, 0, 0, number])
    geometry, warnings = _geometry(reader)
    if path.suffix.lower() in TIFF:
        warnings += survey(path)
    try:
        array = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise _broken() from error
    return Volume(plain_values(array.reshape(geometry.shape)), geometry, {}, warnings)


def count_frames(path: Path) -> int:
    """Frames in a file that SimpleITK reads; 1 unless it is a cine."""
    return _frames(list(_information(path).GetSize()))


def to_itk(volume: Volume) -> Any:
    """The volume as a SimpleITK image."""
    geometry = volume.geometry
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(geometry.spacing_mm[::-1])
    image.SetOrigin(geometry.origin_mm)
    image.SetDirection(geometry.direction[:, ::-1].ravel().tolist())
    return image


def from_itk(image: Any) -> Volume:
    """A SimpleITK image of two or three dimensions and one value a voxel as a volume.

    Raises:
        InputError: it has others.
    """
    if image.GetDimension() not in (2, 3) or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            f"the image has {image.GetDimension()} dimensions and "
            f"{image.GetNumberOfComponentsPerPixel()} values a voxel",
            "give a grey image of two or three dimensions, one frame of a cine",
        )
    geometry, warnings = _geometry(image)
    array = sitk.GetArrayFromImage(image).reshape(geometry.shape)
    return Volume(plain_values(array), geometry, {}, warnings)


def _information(path: Path) -> Any:
    held = path.stat().st_size if path.suffix.lower() in TIFF else check_detached(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _broken() from error
    size = reader.GetSize()
    if not 2 <= len(size) <= 4:
        raise InputError(
            f"the image has {len(size)} dimensions {tuple(size)}",
            "give a 2D or 3D image, or a 4D cine and the frame to take",
        )
    if reader.GetNumberOfComponents() != 1:
        raise InputError(
            f"the image holds {reader.GetNumberOfComponents()} values a voxel (colour or vector)",
            "give a grey image",
        )
    _check_size(path, reader, held)
    return reader


def _check_size(path: Path, reader: Any, held: int) -> None:
    """Refuse a header that promises more than ``held`` bytes can hold, or the memory.

    Raises:
        InputError: the file is too small for it.
        MemoryLimitError: the memory is.
    """
    size = reader.GetSize()
    promised = math.prod(size) * _bytes_of(reader.GetPixelID())
    with path.open("rb") as stream:
        boundless = any(word in stream.read(1 << 12) for word in BZIP2)
    if promised > held * MOST_PACKED and not boundless:
        raise _broken()
    check_room(promised // _frames(list(size)), "the image")


def _bytes_of(pixel_id: int) -> int:
    """Bytes of one voxel of a SimpleITK type."""
    return int(sitk.Image([1, 1], pixel_id).GetSizeOfPixelComponent())


def _frames(size: list[int]) -> int:
    return size[3] if len(size) == 4 else 1


def _geometry(reader: Any) -> tuple[Geometry, tuple[str, ...]]:
    size, n = reader.GetSize(), len(reader.GetSize())
    axes = np.array(reader.GetDirection()).reshape(n, n)[:3, :3]
    spacing, origin = list(reader.GetSpacing())[:3], list(reader.GetOrigin())[:3]
    if n == 2:
        axes = np.block([[axes, np.zeros((2, 1))], [np.zeros((1, 2)), np.ones((1, 1))]])
        spacing, origin = [*spacing, 1.0], [*origin, 0.0]
    axes, bent = orthonormal(axes)
    shape = (*size[:3], 1)[:3]
    geometry = Geometry(
        shape=tuple(reversed(shape)),
        spacing_mm=tuple(reversed(spacing)),
        origin_mm=tuple(origin),
        direction=axes[:, ::-1].copy(),
    )
    return geometry, (bent,) if bent else ()


def _broken() -> InputError:
    return InputError(
        "the image file is truncated, damaged or not of the format its name says",
        "copy or export the image again",
    )


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
