"""A folder of DICOM slices, one series, put in order by where the slices lie in the patient.

File names and instance numbers say nothing reliable about order. Slices are sorted along their
common normal; several at one place are the frames of a cine, in order of trigger time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cmrseg.imaging.direction import TOLERANCE, orthonormal
from cmrseg.imaging.frames import choose, plain
from cmrseg.imaging.itk import sitk
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.runtime.errors import InputError

SAME_PLACE_MM = 0.05
"""Slices closer than this lie at one place: frames of a cine."""
UNEVEN = 0.05
"""Share by which a distance between slices may differ from the usual one."""

SERIES, IMAGE, POSITION = "0020|000e", "0008|0018", "0020|0032"
TRIGGER_TIME, INSTANCE = "0018|1060", "0020|0013"
PIXEL_SPACING = "0028|0030"
BETWEEN_SLICES, THICKNESS = "0018|0088", "0018|0050"
TAGS = (
    SERIES,
    IMAGE,
    POSITION,
    TRIGGER_TIME,
    INSTANCE,
    PIXEL_SPACING,
    BETWEEN_SLICES,
    THICKNESS,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Slice:
    path: Path
    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]  # (x, y)
    origin_mm: Array  # (x, y, z)
    axes: Array  # (3, 3), columns x, y, normal
    tags: dict[str, str]

    def number(self, tag: str) -> float:
        """A numeric tag's value, 0 if it is absent."""
        try:
            return float(self.tags[tag])
        except (KeyError, ValueError):
            return 0.0

    @property
    def place_mm(self) -> float:
        """Position along the normal."""
        return float(self.axes[:, 2] @ self.origin_mm)


def read_frame(folder: Path, frame: int | None) -> Volume:
    """The volume in a folder of DICOM slices, ``frame`` of it if it is a cine.

    Raises:
        InputError: no DICOM file; an unreadable one; several series, orientations or sizes;
            a missing slice or frame; a cine and no frame.
    """
    places = _places(_slices(folder))
    number = choose(frame, len(places[0]))
    stack = [frames[number] for frames in places]
    step, warnings = _step(stack)
    first = stack[0]
    axes, bent = orthonormal(first.axes)
    array = plain(np.stack([_pixels(one.path) for one in stack]))
    geometry = Geometry(
        shape=(len(stack), first.size[1], first.size[0]),
        spacing_mm=(step, first.spacing_mm[1], first.spacing_mm[0]),
        origin_mm=tuple(first.origin_mm.tolist()),
        direction=axes[:, ::-1].copy(),
    )
    return Volume(array, geometry, {}, (*warnings, *([bent] if bent else [])))


def count_frames(folder: Path) -> int:
    """Frames at each slice of a DICOM folder; 1 unless it is a cine."""
    return len(_places(_slices(folder))[0])


def _slices(folder: Path) -> list[_Slice]:
    """Every slice in the folder, each once."""
    paths = [path for path in sorted(folder.iterdir()) if _is_dicom(path)]
    if not paths:
        raise InputError(
            "the folder holds no DICOM slices", "give the folder that the .dcm files lie in"
        )
    slices = [_slice(path) for path in paths]
    if len(slices) > 1 and not all(POSITION in one.tags for one in slices):
        raise InputError(
            "the DICOM slices do not say where they lie in the patient",
            "export the original series, with image positions",
        )
    if not all(_spaced(one.tags.get(PIXEL_SPACING, "")) for one in slices):
        # GDCM would quietly make it 1 mm
        raise InputError(
            "the DICOM slices give no positive pixel spacing",
            "export the original series, with pixel spacing",
        )
    _of_one_kind(slices)
    return list({one.tags.get(IMAGE, str(one.path)): one for one in slices}.values())


def _spaced(tag: str) -> bool:
    try:
        return all(float(value) > 0 for value in tag.split("\\"))
    except ValueError:
        return False


def _is_dicom(path: Path) -> bool:
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR" or not path.is_file():
        return False
    if path.suffix.lower() in (".dcm", ".ima"):
        return True
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _reader(path: Path) -> Any:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    return reader


