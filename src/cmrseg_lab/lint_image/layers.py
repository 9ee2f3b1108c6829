"""What lies in an image's layers: each file's path, mode and digest, and what it looks like.

A layer is read once, as a stream, and nothing is unpacked. A file that a later layer deletes is
still in the image for everybody to read: checks for what must not be there look at every layer,
checks for what must be there at the merged ones, whiteouts honoured (OCI image specification, layer
file system changeset).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import posixpath
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from cmrseg.runtime.errors import InputError
from cmrseg_lab.lint_image.suspects import marks

Kind = Literal["file", "folder", "link", "other"]

BLOCK = 1 << 20
SMALL = 64 << 10
"""Files up to this size are looked into, and manifests kept."""
SAMPLED = 32
"""One block of so many is compressed, to estimate what the whole would take."""
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
MOST_LINKS = 40


class Readable(Protocol):
    """Anything that can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link of a layer.

    Attributes:
        path: without a leading slash.
        kind: what it is.
        mode: permission bits.
        target: where a link leads.
        digest: SHA-256 of a file's content.
        marks: what a file looks like (``suspects.marks``).
        text: content of a ``manifest.json``.
    """

    path: str
    kind: Kind
    mode: int
    target: str = ""
    digest: str = ""
    marks: frozenset[str] = frozenset()
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    Attributes:
        entries: what it adds, changes or (by whiteouts) deletes.
        diff_id: ``sha256:...`` of the uncompressed tar, as the image's configuration names it.
        packed_bytes: its size compressed; estimated from a sample if it came uncompressed.
    """

    entries: tuple[Entry, ...]
    diff_id: str
    packed_bytes: int


def looks_like_layer(head: bytes) -> bool:
    """Whether a blob that begins so (512 bytes) is a tar: plain, compressed or empty."""
    return head[:2] == GZIP or head[:4] == ZSTD or head[257:262] == b"ustar" or head == bytes(512)


def read_layer(stream: Readable) -> Layer:
    """One layer's entries, digest and size.

    Args:
        stream: the layer's tar, plain or gzipped, from its first byte.

    Raises:
        InputError: another compression, or damaged.
    """
    packed = _Meter(stream)
    head = packed.peek(4)
    if head == ZSTD:
        raise InputError(
            "a layer is compressed with zstd", "save the image with docker save, or build with gzip"
        )
    zipped = head[:2] == GZIP
    plain = _Meter(gzip.GzipFile(fileobj=packed) if zipped else packed, sample=not zipped)
    try:
        with tarfile.open(fileobj=plain, mode="r|", bufsize=BLOCK) as tar:
            entries = tuple(_entry(tar, member) for member in tar)
        while plain.read(BLOCK):
            pass
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError("a layer is damaged or cut short", "save the image again") from error
    size = packed.count if zipped else plain.estimate()
    return Layer(entries, f"sha256:{plain.digest.hexdigest()}", size)


def merged(layers: Iterable[Layer]) -> dict[str, Entry]:
    """Path -> entry of the file system that a container sees."""
    files: dict[str, Entry] = {}
    for layer in layers:
        for entry in layer.entries:
            folder, name = posixpath.split(entry.path)
            if name == OPAQUE:
                _delete(files, folder, itself=False)
            elif name.startswith(WHITEOUT):
                _delete(files, posixpath.join(folder, name.removeprefix(WHITEOUT)))
        for entry in layer.entries:
            if posixpath.basename(entry.path).startswith(WHITEOUT):
                continue
            known = files.get(entry.path)
            if known and known.kind == "folder" and entry.kind != "folder":
                _delete(files, entry.path)
            files[entry.path] = entry
    return files


def resolve(files: Mapping[str, Entry], path: str) -> Entry | None:
    """The entry that an absolute path leads to, links followed; None if there is none."""
    todo, at, links = _parts(path), "", 0
    while todo:
        part = todo.pop()
        here = posixpath.dirname(at) if part == ".." else posixpath.join(at, part)
        entry = files.get(here)
        if entry is None or entry.kind != "link":
            at = here
            continue
        links += 1
        if links > MOST_LINKS:
            return None
        at = "" if entry.target.startswith("/") else at
        todo += _parts(entry.target)
    return files.get(at)


def _parts(path: str) -> list[str]:
    """A path's parts, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _delete(files: dict[str, Entry], path: str, *, itself: bool = True) -> None:
    inside = f"{path}/" if path else ""
    for known in [p for p in files if p.startswith(inside) or (itself and p == path)]:
        del files[known]


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    path = posixpath.normpath("/" + member.name).lstrip("/")
    if member.isdir():
        return Entry(path, "folder", member.mode)
    if member.issym():
        return Entry(path, "link", member.mode, target=member.linkname)
    if member.islnk():
        return Entry(path, "link", member.mode, target=f"/{member.linkname}")
    content = tar.extractfile(member)
    if content is None:
        return Entry(path, "other", member.mode)
    digest, head = hashlib.sha256(), b""
    for block in _blocks(content):
        head = head or block[:SMALL]
        digest.update(block)
    whole = member.size <= SMALL
    kept = head if whole and posixpath.basename(path) == "manifest.json" else b""
    found = marks(path, head, whole=whole)
    return Entry(path, "file", member.mode, digest=digest.hexdigest(), marks=found, text=kept)


def _blocks(stream: Readable) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


class _Meter(io.RawIOBase):
    """A stream that counts and hashes what is read, and compresses a sample of it on request."""

    def __init__(self, stream: Readable | BinaryIO, *, sample: bool = False) -> None:
        self.stream, self.sample = stream, sample
        self.count = self.blocks = self.sampled = self.squeezed = 0
        self.digest = hashlib.sha256()
        self.ahead = b""

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay to be read."""
        while len(self.ahead) < size and (more := self.stream.read(size - len(self.ahead))):
            self.ahead += more
        return self.ahead[:size]

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes."""
        block, self.ahead = self.ahead[:size], self.ahead[size:]
        if not block:
            block = self.stream.read(size)
        self.count += len(block)
        self.digest.update(block)
        if self.sample and len(block) >= SMALL:
            self._squeeze(block)
        return block

    def _squeeze(self, block: bytes) -> None:
        if self.blocks % SAMPLED == 0:
            self.sampled += len(block)
            self.squeezed += len(zlib.compress(block, 6))
        self.blocks += 1

    def estimate(self) -> int:
        """About how many bytes the whole would take compressed; as it is, if too small to tell."""
        return round(self.count * self.squeezed / self.sampled) if self.sampled else self.count
