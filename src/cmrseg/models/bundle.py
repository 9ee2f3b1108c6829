"""Weights bundles: what is in one, where they are looked for, and proof that they are whole.

A bundle is a folder with ``manifest.json``, one safetensors file a network, and ``MODEL_CARD.md``.
The manifest names every other file with its SHA-256, and carries its own over all else it says;
loading checks each before a byte is used, and nothing is ever unpickled. Looked for, first hit
wins: the path asked for, ``$CMRSEG_WEIGHTS``, ``/opt/ml/model`` (where the platform unpacks an
algorithm's model), ``/opt/cmrseg/weights`` (inside our images), ``weights/`` of the checkout, the
installed distribution ``cmrseg-weights``.

The seal is a checksum, no signature: it finds damage and careless changes, not somebody who writes
a new one. For a signature see :mod:`cmrseg.models.signature`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cmrseg.models import storage
from cmrseg.models.signature import check_signature
from cmrseg.runtime.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

    from cmrseg.models.manifest import Manifest, NetworkEntry

MANIFEST = "manifest.json"
CARD = "MODEL_CARD.md"
FORMAT = 1
SEAL = "sha256"
VARIABLE = "CMRSEG_WEIGHTS"
PLACES = (Path("/opt/ml/model"), Path("/opt/cmrseg/weights"))
CHECKOUT = Path(__file__).resolve().parents[3] / "weights"
PACKAGE = "cmrseg_weights"
CURE = (
    f"in a clone of the repository run `pip install ./weights`, or set {VARIABLE} to its folder "
    f"weights (export {VARIABLE}=/path/to/clone/weights), or give --weights a bundle's folder"
)
"""What to do where there are no weights."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    Attributes:
        folder: where it lies.
        manifest: the manifest's content.
        digest: SHA-256 of the manifest, which covers every file: the bundle's identity.
    """

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def networks(self) -> list[NetworkEntry]:
        """The networks' entries."""
        return self.manifest["networks"]

    def of(self, recipe: str) -> list[NetworkEntry]:
        """The entries of one recipe's networks (``mnms2-sa``; ``mnms2-sa-qc``: autoencoders)."""
        return [entry for entry in self.networks if entry["recipe"] == recipe]

    def having(self, networks: Sequence[NetworkEntry]) -> Bundle:
        """The bundle with some of its networks alone."""
        return replace(self, manifest={**self.manifest, "networks": list(networks)})

    def tensors(self, file: str) -> dict[str, Tensor]:
        """One network's weights, in fp32."""
        from safetensors.torch import load_file

        return storage.unshrunk(load_file(self.folder / file))


def find(challenge: str, asked: Path | None = None) -> Bundle:
    """The verified bundle of a challenge.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        asked: a bundle, or a folder that holds ``<challenge>/``; no other place is looked at.

    Raises:
        WeightsError: none found, or one that is incomplete, altered or another challenge's; or
            a place that users fill holds something else.
    """
    places = list(_places(asked))
    for place in places:
        try:
            for folder in (place, place / challenge):
                if (folder / MANIFEST).is_file():
                    return load(folder, challenge)
            wrong = _holds_else(place)
        except OSError as error:
            raise WeightsError(
                f"the weights in {place} cannot be read ({error.strerror})",
                f"give user {os.getuid()} the right to read them",
            ) from error
        if wrong:
            raise WeightsError(
                f"{place} holds something, but no bundle for {challenge}",
                f"unpack the bundle so that {MANIFEST} lies in {place} or in {place / challenge}",
            )
    raise WeightsError(
        f"no weights for {challenge} in {', '.join(map(str, places))}",
        "give --weights a bundle's folder" if asked else CURE,
    )


def is_there(challenge: str, asked: Path | None = None) -> bool:
    """Whether a bundle of a challenge lies where :func:`find` looks, sound or not."""
    for place in _places(asked):
        for path in (place / MANIFEST, place / challenge / MANIFEST):
            with contextlib.suppress(OSError):  # it may not look there
                if path.is_file():
                    return _challenge_of(path) in (challenge, None)
        with contextlib.suppress(OSError):
            if _holds_else(place):
                return False
    return False


def load(folder: Path, challenge: str) -> Bundle:
    """Read a bundle and verify every file in it.

    Raises:
        WeightsError: incomplete, altered, of another challenge or of a newer format.
    """
    manifest, digest = _manifest(folder / MANIFEST)
    found = manifest["challenge"]
    if found != challenge:
        raise WeightsError(
            f"the bundle in {folder} is for {found}, not {challenge}", "give the right --weights"
        )
    for name, expected in manifest["files"].items():
        _check_file(folder / name, expected)
    missing = {network["file"] for network in manifest["networks"]} - set(manifest["files"])
    if missing:
        raise WeightsError(
            f"the manifest in {folder} has no digest for {', '.join(sorted(missing))}",
            "pack the bundle anew",
        )
    return Bundle(folder, manifest, digest)


def sealed(manifest: Mapping[str, object]) -> str:
    """A manifest as text, with the SHA-256 of all else it says in it."""
    return _text({**manifest, SEAL: _seal(manifest)})


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _places(asked: Path | None) -> Iterator[Path]:
    if asked is not None:
        yield asked
        return
    if named := os.environ.get(VARIABLE):
        yield Path(named)
    yield from PLACES
    yield CHECKOUT
    if installed := importlib.util.find_spec(PACKAGE):
        yield from map(Path, installed.submodule_search_locations or ())


def _holds_else(place: Path) -> bool:
    """Whether a place that users fill holds something, which is no bundle if one was looked for.

    Going on to the next place would answer with other weights than those that were meant.

    Raises:
        OSError: it cannot be looked into.
    """
    named = os.environ.get(VARIABLE)
    filled = (PLACES[0], Path(named)) if named else (PLACES[0],)
    return place in filled and place.exists() and (not place.is_dir() or any(place.iterdir()))


def _manifest(path: Path) -> tuple[Manifest, str]:
    """A manifest of this format that nobody altered, and the file's SHA-256."""
    try:
        raw = path.read_bytes()
        manifest: Manifest = json.loads(raw)
        version, seal = manifest["format"], manifest.get(SEAL)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} is not a bundle's manifest", "restore the bundle") from error
    check_signature(path.parent, raw)
    if version != FORMAT:
        raise WeightsError(
            f"the bundle in {path.parent} has format {version}, this cmrseg reads {FORMAT}",
            "use the cmrseg that packed it, or pack it anew",
        )
    if seal != _seal(manifest):
        raise WeightsError(
            f"the manifest {path} was altered: its SHA-256 is not what it says",
            "restore the bundle",
        )
    return manifest, hashlib.sha256(raw).hexdigest()


def _seal(manifest: Mapping[str, object]) -> str:
    told = {key: value for key, value in manifest.items() if key != SEAL}
    return hashlib.sha256(_text(told).encode()).hexdigest()


def _text(manifest: Mapping[str, object]) -> str:
    return json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _challenge_of(path: Path) -> str | None:
    """Which challenge a manifest says it is for; None if it cannot be read."""
    try:
        return str(json.loads(path.read_bytes())["challenge"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _check_file(path: Path, expected: str) -> None:
    try:
        actual = sha256(path)
    except OSError as error:
        raise WeightsError(
            f"the bundle's file {path} is missing or unreadable", "restore the bundle"
        ) from error
    if actual != expected:
        raise WeightsError(
            f"the bundle's file {path} was altered: its SHA-256 is not the manifest's",
            "restore the bundle",
        )
