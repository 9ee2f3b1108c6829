"""Text files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cmrseg.runtime.errors import OutputError


def write_files(files: Mapping[Path, str]) -> None:
    """Write texts as UTF-8, each put into place in one move; folders are made.

    Args:
        files: path -> text.

    Raises:
        OutputError: one cannot be written.
    """
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, text)
        except OSError as error:
            raise OutputError(
                f"{path.name} cannot be written ({error.strerror or type(error).__name__})",
                "check that the output folder may be written to and has space left",
            ) from error


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
