"""The platform's rules for what an algorithm may leave in its output folder, and some of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cmrseg.cases.labels import label_code
from cmrseg.cases.sockets import TABLES
from cmrseg.imaging import Volume, read
from cmrseg.runtime.errors import CmrsegError
from cmrseg_lab.lint_image.sample import SamplePatient

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
