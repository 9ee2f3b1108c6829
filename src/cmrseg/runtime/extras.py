"""What to install where a package is missing."""

from __future__ import annotations

import re

from cmrseg.runtime.errors import UsageError

OWN = ("cmrseg", "cmrseg_lab")


def missing(error: ModuleNotFoundError) -> UsageError | None:
    """A missing package in words, with the line that installs it; None where it is our own.

    Args:
        error: what importing the package raised.
    """
    package = (error.name or "").partition(".")[0]
    if not package or package in OWN:
        return None
    extra = _extra_of(package)
    wanted = f"'cmrseg[{extra}]'" if extra else package
    return UsageError(f"the package {package} is not installed", f"pip install {wanted}")


def _extra_of(package: str) -> str | None:
    """The extra of ours that brings a package; the first one that names it."""
    from importlib import metadata  # takes a while

    try:
        requirements = metadata.requires("cmrseg") or []
    except metadata.PackageNotFoundError:
        return None
    for line in requirements:
        found = re.match(r"([\w.-]+)[^;]*;.*extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if found and found[1].lower().replace("-", "_") == package.lower():
            return found[2]
    return None
