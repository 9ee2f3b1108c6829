"""What a network of a recipe finds, and on which grid."""

from __future__ import annotations

from dataclasses import dataclass

from cmrseg.imaging.volume import Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What the networks of one name have in common, however they were trained.

    Attributes:
        name: ``emidec``, ``mnms2-sa`` or ``mnms2-la``.
        labels: class index -> structure, background (0) left out.
        grid: the spacing the network works at.
    """

    name: str
    labels: dict[int, str]
    grid: Grid
