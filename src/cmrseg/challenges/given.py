"""Masks that others made, found beside one another by name and read onto their image's voxels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from cmrseg.challenges.judging import checked
from cmrseg.contracts.base import FileContract
from cmrseg.contracts.case import Case
from cmrseg.contracts.folders import readable, same_folder
from cmrseg.errors import CmrsegError, InputError, UsageError
from cmrseg.evaluation.masks import GEOMETRY_TOLERANCE_MM
from cmrseg.imaging.read import SUFFIXES, read
from cmrseg.imaging.volume import Array, Geometry, Volume


@dataclass(frozen=True, slots=True)
class GivenMasks:
    """Folders of candidates' masks of the same cases.

    A mask is looked for where `predict` writes it for this input (``001/001_SA_ED_pred.nii.gz``,
    ``images/<socket>/output.mha``, ``<image>_seg.nii.gz``), then under that name right in the
    folder, then under its image's name, in the folder or in one called after the case; in any
    format that is read.

    Attributes:
        folders: candidate's name -> folder.
        contract: how the cases come in.
    """

    folders: Mapping[str, Path]
    contract: FileContract

    def check(self, cases: Sequence[Case]) -> None:
        """Refuse folders that cannot be what was meant, before the first case.

        Raises:
            InputError: a folder is missing, cannot be read, or has no mask of any case.
            UsageError: a folder is the one that results go to.
        """
        for name, folder in self.folders.items():
            with readable(f"the folder of {name}"):
                if not folder.is_dir():
                    raise InputError(f"the folder of {name} does not exist", "check its path")
                if same_folder(folder, self.contract.output_dir):
                    raise UsageError(
                        f"the output folder holds the masks of {name}", "give another output folder"
                    )
            images = [(case, role) for case in cases for role in case.images]
            if images and not any(self._path(name, *image) for image in images):
                raise InputError(
                    f"the folder of {name} has no mask of any of the cases",
                    "lay masks out as `cmrseg predict` does, or call each as its image",
                )

    def read(self, case: Case, role: str, geometry: Geometry) -> dict[str, Array]:
        """The masks of one image by candidate, (z, y, x) uint8 labels.

        Args:
            case: whose image it is.
            role: of the image.
            geometry: of the image.

        Raises:
            InputError: a mask is missing, unreadable, on another grid, or holds unknown labels.
        """
        found = {}
        for name in self.folders:
            path = self._path(name, case, role)
            if path is None:
                raise InputError(
                    f"{name} has no mask of this image", "add the mask, or take its image away"
                )
            try:
                mask = read(path)
                _check_place(mask, geometry)
            except CmrsegError as error:
                raise error.within(f"the mask of {name}") from error
            found[name] = checked(mask.array, geometry.shape, name)
        return found

    def _path(self, name: str, case: Case, role: str) -> Path | None:
        with readable(f"the folder of {name}"):
            places = (self.folders[name] / place for place in self._places(case, role))
            return next((path for path in places if path.is_file()), None)

    def _places(self, case: Case, role: str) -> Iterator[PurePath]:
        own = self.contract.mask_path(case, role)
        yield from _in_any_format(own)
        if self.contract.keeps_account:  # else every socket's mask is called output
            yield from _in_any_format(PurePath(own.name))
        image = PurePath(case.images[role].path.name)
        for called in dict.fromkeys((image, _of_nnunet(image))):
            yield from _in_any_format(called)
            yield from _in_any_format(case.id / called)


def _of_nnunet(image: PurePath) -> PurePath:
    """What nnU-Net calls an image's mask: the image's name without the number of its channel."""
    stem, dot, ending = image.name.partition(".")
    return image.with_name(stem.removesuffix("_0000") + dot + ending)


def _in_any_format(path: PurePath) -> Iterator[PurePath]:
    """The same name with the ending of each format that is read."""
    ends = [end for end in SUFFIXES if path.name.lower().endswith(end)]
    stem = path.name[: len(path.name) - len(max(ends, key=len, default=""))]
    yield from (path.with_name(stem + end) for end in SUFFIXES)


def _check_place(mask: Volume, geometry: Geometry) -> None:
    """Refuse a mask that does not lie on its image's voxels.

    Raises:
        InputError: sizes differ, or corners lie more than ``GEOMETRY_TOLERANCE_MM`` apart.
    """
    own = mask.geometry
    if own.same_as(geometry, GEOMETRY_TOLERANCE_MM):
        return
    if own.shape != geometry.shape:
        said = f"has {_by(own.shape)} voxels (z, y, x), its image {_by(geometry.shape)}"
    elif not np.allclose(own.spacing_mm, geometry.spacing_mm, rtol=0, atol=1e-3):
        said = f"has voxels of {_by(own.spacing_mm)} mm, its image of {_by(geometry.spacing_mm)} mm"
    else:
        said = "lies in another place than its image"
    raise InputError(f"it {said}", "write the mask with the header of its image")


def _by(numbers: Sequence[float]) -> str:
    return " x ".join(f"{number:.5g}" for number in numbers)
