"""Images of a view or modality that a recipe's networks do not know, told by what gives them away.

A network answers whatever it is shown, and quality control looks at masks alone: a cine given as
late enhancement may come out as a fine heart. Three things tell, each by itself:

1. The header: a stack across the body's axes is no short axis, an upright plane no 4-chamber view,
   and a DICOM series says whether it was taken after an inversion, as late enhancement is.
2. Grey values. In cine air and lungs are black, and blood is far brighter than muscle. In the
   phase-sensitive late enhancement that the networks know, air is grey, between muscle and blood.
3. The shape of the mask: in the short axis muscle closes a round ring around the cavity; a
   4-chamber view cuts a heart lengthwise, and its cavity is open to the atrium.

What is found is a reason for review and no refusal. How often it is, of right and of wrong images:
docs/results/other_kind.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from cmrseg.imaging.grey_scale import interior
from cmrseg.imaging.orient import canonical, slice_axis
from cmrseg.imaging.volume import Array, Volume

Kind = Literal["LGE", "SA", "LA"]
"""Late enhancement in the short axis, cine in the short axis, cine in the 4-chamber view."""
NAMES: dict[Kind, str] = {
    "LGE": "late enhancement in the short axis",
    "SA": "cine in the short axis",
    "LA": "cine in the 4-chamber view",
}

BODY_AXES = ("sagittal", "coronal", "axial")
"""Of what slices are called whose normal is LPS axis x, y or z."""
ALONG_DEG = 10.0
"""The heart lies oblique: a short axis is some 45 degrees off each of the body's axes."""
UPRIGHT_DEG = 75.0
"""A 4-chamber view is some 20 to 50 degrees off axial, 2- and 3-chamber views nearly upright."""

HEAD = np.array([0.0, 0.0, 1.0])
LONG_AXIS = np.array([0.6, -0.6, -0.5]) / np.linalg.norm([0.6, -0.6, -0.5])
"""From base to apex: to the left, to the front, to the feet (LPS); hearts are up to 25 degrees off.
A 4- or 2-chamber view given as short axis is some 90 degrees off."""
FARTHEST_DEG = 60.0
CINE_FRAMES = 8
"""A cine has 10 to 40; late enhancement comes alone, or as magnitude and phase."""

DARK_WEIGHT = 4.0
CINE_BELOW, LGE_ABOVE = 0.6, 0.94
"""Of :func:`greyness`. One of a hundred cines is beyond the second. Late enhancement was at 0.61
or more in 80 patients; the first was set by hand below all of them."""
PERCENTILES = (2.0, 10.0, 98.0)

LONG, ROUND = 1.5, 1.25
"""Length by width of cavity and muscle: short axes have up to 1.4, 4-chamber views 1.3 or so."""
OPEN, CLOSED = 0.75, 0.93
"""Share of the cavity's edge at muscle: short axes have 0.91 or more, 4-chamber views some 0.86."""
LEAST_MM2 = 100.0
"""Area of a cavity in a slice of which the shape says anything: 11 mm across."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that speaks for another kind.

    Attributes:
        by: what shows it.
        words: what it is, for people.
    """

    by: Literal["header", "grey values", "shape"]
    words: str


@dataclass(frozen=True, slots=True)
class Shape:
    """What a left ventricle's outline is like, the mean of the slices by the cavity's size.

    Attributes:
        enclosed: share (0-1) of the cavity's edge that lies at muscle.
        elongation: length by width of cavity and muscle together; 1 is round.
    """

    enclosed: float
    elongation: float


def other_kind(
    kind: Kind, image: Volume, *, cavity: Array, muscle: Array, right: bool = True
) -> tuple[Sign, ...]:
    """What speaks for an image being of another kind than it was given as.

    Args:
        kind: what it was given as.
        image: as stored.
        cavity: bool, the left ventricle's blood that was found, on the image's voxels.
        muscle: bool, its myocardium, scar included.
        right: whether a right ventricle was found, or none was looked for.
    """
    turned, orientation = canonical(image)
    blood, wall = orientation.forth(cavity), orientation.forth(muscle)
    shape = shape_of(blood, wall, turned.spacing_mm)
    return (
        *(Sign("header", words) for words in _by_header(kind, image)),
        *(Sign("grey values", words) for words in _by_greys(kind, turned.array, blood, wall)),
        *(Sign("shape", words) for words in _by_shape(kind, shape, right)),
    )


