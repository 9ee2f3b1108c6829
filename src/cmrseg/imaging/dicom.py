"""A folder of DICOM slices, put in order by where the slices lie in the patient.

File names and instance numbers say nothing reliable about order. Slices are sorted along their
common normal; several at one place are the frames of a cine, in order of what tells their time
best. What lies beside the slices and is no image is passed over and told.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cmrseg.imaging.dicom_elements import INDEX, damaged, is_dicom
from cmrseg.imaging.dicom_slices import Slice, slices_of
from cmrseg.imaging.dicom_stack import places_of, step_of, unique
from cmrseg.imaging.frames import chosen_frame, plain_values
from cmrseg.imaging.itk import sitk
from cmrseg.imaging.orient import orthonormal
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.runtime.errors import InputError


@dataclass(frozen=True, slots=True)
class _Found:
    """A folder's slices, by place and at each place by time, and what is odd about them."""

    places: list[list[Slice]]
    warnings: tuple[str, ...]


def read_frame(folder: Path, frame: int | None) -> Volume:
    """The volume in a folder of DICOM slices, ``frame`` of it if it is a cine.

    Raises:
        InputError: no DICOM file; an unreadable one; several series, orientations or sizes;
            positions that contradict the orientation; a missing slice or frame; a cine and no
            frame.
        MemoryLimitError: it does not fit the memory.
    """
    found = _look(folder)
    stack = _at(found, frame)
    step, odd = step_of(stack)
    first = stack[0]
    axes, bent = orthonormal(first.axes)
    geometry = Geometry(
        shape=(len(stack), first.size[1], first.size[0]),
        spacing_mm=(step, first.spacing_mm[1], first.spacing_mm[0]),
        origin_mm=tuple(first.origin_mm.tolist()),
        direction=axes[:, ::-1].copy(),
    )
    warnings = (*found.warnings, *odd, *([bent] if bent else []))
    header = {
        "dicom": {"modality": first.modality, "inverted": first.inverted},
        "frames": len(found.places[0]),
    }
    return Volume(plain_values(_pixels(stack)), geometry, header, warnings)


def slices_at(folder: Path, frame: int | None) -> list[Slice]:
    """The slices in the order of the volume that :func:`read_frame` gives; it raises likewise."""
    return _at(_look(folder), frame)


def _at(found: _Found, frame: int | None) -> list[Slice]:
    number = chosen_frame(frame, len(found.places[0]))
    return [frames[number] for frames in found.places]


def count_frames(folder: Path) -> int:
    """Frames at each slice of a DICOM folder; 1 unless it is a cine."""
    return len(_look(folder).places[0])


def _look(folder: Path) -> _Found:
    slices: list[Slice] = []
    beside: Counter[str] = Counter()
    for path in sorted(folder.iterdir()):
        if is_dicom(path):
            found = slices_of(path)
            if isinstance(found, str):
                beside[found] += 1
            else:
                slices += found
        elif not path.name.startswith(".") and path.name.upper() != INDEX:
            beside["folder" if path.is_dir() else "non-DICOM file"] += 1
    if not slices:
        raise InputError(
            "the folder holds no DICOM slices", "give the folder that the .dcm files lie in"
        )
    told = [f"{count} {what}{'' if count == 1 else 's'}" for what, count in beside.items()]
    passed = (f"passed over beside the DICOM slices: {', '.join(told)}",) if told else ()
    kept, dropped = unique(slices)
    places, odd = places_of(kept)
    return _Found(places, (*passed, *dropped, *odd))


def _pixels(stack: list[Slice]) -> Array:
    """(z, y, x) grey values; padded pixels become the smallest of the others."""
    decode = lru_cache(maxsize=1)(_decoded)
    planes = [decode(one.path) for one in stack]
    if any(
        len(frames) <= one.frame or frames.shape[1:] != one.size[::-1]
        for frames, one in zip(planes, stack, strict=True)
    ):
        raise damaged()
    array = np.stack([frames[one.frame] for frames, one in zip(planes, stack, strict=True)])
    padded = np.stack([_padded(plane, one) for plane, one in zip(array, stack, strict=True)])
    if padded.any() and not padded.all():
        array[padded] = array[~padded].min()
    return array


def _padded(plane: Array, one: Slice) -> Array:
    """Which pixels of a slice hold its padding value, rescaled or, where GDCM left it, as stored.

    GDCM rescales the grey values of some kinds of images and not of others.
    """
    if one.padding is None:
        return np.zeros(plane.shape, bool)
    slope, intercept = one.rescale
    for factor, offset in ((slope, intercept), (1.0, 0.0)):
        low, high = sorted(factor * value + offset for value in one.padding)
        padded: Array = (plane >= low - 1e-3) & (plane <= high + 1e-3)
        if padded.any():
            break
    return padded


def _decoded(path: Path) -> Array:
    """All frames of a file, (frames, y, x)."""
    reader: Any = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        array: Array = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise damaged() from error
    return array.reshape(-1, *array.shape[-2:])
