"""What DICOM files say of each slice in them: where it lies, when it was taken, how it is stored.

A file holds one slice, or, in the enhanced form, many frames whose places and times lie in
functional groups (DICOM PS3.3, C.7.6.16); both become the same kind of slice here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmrseg.imaging.dicom_elements import Elements, damaged, elements
from cmrseg.imaging.room import check_room
from cmrseg.imaging.volume import Array
from cmrseg.runtime.errors import InputError

SOP_CLASS, SOP, SERIES, MODALITY = 0x00080016, 0x00080018, 0x0020000E, 0x00080060
POSITION, ORIENTATION, PIXEL_SPACING = 0x00200032, 0x00200037, 0x00280030
BETWEEN_SLICES, THICKNESS = 0x00180088, 0x00180050
ROWS, COLUMNS, SAMPLES, BITS, SIGNED = (
    *(0x00280010, 0x00280011),
    *(0x00280002, 0x00280100, 0x00280103),
)
FRAMES = 0x00280008
PADDING, PADDING_LIMIT, INTERCEPT, SLOPE = 0x00280120, 0x00280121, 0x00281052, 0x00281053
SHARED, PER_FRAME = 0x52009229, 0x52009230
PLANE_POSITION, PLANE_ORIENTATION, MEASURES = 0x00209113, 0x00209116, 0x00289110
FRAME_CONTENT, CARDIAC, REAL_VALUES = 0x00209111, 0x00189118, 0x00289145

TRIGGER, TEMPORAL, CONTENT_TIME, ACQUISITION_TIME, INSTANCE = (
    *(0x00181060, 0x00200100, 0x00080033),
    *(0x00080032, 0x00200013),
)
CLOCKS = (TRIGGER, TEMPORAL, CONTENT_TIME, ACQUISITION_TIME, INSTANCE)
"""What tells the time of a slice in its heartbeat, the surest first."""
TRIGGER_DELAY, TEMPORAL_INDEX, ACQUIRED = 0x00209153, 0x00209128, 0x00189074
SEQUENCE, INVERSION_TIME, MODIFIER, INVERTED = 0x00180020, 0x00180082, 0x00189115, 0x00189009

NO_IMAGES = {
    "1.2.840.10008.5.1.4.1.1.11": "presentation state",
    "1.2.840.10008.5.1.4.1.1.88": "structured report",
    "1.2.840.10008.5.1.4.1.1.104": "encapsulated document",
    "1.2.840.10008.5.1.4.1.1.66": "registration or segmentation object",
}
"""Beginnings of SOP classes of objects that lie beside images, and what they are."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slice:
    """One slice or frame.

    Attributes:
        path: its file.
        frame: its number in the file, from 0.
        size: (columns, rows).
        spacing_mm: (x, y).
        origin_mm: (x, y, z in LPS) of the first pixel's centre.
        axes: (3, 3), columns: along a row, down the rows, normal.
        step_mm: distance to the next slice, or thickness, as the header says; 0 if it does not.
        series: its series' UID.
        uid: its own, with the frame's number.
        clocks: what tells its time, one of :data:`CLOCKS` -> value.
        padding: lowest and highest stored value of padded pixels; None for none.
        rescale: slope and intercept from stored values to grey values.
        pixels_at: where the pixels start in the file.
        modality: of the scanner, ``MR``; "" if the header does not say.
        inverted: whether the header says that it was taken after an inversion pulse.
    """

    path: Path
    frame: int
    size: tuple[int, int]
    spacing_mm: tuple[float, float]
    origin_mm: Array
    axes: Array
    step_mm: float
    series: str
    uid: str
    clocks: dict[int, float]
    padding: tuple[float, float] | None
    rescale: tuple[float, float]
    pixels_at: int
    modality: str
    inverted: bool

    @property
    def place_mm(self) -> float:
        """Position along the normal."""
        return float(self.axes[:, 2] @ self.origin_mm)

    @property
    def time(self) -> tuple[float | None, ...]:
        """All that tells its time but the instance number, which copies need not share."""
        return tuple(self.clocks.get(tag) for tag in CLOCKS if tag != INSTANCE)