def _by_header(kind: Kind, image: Volume) -> Iterator[str]:
    """What the header says of the sequence and of the plane."""
    dicom, frames = image.header.get("dicom", {}), image.header.get("frames", 1)
    if dicom.get("modality", "MR") not in ("", "MR"):
        yield f"the DICOM header says that this is {dicom['modality']}, not MR"
    if kind == "LGE" and frames >= CINE_FRAMES:
        yield f"{_looks('cine', kind)}: the file holds {frames} frames of each slice"
    if kind != "LGE" and dicom.get("inverted"):
        yield f"{_looks('late enhancement', kind)}: the DICOM header tells of an inversion pulse"
    axes = np.abs(image.geometry.direction)
    if not dicom and np.isclose(axes.max(axis=0), 1, atol=1e-3).all():
        return  # what files say whose orientation got lost
    normal = image.geometry.direction[:, slice_axis(image.geometry)]
    if kind == "LA":
        if _apart_deg(normal, HEAD) > UPRIGHT_DEG:
            seen = _looks("a 2-chamber or short-axis view", kind)
            yield f"{seen}: the header says that the plane stands upright in the patient"
        return
    apart = [_apart_deg(normal, one) for one in np.eye(3)]
    if min(apart) < ALONG_DEG:
        seen = _looks(f"a stack of {BODY_AXES[int(np.argmin(apart))]} slices", kind)
        yield f"{seen}: the header says that slices lie across an axis of the body"
    elif (off := _apart_deg(normal, LONG_AXIS)) > FARTHEST_DEG:
        yield (
            f"the header says that the slices are {off:.0f} degrees off where a short axis lies: "
            "another view, or a wrong orientation in the header"
        )


def _by_greys(kind: Kind, array: Array, cavity: Array, muscle: Array) -> Iterator[str]:
    found = greyness(array, cavity, muscle)
    if found is None:
        return
    if kind == "LGE" and found < CINE_BELOW:
        yield f"{_looks('cine', kind)}: air is black, and blood far brighter than muscle"
    if kind != "LGE" and found > LGE_ABOVE:
        yield f"{_looks('late enhancement', kind)}: air is grey, and blood like muscle"


def greyness(array: Array, cavity: Array, muscle: Array) -> float | None:
    """How grey what is not blood is: muscle by blood, and the darkest tenth by the whole range.

    Blood and range count from the second percentile, so that no offset or factor changes it. None
    where there is no cavity, no muscle, or no contrast.

    Args:
        array: (z, y, x) grey values, slices first.
        cavity: (z, y, x) bool.
        muscle: (z, y, x) bool.
    """
    if not (cavity.any() and muscle.any()):
        return None
    black, dark, white = np.percentile(array[interior(array)], PERCENTILES)
    blood = np.median(array[cavity]) - black
    if white == black or blood <= 0:
        return None
    by_blood = (np.median(array[muscle]) - black) / blood
    return float(by_blood + DARK_WEIGHT * (dark - black) / (white - black))


def _by_shape(kind: Kind, shape: Shape | None, right: bool) -> Iterator[str]:
    """What the mask's shape says; nothing of hearts that are too small to have one."""
    if shape is None:
        yield f"no left ventricle was found: is this {NAMES[kind]}?"
    elif kind == "LA":
        if shape.enclosed > CLOSED and shape.elongation < ROUND:
            seen = _looks("a short axis", kind)
            yield f"{seen}: muscle closes a round ring around the cavity"
        if not right:
            yield f"{_looks('a 2-chamber view', kind)}: no right ventricle was found"
    elif shape.elongation > LONG:
        told = f"cavity and muscle are {shape.elongation:.1f} times as long as wide"
        yield f"{_looks('another view', kind)}: {told}"
    elif shape.enclosed < OPEN:
        told = f"muscle lies at {100 * shape.enclosed:.0f} % of the cavity's edge and is no ring"
        yield f"{_looks('another view', kind)}, or the mask is wrong: {told}"


def shape_of(cavity: Array, muscle: Array, spacing_mm: tuple[float, float, float]) -> Shape | None:
    """What a ventricle is like; None where no slice shows enough of it.

    Args:
        cavity: (z, y, x) bool, slices first.
        muscle: (z, y, x) bool.
        spacing_mm: of their voxels.
    """
    pixel_mm = np.array(spacing_mm[1:])
    weights, enclosed, elongation = [], [], []
    for blood, wall in zip(cavity, muscle, strict=True):
        if blood.sum() * pixel_mm.prod() < LEAST_MM2:
            continue
        edge = ndimage.binary_dilation(blood) & ~blood
        places_mm = np.argwhere(blood | wall) * pixel_mm
        narrow, wide = np.linalg.eigvalsh(np.cov(places_mm.T))
        weights.append(blood.sum())
        enclosed.append(wall[edge].mean())
        elongation.append(np.sqrt(wide / max(narrow, 1e-6)))
    if not weights:
        return None
    return Shape(*(float(np.average(each, weights=weights)) for each in (enclosed, elongation)))


def _looks(seen: str, kind: Kind) -> str:
    return f"this looks like {seen}, not {NAMES[kind]}"


def _apart_deg(one: Array, other: Array) -> float:
    """The angle between two directions whose sense does not matter, 0 to 90."""
    return float(np.degrees(np.arccos(np.clip(abs(one @ other), 0, 1))))
