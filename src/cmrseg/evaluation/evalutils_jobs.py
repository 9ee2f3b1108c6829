"""Which case each prediction of a submission belongs to, as the platform lays submissions out.

An evaluation method of Grand Challenge finds::

    /input/predictions.json                                  the algorithm's jobs, in no order
    /input/<pk of a job>/output/images/<folder>/<any>.mha    what each of them wrote
    /opt/ml/input/data/ground_truth/                         the phase's ground truth, unpacked

A job tells its input sockets with the names under which the images were uploaded
(``Case_P001.nii.gz``, ``001_SA_ED.mha``), and its output sockets with their folders. The names tell
case and role as in the challenge's folders; where images were uploaded under others, ``cases.json``
beside the ground truth says whose they are: ``{"name as uploaded": "Case_P001", ...}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from cmrseg.cases.challenge import Challenge
from cmrseg.cases.sockets import Socket, socket_table
from cmrseg.evaluation.pairs import Index
from cmrseg.runtime.errors import InputError

LISTING = "predictions.json"
NAMES = "cases.json"
IMAGE_ENDINGS = (".mha", ".tif", ".tiff")
_UPLOADED = re.compile(
    r"(?P<case>.+?)(_(SA|LA)_(ED|ES|CINE))?(\.nii|\.nii\.gz|\.mha|\.mhd|\.nrrd|\.tiff?)?",
    re.IGNORECASE,
)


def index_jobs(
    challenge: Challenge, input_dir: Path, truth_dir: Path, *, sockets: Path | None = None
) -> Index:
    """The masks of all jobs, by case and role; a job without its mask has no entry.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        input_dir: where ``predictions.json`` lies.
        truth_dir: where ``cases.json`` lies, if there is one.
        sockets: a socket table of one's own (see :mod:`cmrseg.cases.sockets`).

    Raises:
        InputError: a listing is not understood; two jobs have the same image; a job wrote several
            masks of one image, or none has an image of the challenge.
        UsageError: the socket table cannot be used.
    """
    table = socket_table(challenge, sockets)
    names = _names(truth_dir / NAMES)
    found: Index = {}
    for number, job in enumerate(_listed(input_dir / LISTING, list), 1):
        try:
            masks = list(_masks(job, table.sockets, input_dir, names))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"job {number} in {LISTING} is not understood ({type(error).__name__})",
                "give it as the platform does: pk, inputs with sockets and image names, outputs",
            ) from error
        for case, role, path in masks:
            if role in found.setdefault(case, {}):
                raise InputError(f"two jobs have {case} {role}", "submit each case once")
            if path is not None:
                found[case][role] = path
    if not found:
        raise InputError(
            f"no job in {LISTING} has an image of {challenge}",
            "use the known sockets, or name a socket table of your own (CMRSEG_SOCKETS)",
        )
    return found


def _masks(
    job: Mapping[str, Any], sockets: tuple[Socket, ...], input_dir: Path, names: Mapping[str, str]
) -> Iterator[tuple[str, str, Path | None]]:
    """Case, role and mask of each image that a job was given."""
    outputs = {_slug(value): _folder(value) for value in job["outputs"]}
    output_dir = input_dir / _plain(str(job["pk"])) / "output"
    given = {_slug(value): value for value in job["inputs"]}
    for socket in sockets:
        if socket.slug not in given:
            continue
        name = str(given[socket.slug]["image"]["name"])
        case = names.get(name) or _case(name)
        folder = outputs.get(socket.mask)
        mask = None if folder is None else _only_image(output_dir / folder, f"{case} {socket.role}")
        yield case, socket.role, mask


def _socket(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a value says of its socket; "interface" on older platforms."""
    found: Mapping[str, Any] = value.get("socket") or value["interface"]
    return found


def _slug(value: Mapping[str, Any]) -> str:
    return str(_socket(value)["slug"])


def _folder(value: Mapping[str, Any]) -> PurePosixPath:
    """A socket's folder, usually, not always, called after its slug."""
    return _plain(_socket(value).get("relative_path") or f"images/{_slug(value)}")


def _plain(text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError("a path outside the input folder")
    return path


def _only_image(folder: Path, what: str) -> Path | None:
    if not folder.is_dir():
        return None
    images = sorted(p for p in folder.iterdir() if p.name.lower().endswith(IMAGE_ENDINGS))
    if len(images) > 1:
        raise InputError(f"{what}: the job wrote {len(images)} masks", "write one an image")
    return images[0] if images else None


def _case(name: str) -> str:
    """``001_SA_ED.nii.gz`` is of case 001, ``Case_P001.mha`` of Case_P001."""
    match = _UPLOADED.fullmatch(name)
    return match["case"] if match else name


def _names(path: Path) -> Mapping[str, str]:
    """Name as uploaded -> case."""
    if not path.is_file():
        return {}
    names: dict[str, str] = _listed(path, dict)
    if not all(isinstance(case, str) for case in names.values()):
        raise InputError(f"{NAMES} gives something else than names", "map name to case")
    return names


def _listed(path: Path, kind: type) -> Any:
    """The content of a JSON file that holds a list or an object."""
    try:
        told = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read ({error.strerror})", "check that it may be read"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is not JSON", "give it as the platform does") from error
    if not isinstance(told, kind):
        raise InputError(f"{path.name} is no {kind.__name__}", "give it as the platform does")
    return told
