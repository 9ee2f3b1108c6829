"""Pseudo-measures: how far a mask and its reconstruction agree (galati2021 section 2.3).

pDC and pHD stand for the Dice coefficient and the Hausdorff distance that nobody can know without
ground truth. Both are 3-D, one phase at a time, and finite for any masks. No heart lacks a
structure, so a mask that does is wrong however faithfully nothing is reproduced: its pDC is 0 and
its pHD the image's diagonal. The same where the reconstruction alone lacks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from cmrseg.imaging.overlap import dice
from cmrseg.imaging.surface import hausdorff_mm
from cmrseg.imaging.volume import Array

DECISIVE = "RV"
"""The structure that thresholds, verdict and selection go by: the one the challenge scores."""


class PseudoRecord(TypedDict):
    """One structure's :class:`Pseudo` as it is recorded, rounded."""

    pDC: float
    pHD_mm: float


@dataclass(frozen=True, slots=True)
class Pseudo:
    """pDC (a fraction, high is best) and pHD (mm, low is best) of one structure."""

    pdc: float
    phd_mm: float

    def record(self) -> PseudoRecord:
        """Rounded."""
        return {"pDC": round(self.pdc, 4), "pHD_mm": round(self.phd_mm, 2)}


def recorded(measures: Mapping[str, Pseudo]) -> dict[str, PseudoRecord]:
    """Pseudo-measures by structure as they are recorded."""
    return {name: pseudo.record() for name, pseudo in measures.items()}


def pseudo_measures(
    mask: Array,
    reconstruction: Array,
    spacing_mm: Sequence[float],
    structures: Mapping[str, Sequence[int]],
) -> dict[str, Pseudo]:
    """Structure -> pDC and pHD.

    Args:
        mask: (z, y, x) labels of one phase.
        reconstruction: (z, y, x) labels.
        spacing_mm: of their voxels, (z, y, x).
        structures: name -> the labels it is made of.
    """
    found = {}
    for name, labels in structures.items():
        of_mask, of_reconstruction = np.isin(mask, labels), np.isin(reconstruction, labels)
        if of_mask.any():
            overlap = dice(of_mask, of_reconstruction)
            found[name] = Pseudo(overlap, hausdorff_mm(of_mask, of_reconstruction, spacing_mm))
        else:
            found[name] = Pseudo(0.0, float(np.linalg.norm(np.multiply(mask.shape, spacing_mm))))
    return found
