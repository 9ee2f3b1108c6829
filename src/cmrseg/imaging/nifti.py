"""NIfTI files, read from and written by their raw header.

The header is taken as it is rather than through a reader that mends it: spacing comes from
``pixdim``, the axes from ``sform`` or ``qform``, and the raw bytes travel with the volume so that
an output can copy them.

The EMIDEC trap: the organisers' files carry an ``sform`` of diag(-1, -1, 1) while ``pixdim``
holds the true spacing. A reader that takes spacing from the affine gets 1 x 1 x 1 mm. The reverse
is common too: a tool that never set ``pixdim`` left 1 there, and the affine knows better.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np

from cmrseg.imaging.frames import chosen_frame, plain_values
from cmrseg.imaging.orient import orthonormal
from cmrseg.imaging.room import check_room
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.runtime.errors import InputError

nib: Any = nibabel  # its headers are untyped

HeaderDataError: type[Exception] = nib.spatialimages.HeaderDataError

DAMAGE = (OSError, EOFError, zlib.error)
"""What comes of a file that ends too soon or is packed wrongly."""
MOST_PACKED = 1032
"""Bytes that one byte of a deflate stream stands for at most."""
MOST_BEHIND = 64 << 20
"""Bytes behind the image that are read past; a file of more is damaged, or meant to do harm."""
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
MM_PER_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimetres in the spatial unit of ``xyzt_units`` (metre, millimetre, micrometre)."""


def read_frame(path: Path, frame: int | None) -> Volume:
    """The volume in a NIfTI-1 or -2 file, ``frame`` of it if it is a cine.

    Raises:
        InputError: not a NIfTI file, truncated, no usable geometry, not one image.
    """
    with _open(path) as stream:
        header = _header(stream)
        shape = _shape(header)
        _check_size(path, header, shape)
        count = _frames(shape)
        number = chosen_frame(frame, count)
        # trailing axes of length one (a cine of one frame) are no axes of the image
        extra = (number, *[0] * (len(shape) - 4)) if len(shape) > 3 else ()
        index = (*[slice(None)] * min(3, len(shape)), *extra)
        try:
            data = np.asarray(nib.arrayproxy.ArrayProxy(stream, header, mmap=False)[index])
            if count == 1:
                _to_the_end(stream)
        except (*DAMAGE, ValueError, OverflowError, HeaderDataError) as error:
            raise _broken() from error
    array = plain_values(data.reshape((*data.shape, 1, 1)[:3]).T)
    geometry, warnings, review = geometry_of(header)
    kept = {"nifti": bytes(header.binaryblock), "frames": count}
    return Volume(array, geometry, kept, warnings, review)


def count_frames(path: Path) -> int:
    """Frames in a NIfTI file; 1 unless it is a cine."""
    with _open(path) as stream:
        return _frames(_shape(_header(stream)))


def geometry_of(header: Any) -> tuple[Geometry, tuple[str, ...], tuple[str, ...]]:
    """Where a NIfTI header puts its voxels, what had to be mended, and what was guessed.

    Args:
        header: a nibabel NIfTI header, unchecked.

    Raises:
        InputError: spacing that is not positive, or axes that cannot be used.
    """
    shape = (*[int(n) for n in header.get_data_shape()[:3]], 1, 1)[:3]
    unit = MM_PER_UNIT.get(int(header["xyzt_units"]) & 7, 1.0)
    pixdim = np.array(header["pixdim"][1:4], float)
    pixdim[int(header["dim"][0]) :] = 1.0 / unit  # a 2D image says nothing of its third axis
    if not (np.isfinite(pixdim) & (pixdim > 0)).all():
        # refused by Geometry, in the words that every format gets
        return Geometry(_turn(shape), _turn(pixdim.tolist())), (), ()
    affine = _affine(header, pixdim)
    spacing, doubt, guessed = _spacing(np.linalg.norm(affine[:, :3], axis=0), pixdim)
    axes, bent = orthonormal(RAS_TO_LPS[:, None] * affine[:, :3])
    geometry = Geometry(
        shape=_turn(shape),
        spacing_mm=_turn([float(s) * unit for s in spacing]),
        origin_mm=tuple((RAS_TO_LPS * affine[:, 3] * unit + 0.0).tolist()),
        direction=axes[:, ::-1] + 0.0,  # no -0.0
    )
    told = any(int(header[code]) > 0 for code in ("sform_code", "qform_code"))
    unknown = None if told else "the header tells no orientation; the axes were taken as stored"
    mended = (None if guessed else doubt, bent, unknown)
    return geometry, tuple(filter(None, mended)), (doubt,) if doubt and guessed else ()


def encode(volume: Volume, frames: Array | None = None) -> bytes:
    """The bytes of an uncompressed ``.nii`` file.

    A header the volume brought along is copied (``sform``, ``qform``, ``pixdim``, ``xyzt_units``,
    ``descrip``: the EMIDEC affine survives as it is) with type, dimensions and scaling set for
    the array; it is rewritten only where it no longer tells the volume's geometry.

    Args:
        volume: one image.
        frames: (t, z, y, x) on its voxels, to be written in its place: a cine.
    """
    raw = volume.header.get("nifti")
    header = _parse(raw).as_byteswapped("<") if raw else nib.Nifti1Header(endianness="<")
    array = volume.array if frames is None else frames
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    header.set_data_dtype(array.dtype)
    pixdim = header["pixdim"].copy()
    header.set_data_shape(array.shape[::-1])
    header["pixdim"] = pixdim  # as it was: setting the shape clears what lies past it
    header.set_slope_inter(1.0, 0.0)
    header["cal_min"] = header["cal_max"] = 0
    if not raw or not _tells(header, volume.geometry):
        _place(header, volume.geometry)
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    gap = b"\0" * (header.single_vox_offset - len(header.binaryblock))
    coded: bytes = header.binaryblock + gap + array.tobytes()
    return coded


