"""A sample case as the platform lays it out: a synthetic heart in Grand Challenge sockets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from cmrseg.cases.challenge import Challenge
from cmrseg.cases.sockets import TABLES
from cmrseg.imaging import Volume, write
from cmrseg_lab.synthetic.patient import draw_patient

SEED = 4743
CROP = 8
FOLDER_MODE, FILE_MODE, OUTPUT_MODE = 0o755, 0o644, 0o777


@dataclass(frozen=True, slots=True)
class SamplePatient:
    """One patient's images by role.

    Attributes:
        challenge: whose sockets carry them.
        images: role -> image.
    """

    challenge: Challenge
    images: Mapping[str, Volume]


def draw_samples(challenge: Challenge) -> Iterator[SamplePatient]:
    """Two cases on different voxels, so that a mask of the one never fits the other."""
    images = draw_patient(challenge, SEED).images
    yield SamplePatient(challenge, images)
    yield SamplePatient(challenge, {role: _cropped(image) for role, image in images.items()})


def lay_out(sample: SamplePatient, folder: Path) -> None:
    """Fill ``folder``, readable by anybody, with ``inputs.json`` and ``images/<slug>/<uuid>.mha``.

    What lay in it is deleted; the folder itself stays, since a container may have it mounted.
    """
    emptied_folder(folder)
    told = []
    for socket in TABLES[sample.challenge].sockets:
        place = folder / "images" / socket.slug
        place.mkdir(parents=True)
        write(sample.images[socket.role], place / f"{uuid4()}.mha")
        inner = {"slug": socket.slug, "kind": "Image", "relative_path": f"images/{socket.slug}"}
        told.append({"socket": inner, "interface": inner})
    (folder / "inputs.json").write_text(json.dumps(told), encoding="utf-8")
    for path in (folder, *folder.rglob("*")):
        path.chmod(FOLDER_MODE if path.is_dir() else FILE_MODE)


def emptied_folder(folder: Path, mode: int = FOLDER_MODE) -> None:
    """Make ``folder`` if need be, delete what lies in it, and set its permissions."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    folder.chmod(mode)


def _cropped(image: Volume) -> Volume:
    """The image without its last rows."""
    z, y, x = image.geometry.shape
    geometry = replace(image.geometry, shape=(z, y - CROP, x))
    return replace(image, array=image.array[:, :-CROP].copy(), geometry=geometry)
