"""When a refined segmenter's mask is believed: the test that keeps refinement from doing harm.

The autoencoder reproduces plausible masks, right or not, and a segmenter that learned to please it
is the first to be misjudged by it: in range is not enough. The other candidates were not refined,
so what they see in the image is a second opinion. A refined mask is taken only where the segmenter
has come into range and away from nobody: no farther from the others than its mask was before, by
overlap and by distance.
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


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near a mask is to the other candidates', on average: RV Dice, and distance in mm."""

    dice: float
    hd_mm: float

    def holds_against(self, before: Agreement) -> bool:
        """Neither less overlap nor more distance than before."""
        return self.dice >= before.dice and self.hd_mm <= before.hd_mm


def agreement(
    mask: Array, others: Sequence[Array], spacing_mm: Sequence[float], labels: Sequence[int]
) -> Agreement:
    """A mask's agreement with others; with nobody to ask it is perfect.

    Args:
        mask: (z, y, x) labels.
        others: the other candidates' masks, as they were before anything was refined.
        spacing_mm: of their voxels, (z, y, x).
        labels: of the decisive structure.
    """
    if not others:
        return Agreement(1.0, 0.0)
    own, rest = np.isin(mask, labels), [np.isin(other, labels) for other in others]
    return Agreement(
        float(np.mean([dice(own, other) for other in rest])),
        float(np.mean([hausdorff_mm(own, other, spacing_mm) for other in rest])),
    )


def believed(
    measures: Mapping[str, Pseudo], fences: Fences, after: Agreement, before: Agreement
) -> bool:
    """Whether a refined mask is in range and agrees with the others no less than before."""
    return fences.hold(measures[DECISIVE]) and after.holds_against(before)
