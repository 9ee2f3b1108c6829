"""Which code made a table."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

REVISION = "CMRSEG_REVISION"
"""Set in our images, which have no git."""


def commit_of_code() -> str:
    """The commit of this checkout, ``+`` where files of the package differ from it.

    ``unknown`` outside a checkout, unless ``$CMRSEG_REVISION`` says it.
    """
    if told := os.environ.get(REVISION):
        return told
    package = Path(__file__).resolve().parents[1]
    commit = _git(package, "rev-parse", "--short", "HEAD")
    if not commit:
        return "unknown"
    return commit + ("+" if _git(package, "status", "--porcelain", "--", ".") else "")


def _git(folder: Path, *arguments: str) -> str:
    """What git says there; nothing where it is not, or the folder is in no checkout."""
    try:
        ran = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""
