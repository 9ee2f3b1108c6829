"""A case many times over, to be measured on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from cmrseg.cases.case import Case
from cmrseg.cases.challenge import EMIDEC, MNMS2, Challenge
from cmrseg.imaging.orient import slice_axis
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Volume
from cmrseg.imaging.write import write
from cmrseg.runtime.errors import InputError

SIZES = 13
"""So many sizes of trimmed images, a number that no even count of cases divides by."""
LAYOUT: Final[dict[Challenge, tuple[str, str]]] = {
    EMIDEC.name: ("Case_P{number:03d}", "Images/{name}.nii.gz"),
    MNMS2.name: ("{number:03d}", "{name}_{role}.nii.gz"),
}
"""What a case's folder is called, and each of its images in there."""


def copies(challenge: Challenge, case: Case, count: int, folder: Path, *, trimmed: int = 0) -> Path:
    """A folder with one case many times over, in its challenge's layout.

    Args:
        challenge: whose layout.
        case: the case.
        count: how many.
        folder: where.
        trimmed: pixels that each image is narrower than the one before it, on every side in plane
            and in turns, so that sizes differ.

    Raises:
        InputError: the case's images are no ``.nii.gz`` files.
    """
    for number in range(1, count + 1):
        case_name, image_name = LAYOUT[challenge]
        name = case_name.format(number=number)
        for role, source in case.images.items():
            if not source.path.name.endswith(".nii.gz"):
                raise InputError(f"{role} is no .nii.gz file", "give --samples in that format")
            path = folder / name / image_name.format(name=name, role=role)
            path.parent.mkdir(parents=True, exist_ok=True)
            if trimmed:
                write(_narrower(read(source.path), trimmed * ((number - 1) % SIZES)), path)
            else:
                shutil.copyfile(source.path, path)
    return folder


def _narrower(image: Volume, pixels: int) -> Volume:
    """An image without so many pixels on every side of its slices."""
    cut = [slice(pixels, n - pixels) for n in image.array.shape]
    cut[slice_axis(image.geometry)] = slice(None)
    array = np.ascontiguousarray(image.array[tuple(cut)])
    return Volume(array, replace(image.geometry, shape=array.shape), image.header)
