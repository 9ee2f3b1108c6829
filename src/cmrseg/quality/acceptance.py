"""When a refined segmenter's mask is believed: the test that keeps refinement from doing harm.

The autoencoder reproduces plausible masks, right or not, and a segmenter that learned to please it
is the first to be misjudged by it: in range is not enough. What the other candidates see in the
image, which it has not learned from, is a second opinion. A refined mask is taken only where the
segmenter has come into range and away from nobody: no farther from the others than its mask was
before, by overlap and by distance. That holds for the decisive structure; the others may not be
lost for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.imaging.overlap import dice
from cmrseg.imaging.surface import hausdorff_mm
from cmrseg.imaging.volume import Array
from cmrseg.quality.measures import DECISIVE, Pseudo
from cmrseg.quality.thresholds import Fences

LEEWAY = 0.02
"""Of Dice: so much may refinement for one structure move the borders of another."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near a mask is to the other candidates', on average.

    Attributes:
        dice: of the decisive structure.
        hd_mm: its distance in mm.
        beside: Dice of each other structure.
    """

    dice: float
    hd_mm: float
    beside: tuple[float, ...] = ()

    def holds_against(self, before: Agreement) -> bool:
        """Neither less overlap nor more distance than before; no other structure lost."""
        nobody_lost = all(
            now >= was - LEEWAY for now, was in zip(self.beside, before.beside, strict=True)
        )
        return self.dice >= before.dice and self.hd_mm <= before.hd_mm and nobody_lost


def agreement(
    mask: Array,
    others: Sequence[Array],
    spacing_mm: Sequence[float],
    structures: Mapping[str, Sequence[int]],
) -> Agreement:
    """A mask's agreement with others; with nobody to ask it is perfect.

    Who does not see the decisive structure at all is not asked about it: every heart has one.

    Args:
        mask: (z, y, x) labels.
        others: the other candidates' masks, as they were before anything was refined.
        spacing_mm: of their voxels, (z, y, x).
        structures: name -> labels.
    """
    if not others:
        return Agreement(1.0, 0.0)
    overlap, distances = {}, []
    for name, labels in structures.items():
        own, rest = np.isin(mask, labels), [np.isin(other, labels) for other in others]
        if name == DECISIVE:
            rest = [other for other in rest if other.any()]
            distances = [hausdorff_mm(own, other, spacing_mm) for other in rest] or [0.0]
        overlap[name] = float(np.mean([dice(own, other) for other in rest] or [1.0]))
    decisive = overlap.pop(DECISIVE)
    return Agreement(decisive, float(np.mean(distances)), tuple(overlap.values()))


def believed(
    measures: Mapping[str, Pseudo], fences: Fences, after: Agreement, before: Agreement
) -> bool:
    """Whether a refined mask is in range and agrees with the others no less than before."""
    return fences.hold(measures[DECISIVE]) and after.holds_against(before)
