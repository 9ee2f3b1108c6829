"""Images made by hand: layers, configuration and archive, as ``docker save`` writes them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmrseg.models import bundle

LABELS = {
    "org.opencontainers.image.version": "1.2",
    "org.opencontainers.image.revision": "abc",
    "org.opencontainers.image.licenses": "MIT",
    "org.opencontainers.image.source": "https://example.org/x",
    "org.grand-challenge.api-method": "exec",
}
SETTINGS: dict[str, Any] = {
    "User": "1000:1000",
    "Env": ["PATH=/opt/bin:/bin", "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D"],
    "Entrypoint": ["/opt/run.sh", "emidec"],
    "Labels": LABELS,
}
File = bytes | tuple[bytes, int]


def layer(
    files: Mapping[str, File] | None = None,
    *,
    links: Mapping[str, str] | None = None,
    folders: Mapping[str, int] | None = None,
) -> bytes:
    """A layer's tar; a file is its content, or content and mode."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, mode in (folders or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, mode
            tar.addfile(member)
        for name, file in (files or {}).items():
            content, mode = file if isinstance(file, tuple) else (file, 0o644)
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return raw.getvalue()


def weights(challenge: str = "emidec", folder: str = "opt/cmrseg/weights/emidec") -> dict[str, Any]:
    """A sealed bundle's files, of which only the digests matter here."""
    files = {"a.safetensors": b"numbers" * 30, "MODEL_CARD.md": b"# card"}
    manifest = {
        "challenge": challenge,
        "format": bundle.FORMAT,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "networks": [],
    }
    files["manifest.json"] = bundle.sealed(manifest).encode()
    return {f"{folder}/{name}": data for name, data in files.items()}


def usual_layers() -> list[bytes]:
    """An image with nothing to complain of."""
    base = layer({"usr/bin/sh": (b"\x7fELF", 0o755)}, links={"bin": "usr/bin"})
    return [base, layer({"opt/run.sh": (b"#!/bin/sh\n", 0o755), **weights()})]


def config(layers: Sequence[bytes], settings: Mapping[str, Any], **told: Any) -> bytes:
    """An image's configuration."""
    digests = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers]
    whole = {
        "os": "linux",
        "architecture": "amd64",
        "config": dict(settings),
        "rootfs": {"type": "layers", "diff_ids": digests},
        "history": [{"created_by": "COPY . /opt # buildkit"}],
        **told,
    }
    return json.dumps(whole).encode()


def save(
    path: Path,
    layers: Sequence[bytes] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    form: str = "docker",
    images: int = 1,
    zipped_layers: bool = False,
    **told: Any,
) -> Path:
    """An archive; ``form`` is ``docker`` (with both indices), ``legacy`` or ``oci``."""
    layers = usual_layers() if layers is None else layers
    about = config(layers, SETTINGS | dict(settings or {}), **told)
    if form == "legacy":
        files = {f"{n}/layer.tar": data for n, data in enumerate(layers)}
        names, config_name = list(files), f"{hashlib.sha256(about).hexdigest()}.json"
        files[config_name] = about
    else:
        stored = [gzip.compress(data, mtime=0) if zipped_layers else data for data in layers]
        names = [_blob(data) for data in stored]
        config_name = _blob(about)
        files = dict(zip(names, stored, strict=True)) | {config_name: about}
        files |= _index(names, config_name)
    if form != "oci":
        entry = {"Config": config_name, "RepoTags": ["x:1"], "Layers": names}
        files["manifest.json"] = json.dumps([entry] * images).encode()
    path.write_bytes(layer(files))
    return path


def _index(names: Sequence[str], config_name: str) -> dict[str, bytes]:
    """The OCI layout's own description, beside what a builder attests."""
    manifest = json.dumps(
        {
            "config": {"digest": _digest(config_name)},
            "layers": [{"digest": _digest(name)} for name in names],
        }
    ).encode()
    attested = json.dumps({"config": {"digest": "sha256:none"}, "layers": []}).encode()
    nested = json.dumps(
        {
            "manifests": [
                {"digest": _digest(_blob(manifest)), "platform": {"os": "linux"}},
                {"digest": _digest(_blob(attested)), "platform": {"os": "unknown"}},
            ]
        }
    ).encode()
    index = json.dumps({"manifests": [{"digest": _digest(_blob(nested))}]}).encode()
    return {_blob(data): data for data in (manifest, attested, nested)} | {"index.json": index}


def _blob(data: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"


def _digest(name: str) -> str:
    return name.removeprefix("blobs/").replace("/", ":")
