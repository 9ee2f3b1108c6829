"""A sample case as the platform lays it out, and the rules for what may come of it.

In goes a synthetic heart in Grand Challenge sockets; out may come what the platform allows an
algorithm to leave in its output folder, less what we forbid.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np

from cmrseg.cases.challenge import Challenge
from cmrseg.cases.labels import label_code
from cmrseg.cases.sockets import TABLES
from cmrseg.imaging import Volume, read, write
from cmrseg.runtime.errors import CmrsegError
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


IMAGE_ENDINGS = (".mha", ".tif", ".tiff")


def output_faults(sample: SamplePatient, output_dir: Path) -> list[str]:
    """What is wrong with the output for a sample case, in words; nothing if all is right.

    Exactly one image in each socket's folder, masks UInt8 with the challenge's labels, every image
    on the voxels of its input, maps finite, JSON without NaN and infinity, nothing else left.
    """
    table = TABLES[sample.challenge]
    faults: list[str] = []
    expected: set[Path] = set()
    for socket in table.sockets:
        like = sample.images[socket.role]
        for slug in (socket.mask, *socket.maps.values()):
            found = _images(output_dir / "images" / slug)
            expected.update(found)
            if len(found) != 1:
                faults.append(f"{slug}: {len(found)} images, one is needed")
            elif slug == socket.mask:
                faults += _mask_faults(slug, found[0], like, sample)
            else:
                faults += _image_faults(slug, found[0], like)
    results = output_dir / f"{table.results}.json"
    expected.add(results)
    faults += _json_faults(results)
    everything = {path for path in output_dir.rglob("*") if not path.is_dir()}
    faults += [f"left behind: {p.relative_to(output_dir)}" for p in sorted(everything - expected)]
    return faults


def _images(folder: Path) -> list[Path]:
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if path.name.lower().endswith(IMAGE_ENDINGS)]


def _mask_faults(slug: str, path: Path, like: Volume, sample: SamplePatient) -> Iterator[str]:
    yield from _image_faults(slug, path, like)
    try:
        array = read(path).array
    except CmrsegError:
        return
    if array.dtype != np.uint8:
        yield f"{slug}: the mask is {array.dtype}, the platform takes UInt8"
    allowed = label_code(sample.challenge, "all").allowed
    foreign = sorted(set(np.unique(array).tolist()) - allowed)
    if foreign:
        yield f"{slug}: the mask holds {foreign}, labels are {sorted(allowed)}"


def _image_faults(slug: str, path: Path, like: Volume) -> Iterator[str]:
    try:
        image = read(path)
    except CmrsegError as error:
        yield f"{slug}: {error.problem}"
        return
    if not image.geometry.same_as(like.geometry):
        yield f"{slug}: it does not lie on the voxels of its input"
    if not np.isfinite(image.array).all():
        yield f"{slug}: voxels that are no finite number"


def _json_faults(path: Path) -> Iterator[str]:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(path.read_bytes(), parse_constant=refuse)
    except OSError:
        yield f"{path.name} is missing"
    except ValueError:
        yield f"{path.name} is no strict JSON (NaN and Infinity are not allowed)"