def _slice(path: Path) -> _Slice:
    reader = _reader(path)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _broken() from error
    size = reader.GetSize()
    if reader.GetNumberOfComponents() != 1:
        raise InputError("a DICOM slice is in colour", "give grey images")
    if len(size) > 2 and any(n != 1 for n in size[2:]):
        raise InputError(
            "a DICOM file holds many slices (enhanced multi-frame)",
            "convert the series to one file a slice, or to NIfTI",
        )
    n = len(size)
    return _Slice(
        path=path,
        size=size[:2],
        spacing_mm=reader.GetSpacing()[:2],
        origin_mm=np.array(reader.GetOrigin()),
        axes=np.array(reader.GetDirection()).reshape(n, n),
        tags={key: reader.GetMetaData(key).strip() for key in TAGS if reader.HasMetaDataKey(key)},
    )


def _of_one_kind(slices: list[_Slice]) -> None:
    first = slices[0]
    series = {one.tags.get(SERIES) for one in slices}
    if len(series) > 1:
        raise InputError(
            f"the folder holds slices of {len(series)} DICOM series",
            "put each series in a folder of its own",
        )
    if any(np.abs(one.axes - first.axes).max() > TOLERANCE for one in slices):
        raise InputError(
            "the DICOM slices do not lie parallel",
            "give one stack of parallel slices, without localisers",
        )
    if any(
        one.size != first.size or not np.allclose(one.spacing_mm, first.spacing_mm, rtol=TOLERANCE)
        for one in slices
    ):
        raise InputError(
            "the DICOM slices differ in size or pixel spacing", "give one stack of equal slices"
        )


def _places(slices: list[_Slice]) -> list[list[_Slice]]:
    """Slices by place along the normal, and by time at each place; equally many at each."""
    places: list[list[_Slice]] = []
    for one in sorted(slices, key=lambda s: s.place_mm):
        if places and one.place_mm - places[-1][0].place_mm < SAME_PLACE_MM:
            places[-1].append(one)
        else:
            places.append([one])
    counts = sorted({len(place) for place in places})
    if len(counts) > 1:
        raise InputError(
            f"some places in the stack have {counts[0]} DICOM slices and others {counts[-1]}",
            "give the whole series: every frame of every slice, each once",
        )
    for place in places:
        place.sort(key=lambda s: (s.number(TRIGGER_TIME), s.number(INSTANCE)))
    return places


def _step(stack: list[_Slice]) -> tuple[float, tuple[str, ...]]:
    """Distance between slices in mm, and what is odd about the stack."""
    first = stack[0]
    if len(stack) == 1:
        thickness = first.number(BETWEEN_SLICES) or first.number(THICKNESS)
        if thickness > 0:
            return thickness, ()
        return 1.0, ("the slice thickness is not given and was taken as 1 mm",)
    steps = np.diff([one.place_mm for one in stack])
    usual = float(np.median(steps))
    if (np.abs(steps - usual) > UNEVEN * usual).any():
        raise InputError(
            f"the DICOM slices are {steps.min():.1f} to {steps.max():.1f} mm apart: "
            "a slice is missing or does not belong",
            "give the whole stack, evenly spaced",
        )
    origins = np.array([one.origin_mm - first.origin_mm for one in stack])
    aside = float(np.abs(origins @ first.axes[:, :2]).max())
    if aside > min(first.spacing_mm):
        return float(steps.mean()), (
            f"the DICOM slices are shifted in plane by up to {aside:.1f} mm; "
            "the place of the first was used for all",
        )
    return float(steps.mean()), ()


def _pixels(path: Path) -> Array:
    try:
        array: Array = sitk.GetArrayFromImage(_reader(path).Execute())
    except RuntimeError as error:
        raise _broken() from error
    return array.reshape(array.shape[-2:])


def _broken() -> InputError:
    return InputError("a DICOM slice is truncated or damaged", "export the series again")
