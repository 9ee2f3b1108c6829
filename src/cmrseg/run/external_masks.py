"""Masks that others made, found beside one another by name and read onto their image's voxels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np

from cmrseg.cases.base import FileContract
from cmrseg.cases.case import Case, ImageSource, Result
from cmrseg.cases.folders import readable, same_folder
from cmrseg.cases.ledger import Ledger
from cmrseg.cases.names import masks_of, split_format
from cmrseg.imaging.orient import aligned
from cmrseg.imaging.read import SUFFIXES, read
from cmrseg.imaging.volume import GEOMETRY_TOLERANCE_MM, Array, Geometry, Volume
from cmrseg.recipes.mnms2_judge import checked_mask
from cmrseg.runtime.errors import CmrsegError, InputError, UsageError


@dataclass(frozen=True, slots=True)
class GivenMasks:
    """Folders of candidates' masks of the same cases.

    A mask is looked for where `predict` writes it for this input (``001/001_SA_ED_pred.nii.gz``,
    ``images/<socket>/output.mha``, ``<image>_seg.nii.gz``), then under that name right in the
    folder, then under its image's name or one made of it (``cases.names``), in the folder or
    in one called after the case; in any format that is read.

    Attributes:
        folders: candidate's name -> folder.
        contract: how the cases come in.
    """

    folders: Mapping[str, Path]
    contract: FileContract

    def check(self, cases: Sequence[Case]) -> None:
        """Refuse folders that cannot be what was meant, before the first case.

        Raises:
            InputError: folders are missing, cannot be read, or have no mask of any case; all such
                are named.
            UsageError: a folder is the one that results go to.
        """
        wrong: list[CmrsegError] = []
        for name in self.folders:
            try:
                self._check(name, cases)
            except InputError as error:
                wrong.append(error)
        if wrong:
            raise joint_error(wrong)

    def _check(self, name: str, cases: Sequence[Case]) -> None:
        folder = self.folders[name]
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
            InputError: masks are missing, unreadable, on another grid, or hold unknown labels; all
                such are named.
        """
        found: dict[str, Array] = {}
        wrong: list[CmrsegError] = []
        for name in self.folders:
            try:
                found[name] = self._read(name, case, role, geometry)
            except InputError as error:
                wrong.append(error)
        if wrong:
            raise joint_error(wrong)
        return found

    def beside(self, case: Case) -> Case:
        """A case with its masks among its images: all that a verdict on it comes of."""
        masks = {
            f"{role} of {name}": ImageSource(path)
            for role in case.images
            for name in self.folders
            if (path := self._path(name, case, role))
        }
        return replace(case, images={**case.images, **masks})

    def _read(self, name: str, case: Case, role: str, geometry: Geometry) -> Array:
        path = self._path(name, case, role)
        if path is None:
            raise InputError(
                f"{name} has no mask of this image", "add the mask, or take its image away"
            )
        try:
            mask = _placed(read(path), geometry)
        except CmrsegError as error:
            raise error.within(f"the mask of {name}") from error
        return checked_mask(mask.array, geometry.shape, name)

    def _path(self, name: str, case: Case, role: str) -> Path | None:
        with readable(f"the folder of {name}"):
            places = (self.folders[name] / place for place in self._places(case, role))
            return next((path for path in places if path.is_file()), None)

    def _places(self, case: Case, role: str) -> Iterator[PurePath]:
        own = self.contract.mask_path(case, role)
        yield from _in_any_format(own)
        if self.contract.keeps_account:  # else every socket's mask is called output
            yield from _in_any_format(PurePath(own.name))
        for called in masks_of(split_format(case.images[role].path.name)[0]):
            yield from _in_any_format(PurePath(called))
            yield from _in_any_format(PurePath(case.id, called))


@dataclass(slots=True, kw_only=True)
class MaskLedger(Ledger):
    """An account of what is done in which a case is another one if one of its masks is.

    Attributes:
        given: where the masks are.
    """

    given: GivenMasks

    def done(self, case: Case) -> Result | None:
        """What an earlier run found of the same images and masks."""
        try:
            return Ledger.done(self, self.given.beside(case))
        except InputError:  # a folder that cannot be read is told of when its mask is
            return None


def joint_error(errors: Sequence[CmrsegError]) -> CmrsegError:
    """Several errors as one of the first's kind: every problem, and what helps, each once."""
    problems = "; ".join(error.problem for error in errors)
    return type(errors[0])(problems, "; ".join(dict.fromkeys(error.remedy for error in errors)))


def _in_any_format(path: PurePath) -> Iterator[PurePath]:
    """The same name with the ending of each format that is read."""
    stem, _ = split_format(path.name)
    yield from (path.with_name(stem + end) for end in SUFFIXES)


def _placed(mask: Volume, geometry: Geometry) -> Volume:
    """A mask with its axes as its image's.

    Raises:
        InputError: it does not lie on its image's voxels: sizes differ, or corners lie more than
            ``GEOMETRY_TOLERANCE_MM`` apart.
    """
    own = mask.geometry
    if own.same_as(geometry, GEOMETRY_TOLERANCE_MM):
        return mask
    if turned := aligned(mask, geometry, GEOMETRY_TOLERANCE_MM):
        return turned
    if own.shape != geometry.shape:
        said = f"has {_by(own.shape)} voxels (z, y, x), its image {_by(geometry.shape)}"
    elif not np.allclose(own.spacing_mm, geometry.spacing_mm, rtol=0, atol=1e-3):
        said = f"has voxels of {_by(own.spacing_mm)} mm, its image of {_by(geometry.spacing_mm)} mm"
    else:
        said = "lies in another place than its image"
    raise InputError(f"it {said}", "write the mask with the header of its image")


def _by(numbers: Sequence[float]) -> str:
    return " x ".join(f"{number:.5g}" for number in numbers)
