"""Volumes: read, orient, resample there and back, write.

Importing this needs numpy only: SimpleITK and nibabel come with the first file of theirs, and
``resample``, ``prepare`` and ``itk``, which need scipy and SimpleITK, with the first of their
names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cmrseg.imaging.orient import Orientation, canonical

# These two functions take the place of the modules they come from, so they are never lazy.
from cmrseg.imaging.read import check_image, frame_count, read
from cmrseg.imaging.volume import Geometry, Grid, Volume
from cmrseg.imaging.write import write

if TYPE_CHECKING:
    from cmrseg.imaging.itk import to_itk
    from cmrseg.imaging.prepare import robust_zscore
    from cmrseg.imaging.resample import (
        labels_to_grid,
        probabilities_to,
        resample_to,
        to_grid,
    )

__all__ = [
    "Geometry",
    "Grid",
    "Orientation",
    "Volume",
    "canonical",
    "check_image",
    "frame_count",
    "labels_to_grid",
    "probabilities_to",
    "read",
    "resample_to",
    "robust_zscore",
    "to_grid",
    "to_itk",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {"to_itk": "itk", "robust_zscore": "prepare"}.get(name, "resample")
    return getattr(import_module(f"cmrseg.imaging.{module}"), name)
