"""What both recipes are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cmrseg.imaging.grid import Grid
from cmrseg_lab.training.config import TrainingConfig
from cmrseg_lab.training.datasets import Labelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One network's place in the house: its data, its grid, its training.

    Attributes:
        name: ``emidec``, ``mnms2-sa`` or ``mnms2-la``.
        labels: class index -> structure, background (0) left out.
        grid: the spacing the network works at.
        items: finds the labelled images in a data folder.
        training: configurations by name; ``compact`` is what our bundles hold.
    """

    name: str
    labels: dict[int, str]
    grid: Grid
    items: Callable[[Path], list[Labelled]]
    training: dict[str, TrainingConfig]
