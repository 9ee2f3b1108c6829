"""nnU-Net's raw data: a folder of ``x_0000.nii.gz``, by itself or in a data set.

In: the folder (``imagesTs``, or any whose images all end in ``_0000``), or the data set's, with
``imagesTs`` or else ``imagesTr`` in it. Further channels (``x_0001``) are passed over. For mnms2
the name tells view and phase, as in a plain folder (``folder.py``).

Out, as ``nnUNetv2_predict`` leaves it, with our own beside it::

    OUT/x.nii.gz                       labels, uint8
    OUT/dataset.json                   names of labels, for nnUNetv2_evaluate_folder
    OUT/uncertainty/x_<map>.nii.gz     one file a map
    OUT/summary.json, OUT/summary.csv
"""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import ClassVar

from cmrseg.cases.case import Case
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.folder import FolderContract, stem_of
from cmrseg.cases.folders import entries
from cmrseg.cases.names import CHANNEL, split_format
from cmrseg.cases.staging import Piece
from cmrseg.imaging.write import SUFFIXES as WRITTEN

FOLDERS = ("imagesTs", "imagesTr")


class NnunetContract(FolderContract):
    """``x_0000.nii.gz`` in, ``x.nii.gz`` out."""

    name = "nnunet"
    title = "nnU-Net raw data"
    looked_for = "nnU-Net raw data (imagesTs/<case>_0000.nii.gz)"
    challenges: ClassVar[tuple[Challenge, ...]] = tuple(SPECS)
    expected: ClassVar[str] = r"^(\w+\.json|labelsT[rs])$"

    @classmethod
    def recognises(cls, input_dir: Path) -> bool:
        """Whether ``imagesTs`` or ``imagesTr`` is or lies in the input folder, or all are _0000."""
        return _images_folder(input_dir) is not None

    def listing(self) -> list[Path]:
        """The first channel of each case."""
        return [
            path
            for path in entries(_images_folder(self.input_dir) or self.input_dir)
            if path.is_file() and stem_of(path).endswith(CHANNEL) and split_format(path.name)[1]
        ]

    def name_of(self, path: Path) -> str:
        """A case's name."""
        return stem_of(path).removesuffix(CHANNEL)

    def mask_path(self, case: Case, role: str) -> PurePath:
        """``<case>`` in the image's format."""
        path = case.images[role].path
        return PurePath(self.name_of(path) + _written(path))

    def map_path(self, case: Case, role: str, name: str) -> PurePath:
        """``uncertainty/<case>_<map>``."""
        path = case.images[role].path
        return PurePath("uncertainty", f"{self.name_of(path)}_{name}{_written(path)}")

    def companions(self) -> list[Piece]:
        """``dataset.json``, by which nnU-Net reads the masks."""
        names = SPECS[self.challenge].labels
        written = self.code.written
        labels = {name: written[label] for label, name in names.items() if written[label]}
        told = {"labels": {"background": 0} | labels, "file_ending": self._ending()}
        content = json.dumps(told | {"channel_names": {"0": "MRI"}}, indent=2) + "\n"
        return [Piece(path=PurePath("dataset.json"), what="dataset.json", content=content)]

    def _ending(self) -> str:
        images = self.listing()
        return _written(images[0]) if images else ".nii.gz"


def _written(path: Path) -> str:
    """The format that an image's mask is written in: its own, where that is written."""
    ending = split_format(path.name)[1].lower()
    return ending if ending in WRITTEN else ".nii.gz"


def _images_folder(input_dir: Path) -> Path | None:
    """Where the images lie; None where this is not nnU-Net's layout."""
    for folder in (input_dir, *(input_dir / name for name in FOLDERS)):
        if not folder.is_dir():
            continue
        stems = [stem_of(p) for p in entries(folder) if split_format(p.name)[1] and p.is_file()]
        first = [stem for stem in stems if stem.endswith(CHANNEL)]
        # Other programs number slices so: 0000 alone, or the folder's name, tells nnU-Net.
        if first and (len(first) == len(stems) or folder.resolve().name in FOLDERS):
            return folder
    return None
