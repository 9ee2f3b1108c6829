"""Checks of what lies in an image's layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from cmrseg_lab.lint_image.archive import Image
from cmrseg_lab.lint_image.checks import Check, Verdict, check_of
from cmrseg_lab.lint_image.layers import Entry
from cmrseg_lab.lint_image.suspects import (
    CREDENTIALS,
    IMAGE,
    KEY,
    PICKLE,
    REPOSITORY,
    TOKEN,
    in_library,
    package,
)

OPEN_PLACES = ("tmp", "var/tmp", "input", "output", "dev/shm", "run/lock")
THEIR_TESTS = "delete these packages' tests where the packages are installed"
WRITABLE_BY_ALL, STICKY = 0o002, 0o1000


def no_secrets(image: Image, files: Mapping[str, Entry]) -> Check:
    """No credentials, keys or tokens in any layer, deleted ones included."""
    remedy = "revoke them, then build with --secret: a later RUN rm leaves them in the layer below"
    kinds = (CREDENTIALS, KEY, TOKEN)
    return _without(image, files, "secret files", kinds, "none in any layer", remedy)


def no_repository(image: Image, files: Mapping[str, Entry]) -> Check:
    """No version-control folder, which holds everything that ever was."""
    remedy = "list .git in .dockerignore"
    return _without(image, files, "repository", (REPOSITORY,), "none", remedy)


def no_patients(image: Image, files: Mapping[str, Entry]) -> Check:
    """No medical images."""
    remedy = "list data folders in .dockerignore, copy only what inference needs"
    return _without(image, files, "patients", (IMAGE,), "no medical image in any layer", remedy)


def no_pickles(image: Image, files: Mapping[str, Entry]) -> Check:
    """No weights that run code when they are loaded."""
    remedy = "pack weights as safetensors: cmrseg-lab pack"
    return _without(image, files, "pickles", (PICKLE,), "no pickled weights", remedy)


def permissions(files: Mapping[str, Entry]) -> Check:
    """Nothing that any user may change, but where files are meant to go."""
    faults = [
        f"/{entry.path} may be written by anybody"
        for entry in files.values()
        if entry.kind in ("file", "folder")
        and entry.mode & WRITABLE_BY_ALL
        and not entry.mode & STICKY
        and entry.path not in OPEN_PLACES
    ]
    return check_of("permissions", faults, "code is read-only", "chmod -R o-w", "warn")


def _without(
    image: Image,
    files: Mapping[str, Entry],
    name: str,
    kinds: tuple[str, ...],
    fine: str,
    remedy: str,
) -> Check:
    """No file of some kinds; a library's own test files are only warned of."""
    ours, theirs = [], Counter[str]()
    for number, layer in enumerate(image.layers, 1):
        for entry in layer.entries:
            found = [kind for kind in kinds if kind in entry.marks]
            if found and in_library(entry.path):
                theirs[package(entry.path)] += 1
            elif found:
                ours.append(f"{found[0]} in {_where(entry, number, files)}")
    verdict: Verdict = "fail" if ours else "warn"
    remedy = remedy if ours else THEIR_TESTS
    if theirs:
        told = ", ".join(f"{name} ({count})" for name, count in theirs.most_common())
        ours.append(f"in Python packages: {told}")
    return check_of(name, ours, fine, remedy, verdict)


def _where(entry: Entry, number: int, files: Mapping[str, Entry]) -> str:
    """The folder alone: a patient's file name must not get into a log."""
    folder = entry.path.rpartition("/")[0]
    if IMAGE not in entry.marks:
        folder = entry.path
    kept = files.get(entry.path) is entry
    return f"/{folder}, layer {number}{'' if kept else ' (deleted later, still to be read)'}"