def _tells(header: Any, geometry: Geometry) -> bool:
    """Whether a reader of the header would find this geometry."""
    try:
        return geometry_of(header)[0].same_as(geometry)
    except InputError:  # a 2D header need not know the slice spacing
        return False


def _place(header: Any, geometry: Geometry) -> None:
    affine = np.eye(4)
    scaled = geometry.direction * np.array(geometry.spacing_mm)
    affine[:3, :3] = RAS_TO_LPS[:, None] * scaled[:, ::-1]
    affine[:3, 3] = RAS_TO_LPS * np.array(geometry.origin_mm)
    header.set_xyzt_units("mm")
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1)


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _header(stream: BinaryIO) -> Any:
    try:
        raw = stream.read(nib.Nifti2Header.sizeof_hdr)
    except DAMAGE as error:
        raise _broken() from error
    return _parse(raw)


def _parse(raw: bytes) -> Any:
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if len(raw) >= kind.sizeof_hdr and kind.may_contain_header(raw):
            return kind(raw[: kind.sizeof_hdr], check=False)
    raise InputError("the file does not hold a NIfTI image", "export the image again as NIfTI")


def _shape(header: Any) -> tuple[int, ...]:
    shape = tuple(int(n) for n in header.get_data_shape())
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise InputError(
            f"the image has {len(shape)} dimensions {shape}",
            "give a 2D or 3D image, or a 4D cine and the frame to take",
        )
    try:
        kind = header.get_data_dtype()
    except KeyError as error:
        raise InputError(
            f"the image holds numbers of an unknown type ({int(header['datatype'])})",
            "export the image again with 16-bit integers or 32-bit floats",
        ) from error
    if kind.kind not in "biufc" and kind.fields is None:
        raise InputError("the image does not hold numbers", "export the image again")
    if kind.fields is not None:
        raise InputError("the image holds colours, not one grey value a voxel", "give a grey image")
    return shape


def _check_size(path: Path, header: Any, shape: tuple[int, ...]) -> None:
    """Refuse a header that promises more than the file can hold, or the memory.

    Raises:
        InputError: the file is too small for it.
        MemoryLimitError: the memory is.
    """
    promised = math.prod(shape) * header.get_data_dtype().itemsize
    if promised > path.stat().st_size * MOST_PACKED:
        raise _broken()
    check_room(promised // _frames(shape), "the image")


def _to_the_end(stream: BinaryIO) -> None:
    """Read on to where the archive's checksum is, keeping nothing.

    Raises:
        InputError: there is far more than the header told of.
    """
    left = MOST_BEHIND
    while behind := len(stream.read(1 << 20)):
        left -= behind
        if left < 0:
            raise InputError(
                "the image file holds far more data than its header tells of",
                "export the image again",
            )


def _frames(shape: tuple[int, ...]) -> int:
    return shape[3] if len(shape) > 3 else 1


def _affine(header: Any, pixdim: Array) -> Array:
    if int(header["sform_code"]) > 0:
        affine: Array = header.get_sform()[:3]
    elif int(header["qform_code"]) > 0:
        signed = header.copy()
        if signed["pixdim"][0] not in (-1, 1):
            signed["pixdim"][0] = 1  # qfac 0 means 1, says the NIfTI-1 standard
        try:
            affine = signed.get_qform()[:3]
        except ValueError:  # a quaternion longer than 1
            affine = np.full((3, 4), np.nan)
    else:
        # no orientation given: patient axes as stored, as other readers (ITK) take it
        affine = np.zeros((3, 4))
        affine[:, :3] = np.diag(RAS_TO_LPS * pixdim)
    return affine


def _spacing(lengths: Array, pixdim: Array) -> tuple[Array, str | None, bool]:
    """Voxel spacing where ``pixdim`` and the affine's columns may contradict each other.

    Returns:
        (x, y, z) spacing, what to say of it, and whether both told a size and one was guessed.
    """
    if np.allclose(lengths, pixdim, rtol=1e-3):
        return pixdim, None, False
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        return pixdim, _contradiction(pixdim), False
    differ = ~np.isclose(lengths, pixdim, rtol=1e-3)
    untold = differ & np.isclose(pixdim, 1.0)
    spacing = np.where(untold, lengths, pixdim)
    if untold.all():
        return spacing, "the header gives no voxel size (pixdim is 1); the affine's was used", False
    if untold.any():
        said = ", ".join(f"{length:.3g}" for length in lengths[untold])
        named = " and ".join(name for name, axis in zip("xyz", untold, strict=True) if axis)
        told = f"pixdim is 1 along {named}; the affine's {said} mm was used"
        return spacing, told, bool((differ & ~untold).any())
    # EMIDEC's affine has columns of 1 mm: it was never told a spacing and contradicts nothing.
    meant = differ & ~np.isclose(lengths, 1.0)
    return pixdim, _contradiction(pixdim), bool(meant.any())


def _contradiction(pixdim: Array) -> str:
    return (
        "the affine in the header contradicts its voxel size; "
        f"pixdim ({', '.join(f'{s:.3g}' for s in pixdim)}) was used"
    )


def _turn(values: Any) -> Any:
    """(x, y, z) to (z, y, x)."""
    return tuple(reversed(values))


def _broken() -> InputError:
    return InputError("the image file is truncated or damaged", "copy or export the image again")
