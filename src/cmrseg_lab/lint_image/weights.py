"""The weights bundle inside an image, verified without unpacking anything."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from cmrseg.models import bundle
from cmrseg.models.manifest import Manifest
from cmrseg_lab.lint_image.archive import Image
from cmrseg_lab.lint_image.checks import Check, check_of
from cmrseg_lab.lint_image.layers import Entry, resolve

READABLE_BY_ALL = 0o004


@dataclass(frozen=True, slots=True)
class Found:
    """A bundle's manifest and the folder that it lies in."""

    folder: str
    manifest: Manifest


def find_bundles(files: Mapping[str, Entry]) -> list[Found]:
    """Every manifest of a bundle, verified or not."""
    found = []
    for entry in files.values():
        if not entry.text:
            continue
        try:
            manifest = json.loads(entry.text)
        except ValueError:
            continue
        if isinstance(manifest, dict) and {"challenge", "format", "files"} <= set(manifest):
            folder = "/" + posixpath.dirname(entry.path)
            found.append(Found(folder, cast(Manifest, manifest)))
    return found


def weights(image: Image, files: Mapping[str, Entry], challenge: str | None) -> Check:
    """A bundle of the challenge lies where cmrseg looks, whole and readable by any user."""
    bundles = find_bundles(files)
    if not bundles:
        return Check(
            name="weights",
            verdict="warn",
            found="no bundle in the image",
            remedy="upload one as the algorithm's model, or build with --build-arg WEIGHTS=",
        )
    faults = [fault for found in bundles for fault in _faults(found, image, files)]
    challenges = sorted({found.manifest["challenge"] for found in bundles})
    if challenge and challenge not in challenges:
        faults.append(f"the bundle is for {', '.join(challenges)}, not {challenge}")
    fine = ", ".join(
        f"{found.manifest['challenge']} in {found.folder}, {len(found.manifest['files'])} files,"
        " digests right"
        for found in bundles
    )
    return check_of("weights", faults, fine, "pack the bundle anew and build with it")


def _faults(found: Found, image: Image, files: Mapping[str, Entry]) -> Iterator[str]:
    manifest, folder = found.manifest, found.folder
    if manifest["format"] != bundle.FORMAT:
        yield f"the bundle in {folder} has format {manifest['format']}, not {bundle.FORMAT}"
        return
    if json.loads(bundle.sealed(manifest))[bundle.SEAL] != manifest.get(bundle.SEAL):
        yield f"the manifest in {folder} was altered: its SHA-256 is not what it says"
    for name, expected in {bundle.MANIFEST: None, **manifest["files"]}.items():
        entry = resolve(files, posixpath.join(folder, name))
        if entry is None:
            yield f"{name} is missing from {folder}"
        elif expected and entry.digest != expected:
            yield f"{name} in {folder} was altered: its SHA-256 is not the manifest's"
        elif not entry.mode & READABLE_BY_ALL:
            yield f"{name} in {folder} may not be read by an arbitrary user"
    places = [str(place) for place in bundle.PLACES]
    places += [p for p in [image.environment.get("CMRSEG_WEIGHTS")] if p]
    if folder not in {p for place in places for p in (place, f"{place}/{manifest['challenge']}")}:
        yield f"nobody looks for weights in {folder}"