def slices_of(path: Path) -> list[Slice] | str:
    """The slices in a file, or what it is if it is no image ("presentation state").

    Raises:
        InputError: damaged; in colour; no position, orientation or pixel spacing.
        MemoryLimitError: it does not fit the memory.
    """
    found = elements(path)
    if other := _no_image(found):
        return other
    columns, rows = (int(found.binary(tag, "H") or 0) for tag in (COLUMNS, ROWS))
    bits = int(found.binary(BITS, "H") or 0)
    count = int((found.numbers(FRAMES) or (1,))[0])
    if min(columns, rows, count) < 1 or bits not in (1, 8, 16, 32, 64):
        raise damaged()
    if int(found.binary(SAMPLES, "H") or 1) != 1:
        raise InputError("a DICOM slice is in colour", "give grey images")
    _check_pixels(found, columns * rows * count * bits // 8)
    frames = found.sequences.get(PER_FRAME, [])
    if count > 1 and len(frames) != count:
        raise InputError(
            "a DICOM file holds many frames and does not say where each lies",
            "export the series in the enhanced form with functional groups, or one file a slice",
        )
    groups = frames or [Elements(order=found.order)]
    return [_slice(path, n, found, group, (columns, rows)) for n, group in enumerate(groups)]


def pixel_digest(one: Slice) -> str:
    """A digest of a file's pixels as they are stored, and of the frame's number among them."""
    with one.path.open("rb") as stream:
        stream.seek(one.pixels_at)
        return f"{hashlib.file_digest(stream, 'sha256').hexdigest()}#{one.frame}"


def _no_image(found: Elements) -> str | None:
    kind = found.text(SOP_CLASS)
    told = (name for uid, name in NO_IMAGES.items() if kind == uid or kind.startswith(f"{uid}."))
    if name := next(told, None):
        return name
    if found.pixel_start is None and ROWS not in found.values and kind:
        return f"object of modality {found.text(MODALITY)}" if found.text(MODALITY) else "object"
    if found.pixel_start is None:
        raise damaged()
    return None


def _check_pixels(found: Elements, promised: int) -> None:
    """Refuse an image whose pixels are not there, or do not fit the memory."""
    if found.pixel_bytes is not None and found.pixel_bytes < promised:
        raise damaged()
    check_room(promised, "a DICOM slice")


def _slice(
    path: Path, frame: int, found: Elements, group: Elements, size: tuple[int, int]
) -> Slice:
    shared = found.within(SHARED)

    def told(sequence: int, tag: int) -> Elements:
        """The elements that hold a tag: of the frame, of all frames, or of a plain image."""
        places = (group.within(sequence), shared.within(sequence))
        return next((place for place in places if tag in place.values), found)

    spacing = told(MEASURES, PIXEL_SPACING).numbers(PIXEL_SPACING)
    if len(spacing) != 2 or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise InputError(
            "the DICOM slices give no positive pixel spacing",
            "export the original series, with pixel spacing",
        )
    position = told(PLANE_POSITION, POSITION).numbers(POSITION)
    if len(position) != 3 or not np.isfinite(position).all():
        raise InputError(
            "the DICOM slices do not say where they lie in the patient",
            "export the original series, with image positions",
        )
    measures = told(MEASURES, THICKNESS), told(MEASURES, BETWEEN_SLICES)
    steps = (*measures[1].numbers(BETWEEN_SLICES), *measures[0].numbers(THICKNESS))
    return Slice(
        path=path,
        frame=frame,
        size=size,
        spacing_mm=(spacing[1], spacing[0]),
        origin_mm=np.array(position),
        axes=_axes(told(PLANE_ORIENTATION, ORIENTATION).numbers(ORIENTATION)),
        step_mm=next((step for step in steps if step > 0), 0.0),
        series=found.text(SERIES),
        uid=f"{found.text(SOP) or path}#{frame}",
        clocks=dict(_clocks(found, group)),
        padding=_padding(found),
        rescale=_rescale(told(REAL_VALUES, SLOPE)),
        pixels_at=found.pixel_start or 0,
        modality=found.text(MODALITY),
        inverted=_inverted(found, told(MODIFIER, INVERTED)),
    )


def _inverted(found: Elements, modifier: Elements) -> bool:
    """Whether an inversion pulse is told of, in the plain form or in the enhanced one."""
    after_ms = found.numbers(INVERSION_TIME) or (0.0,)
    plain = after_ms[0] > 0 or "IR" in found.text(SEQUENCE).split("\\")
    return plain or modifier.text(INVERTED) == "YES"


def _axes(cosines: tuple[float, ...]) -> Array:
    if len(cosines) != 6 or not np.isfinite(cosines).all():
        raise InputError(
            "the DICOM slices do not say how they are oriented in the patient",
            "export the original series, with image orientations",
        )
    x, y = np.array(cosines).reshape(2, 3)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _clocks(found: Elements, group: Elements) -> Iterator[tuple[int, float]]:
    for tag in CLOCKS:
        if values := found.numbers(tag):
            yield tag, values[0]
    delay = group.within(CARDIAC).binary(TRIGGER_DELAY, "d")
    content = group.within(FRAME_CONTENT)
    index = content.binary(TEMPORAL_INDEX, "I")
    for tag, value in ((TRIGGER, delay), (TEMPORAL, index)):
        if value is not None:
            yield tag, float(value)
    if when := content.numbers(ACQUIRED):
        yield ACQUISITION_TIME, when[0]


def _padding(found: Elements) -> tuple[float, float] | None:
    """The range of stored values that stand for no image."""
    form = "h" if found.binary(SIGNED, "H") else "H"
    value = found.binary(PADDING, form)
    if value is None:
        return None
    limit = found.binary(PADDING_LIMIT, form)
    low, high = sorted((float(value), float(value if limit is None else limit)))
    return low, high


def _rescale(found: Elements) -> tuple[float, float]:
    slope, intercept = found.numbers(SLOPE), found.numbers(INTERCEPT)
    return (slope[0] if slope else 1.0), (intercept[0] if intercept else 0.0)
