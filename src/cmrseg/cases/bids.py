"""BIDS: ``sub-<label>/[ses-<label>/]<datatype>/<entities>_<suffix>.nii.gz``, masks as derivatives.

For mnms2 the name tells view and phase wherever it stands (``acq-SAX``, ``acq-4CH``, ``phase-ED``,
``desc-ES``), as in a plain folder (``folder.py``); the images of a subject's session are one case.
For emidec each image is a case; where some are called late enhancement (``LGE``, ``PSIR``), these.

Out, a derivative data set that passes for one (``dataset_description.json``)::

    OUT/sub-1/anat/sub-1_acq-SAX_desc-cine_dseg.nii.gz       of sub-1_acq-SAX_cine.nii.gz
    OUT/sub-1/anat/sub-1_acq-SAX_desc-cine_<map>.nii.gz      one file a map
    OUT/dseg.tsv                                             names of labels
    OUT/summary.json, OUT/summary.csv
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePath
from typing import ClassVar

from cmrseg import __version__
from cmrseg.cases.case import Case
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.folder import FolderContract, stem_of
from cmrseg.cases.folders import subfolders
from cmrseg.cases.staging import Piece

BIDS_VERSION = "1.9.0"
NIFTI = (".nii", ".nii.gz")


class BidsContract(FolderContract):
    """``sub-*_<suffix>`` in, ``sub-*_desc-<suffix>_dseg`` out."""

    name = "bids"
    title = "BIDS data set"
    looked_for = "BIDS (sub-<label>/[ses-<label>/]<datatype>/sub-<label>_*.nii.gz)"
    challenges: ClassVar[tuple[Challenge, ...]] = tuple(SPECS)
    expected: ClassVar[str] = r"^(README|CHANGES|LICENSE|code|derivatives)|\.(json|tsv)$"

    @classmethod
    def recognises(cls, input_dir: Path) -> bool:
        """Whether a subject's folder has images below it that are called after the subject."""
        return any(True for subject in _subjects(input_dir) for _ in _images(subject))

    def listing(self) -> list[Path]:
        """Every NIfTI image of every subject."""
        subjects = _subjects(self.input_dir, without=self.output_dir)
        images = [path for subject in subjects for path in sorted(_images(subject))]
        called = SPECS[self.challenge].called
        return [p for p in images if re.search(called, p.name, re.IGNORECASE)] or images

    def name_of(self, path: Path) -> str:
        """Subject, session and all other entities."""
        return stem_of(path)

    def mask_path(self, case: Case, role: str) -> PurePath:
        """``sub-*/[ses-*/]<datatype>/<entities>_desc-<suffix>_dseg.nii.gz``."""
        return self._beside(case, role, "_dseg")

    def map_path(self, case: Case, role: str, name: str) -> PurePath:
        """``sub-*/[ses-*/]<datatype>/<entities>_desc-<suffix>_<map>.nii.gz``."""
        return self._beside(case, role, f"_{name.replace('-', '')}")

    def companions(self) -> list[Piece]:
        """What makes it a derivative data set: its description and the names of labels."""
        written = self.code.written
        rows = [
            f"{written[n]}\t{name}\n"
            for n, name in SPECS[self.challenge].labels.items()
            if written[n]
        ]
        about = {
            "Name": "Masks of cardiac MR by cmrseg",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "cmrseg", "Version": __version__}],
        }
        return [
            Piece(path=PurePath(name), what=name, content=content)
            for name, content in {
                "dataset_description.json": json.dumps(about, indent=2) + "\n",
                "dseg.tsv": "index\tname\n" + "".join(rows),
            }.items()
        ]

    def _beside(self, case: Case, role: str, ending: str) -> PurePath:
        path = case.images[role].path
        entities, _, suffix = stem_of(path).rpartition("_")
        folder = PurePath(path.relative_to(self.input_dir).parent)
        return folder / f"{entities}_desc-{suffix}{ending}.nii.gz"


def _subjects(input_dir: Path, without: Path | None = None) -> list[Path]:
    return [p for p in subfolders(input_dir, without=without) if p.name.startswith("sub-")]


def _images(subject: Path) -> list[Path]:
    """NIfTI images called after their subject, at ``<datatype>/`` or ``ses-*/<datatype>/``."""
    found = [*subject.glob("*/*.nii*"), *subject.glob("ses-*/*/*.nii*")]
    return [p for p in found if p.name.startswith(f"{subject.name}_") and p.name.endswith(NIFTI)]
