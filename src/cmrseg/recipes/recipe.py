"""What a network of a recipe finds, and on which grid."""

from __future__ import annotations

from dataclasses import dataclass

from cmrseg.cases.challenge import ChallengeSpec
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


def recipes_of(spec: ChallengeSpec) -> dict[str, Recipe]:
    """The network recipes of a challenge, by name."""
    return {
        name: Recipe(name=name, labels=dict(spec.labels), grid=Grid(spacing_mm))
        for name, spacing_mm in spec.grids_mm.items()
    }
