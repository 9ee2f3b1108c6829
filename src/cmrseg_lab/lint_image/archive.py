"""An image as ``docker save`` writes it: read once, as a stream, with the standard library alone.

Both forms are read: the older one (``<id>/layer.tar``, configuration beside them) and the OCI
layout (``blobs/sha256/...``) that newer engines write, with Docker's ``manifest.json`` or, from
other tools, ``index.json`` alone.
"""

from __future__ import annotations

import json
import posixpath
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NotRequired, TypedDict

from cmrseg.runtime.errors import InputError
from cmrseg_lab.lint_image.layers import BLOCK, Layer, looks_like_layer, read_layer

DOCUMENT_BYTES = 4 << 20
HEAD = 512


@dataclass(frozen=True, slots=True)
class Image:
    """One image of an archive.

    Attributes:
        config: the OCI image configuration.
        layers: from the base upwards.
        tags: names that the archive gives it.
        config_digest: SHA-256 that the configuration is filed under.
    """

    config: Mapping[str, Any]
    layers: tuple[Layer, ...]
    tags: tuple[str, ...] = ()
    config_digest: str = ""

    @property
    def settings(self) -> Mapping[str, Any]:
        """How containers are started: ``User``, ``Env``, ``Entrypoint``, ``Cmd``, ``Labels``."""
        return self.config.get("config") or {}

    @property
    def environment(self) -> dict[str, str]:
        """Variables set in every container."""
        pairs = (entry.partition("=") for entry in self.settings.get("Env") or [])
        return {name: value for name, _, value in pairs}

    @property
    def labels(self) -> dict[str, str]:
        """The image's labels."""
        return self.settings.get("Labels") or {}

    @property
    def command(self) -> list[str]:
        """Entrypoint and what is given to it."""
        return [*(self.settings.get("Entrypoint") or []), *(self.settings.get("Cmd") or [])]


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive holds.

    Attributes:
        images: usually one.
        docker: whether it has Docker's ``manifest.json``, which the platform reads.
    """

    images: tuple[Image, ...]
    docker: bool


def read_archive(stream: BinaryIO) -> Archive:
    """The images in a ``docker save`` stream, plain or compressed.

    Raises:
        InputError: no such archive, damaged, or compressed in a way that cannot be read.
    """
    contents = _Contents()
    try:
        with tarfile.open(fileobj=stream, mode="r|*", bufsize=BLOCK) as tar:
            for member in tar:
                contents.take(tar, member)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(
            "the image archive is no tar, or cut short", "write it again with docker save"
        ) from error
    try:
        docker = "manifest.json" in contents.documents
        found = contents.json("manifest.json") if docker else contents.oci_manifests()
        images = tuple(contents.image(entry) for entry in found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "the archive is not what docker save writes", "write it again with docker save"
        ) from error
    return Archive(images, docker)


class DockerManifest(TypedDict):
    """An image in Docker's ``manifest.json``: names of its configuration and layers, its tags."""

    Config: str
    Layers: list[str]
    RepoTags: NotRequired[list[str] | None]


class _Contents:
    """Documents and layers of an archive by name, in whatever order they come."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.layers: dict[str, Layer] = {}
        self.links: dict[str, str] = {}

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """One member of the archive."""
        name = posixpath.normpath(member.name)
        if member.issym():
            self.links[name] = posixpath.normpath(
                posixpath.join(posixpath.dirname(name), member.linkname)
            )
        elif member.islnk():
            self.links[name] = posixpath.normpath(member.linkname)
        content = tar.extractfile(member) if member.isfile() else None
        if content is None:
            return
        head = content.read(HEAD)
        if looks_like_layer(head):
            self.layers[name] = read_layer(_Rejoined(head, content))
        elif member.size <= DOCUMENT_BYTES:
            self.documents[name] = head + content.read()

    def json(self, name: str) -> Any:
        """One document."""
        return json.loads(self.documents[name])

    def oci_manifests(self) -> list[DockerManifest]:
        """``index.json``'s images in the words of Docker's ``manifest.json``."""
        found, todo = [], list(self.json("index.json")["manifests"])
        while todo:
            told = todo.pop(0)
            # What builders attest about an image is filed like a further image.
            if (told.get("platform") or {}).get("os") == "unknown":
                continue
            manifest = self.json(_blob(told["digest"]))
            if "manifests" in manifest:
                todo += manifest["manifests"]
                continue
            layers = [_blob(layer["digest"]) for layer in manifest["layers"]]
            config = _blob(manifest["config"]["digest"])
            found.append(DockerManifest(Config=config, Layers=layers))
        return found

    def image(self, entry: DockerManifest) -> Image:
        """The image that an entry of ``manifest.json`` describes."""
        layers = (self.links.get(name, name) for name in entry["Layers"])
        return Image(
            self.json(entry["Config"]),
            tuple(self.layers[name] for name in layers),
            tuple(entry.get("RepoTags") or ()),
            posixpath.basename(entry["Config"]).removesuffix(".json"),
        )


class _Rejoined:
    """A stream and the bytes already read from it."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self.head, self.rest = head, rest

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes."""
        if not self.head:
            data: bytes = self.rest.read(size)
            return data
        end = len(self.head) if size < 0 else size
        block, self.head = self.head[:end], self.head[end:]
        return block


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
