"""Grand Challenge algorithm sockets: one case a call, as the platform lays it out.

In::

    /input/inputs.json                  what comes: a list of objects with "socket" (or, from older
                                        platforms, "interface"), in it "slug", "relative_path"
    /input/images/<slug>/<uuid>.mha     exactly one .mha, .tif or .tiff a socket, its name without
                                        meaning; or a DICOM set, many .dcm

Without ``inputs.json`` the folders in ``images`` tell the sockets. Which sockets are known, and
how to use others: ``sockets.py``.

Out::

    /output/images/<slug>/output.mha    masks: UInt8; maps: float32
    /output/results.json                findings; strict JSON, null for what is not a number

The platform takes everything left in ``/output``: only declared outputs are written, no
summary. ``/input`` is a symbolic link that it points elsewhere between two calls: nothing found
there is remembered.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, ClassVar

from cmrseg.cases.base import FileContract
from cmrseg.cases.case import Case, ImageSource, Result
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.folders import entries, readable, subfolders
from cmrseg.cases.sockets import Socket, SocketTable, socket_table
from cmrseg.cases.staging import Piece
from cmrseg.cases.summary import record, to_json
from cmrseg.runtime.errors import CmrsegError, InputError, OutputError

IMAGE_ENDINGS = (".mha", ".tif", ".tiff")
CASE_ID = "case"
LONGEST_LISTING = 16 << 20
"""Bytes of ``inputs.json`` that are read; the platform writes some kilobytes."""


class GrandChallengeContract(FileContract):
    """Sockets in, sockets out.

    Args:
        challenge: which recipe's labels are written.
        input_dir: the platform's ``/input``.
        output_dir: the platform's ``/output``.
        labels: label code (see ``ChallengeSpec.codes``); None for all labels.
        sockets: a socket table of one's own; None for ``CMRSEG_SOCKETS`` or the usual one.
    """

    name = "grand-challenge"
    title = "Grand Challenge job"
    looked_for = "Grand Challenge sockets (inputs.json, or images/<socket>/*.mha)"
    challenges: ClassVar[tuple[Challenge, ...]] = tuple(SPECS)
    keeps_account = False

    def __init__(
        self,
        challenge: Challenge,
        input_dir: Path,
        output_dir: Path,
        *,
        labels: str | None = None,
        sockets: Path | None = None,
    ) -> None:
        super().__init__(challenge, input_dir, output_dir, labels=labels)
        self.table: SocketTable = socket_table(challenge, sockets)

    @classmethod
    def recognises(cls, input_dir: Path) -> bool:
        """Whether there is an ``inputs.json`` or an ``images`` folder with folders in it."""
        images = input_dir / "images"
        return (input_dir / "inputs.json").is_file() or (
            images.is_dir() and any(path.is_dir() for path in entries(images))
        )

    def cases(self) -> Iterator[Case]:
        """The one case in the input folder."""
        try:
            with readable("the input folder"):
                folders = _socket_folders(self.input_dir)
                images = dict(self._images(folders))
            yield Case(CASE_ID, images, "the case", self._unused(folders))
        except CmrsegError as error:
            yield Case(CASE_ID, {}, "the case", problem=error)

    def mask_path(self, case: Case, role: str) -> PurePath:
        """``images/<slug>/output.mha``."""
        return _output(self._socket(role).mask)

    def map_path(self, case: Case, role: str, name: str) -> PurePath | None:
        """``images/<slug>/output.mha``, for a map that has a socket."""
        slug = self._socket(role).maps.get(name)
        return _output(slug) if slug else None

    def extras(self, case: Case, result: Result) -> list[Piece]:
        """The results JSON.

        Raises:
            OutputError: an image of the case has no mask, and the platform waits for one.
        """
        lacking = sorted(set(case.images) - set(result.predictions))
        if lacking:
            for role in set(lacking) & set(result.failed):
                raise result.failed[role]
            raise OutputError(
                f"there is no mask for {', '.join(lacking)}", "see the warnings above for why"
            )
        path = PurePath(f"{self.table.results}.json")
        return [Piece(path=path, what="results", content=to_json(record(case.id, result)))]

    def outputs(self, case: Case) -> set[PurePath]:
        """Every declared output."""
        slugs = [slug for s in self.table.sockets for slug in (s.mask, *s.maps.values())]
        return {*map(_output, slugs), PurePath(f"{self.table.results}.json")}

    def account(self) -> None:
        """None: the platform would upload it."""

    def finish(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        """Nothing: only declared outputs may be left behind."""
        return ()

    def _socket(self, role: str) -> Socket:
        return next(socket for socket in self.table.sockets if socket.role == role)

    def _unused(self, folders: Collection[str]) -> tuple[str, ...]:
        """A warning about sockets that no role needs."""
        unused = sorted(set(folders) - {socket.slug for socket in self.table.sockets})
        return (f"not used: socket {', '.join(unused)}",) if unused else ()

    def _images(self, folders: Mapping[str, PurePosixPath]) -> Iterator[tuple[str, ImageSource]]:
        interfaces = self.table.interfaces()
        known = sorted({socket.slug for socket in self.table.sockets})
        key = tuple(slug for slug in known if slug in folders)
        if key not in interfaces:
            raise InputError(
                f"the sockets are {', '.join(sorted(folders)) or 'none'}, known are "
                f"{', '.join(known)}",
                "use these sockets, or name a socket table of your own (CMRSEG_SOCKETS)",
            )
        for socket in interfaces[key]:
            path = _one_image(self.input_dir / folders[socket.slug], socket.slug)
            yield socket.role, ImageSource(path, socket.frame)


def _output(slug: str) -> PurePath:
    return PurePath("images", slug, "output.mha")


def _socket_folders(input_dir: Path) -> dict[str, PurePosixPath]:
    """Socket slug -> its folder, relative to the input folder."""
    listing = input_dir / "inputs.json"
    if not listing.is_file():
        return {
            path.name: PurePosixPath("images", path.name)
            for path in subfolders(input_dir / "images")
        }
    with readable("inputs.json"), listing.open("rb") as stream:
        text = stream.read(LONGEST_LISTING)
    try:
        return dict(_socket_folder(entry) for entry in json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(
            "inputs.json is not a list of sockets with slugs",
            "give it as the platform does: objects with 'socket' and in it 'slug'",
        ) from error


def _socket_folder(entry: Mapping[str, Any]) -> tuple[str, PurePosixPath]:
    told = entry.get("socket") or entry["interface"]
    # The folder is usually, not always, called after the slug.
    folder = PurePosixPath(told.get("relative_path") or f"images/{told['slug']}")
    if folder.is_absolute() or ".." in folder.parts:
        raise ValueError("a socket outside the input folder")
    return str(told["slug"]), folder


def _one_image(folder: Path, slug: str) -> Path:
    """The only image in a socket's folder; the folder itself for a DICOM set."""
    found = entries(folder) if folder.is_dir() else []
    images = [path for path in found if path.name.lower().endswith(IMAGE_ENDINGS)]
    slices = [path for path in found if path.suffix.lower() == ".dcm"]
    if slices and not images:
        return folder
    if len(images) != 1 or slices:
        raise InputError(
            f"socket {slug}: {len(images) + len(slices)} images, one is needed",
            f"put one file ({', '.join(IMAGE_ENDINGS)}) into {slug}",
        )
    return images[0]
