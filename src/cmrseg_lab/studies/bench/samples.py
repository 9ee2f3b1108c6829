"""The cases that are measured on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from cmrseg.cases.case import Case
from cmrseg.cases.detect import open_contract
from cmrseg.cases.labels import Challenge
from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.synthesize import synthesize

CHECKOUT = Path(__file__).resolve().parents[4] / "tests" / "samples"
"""The committed sample cases."""
SEED = 1
LAYOUT: Final[dict[Challenge, tuple[str, str]]] = {
    "emidec": ("Case_P{number:03d}", "Images/{name}.nii.gz"),
    "mnms2": ("{number:03d}", "{name}_{role}.nii.gz"),
}
"""What a case's folder is called, and each of its images in there."""


def sample_case(challenge: Challenge, samples: Path | None, scratch: Path) -> Case:
    """The first sample case of a challenge; a synthetic one where there are none.

    Args:
        challenge: whose.
        samples: holds ``emidec/`` and ``mnms2/``; None for the checkout's samples.
        scratch: an empty folder to work in.

    Raises:
        InputError: ``samples`` holds no such case.
    """
    source = (samples or CHECKOUT) / challenge
    if samples is None and not source.is_dir():
        source = scratch / "synthetic"
        synthesize(challenge, source, patients=1, seed=SEED, jobs=1)
    case = next(iter(open_contract(challenge, source, scratch / "none").cases()), None)
    if case is None:
        raise InputError(f"there is no sample case of {challenge}", "give --samples their folder")
    return case


def copies(challenge: Challenge, case: Case, count: int, folder: Path) -> Path:
    """A folder with one case many times over, in its challenge's layout.

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
            shutil.copyfile(source.path, path)
    return folder
