"""Quality control of one view, from candidate masks to measures, verdict and choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NotRequired, TypedDict

import numpy as np
import torch

from cmrseg.imaging.volume import Array
from cmrseg.models.autoencoder import Autoencoder, AutoencoderConfig
from cmrseg.models.bundle import Bundle
from cmrseg.quality.adaptation_types import RefinementRecord
from cmrseg.quality.mask_window import centre, cut_window, one_hot, paste
from cmrseg.quality.pseudo_metrics import (
    DECISIVE,
    Pseudo,
    PseudoRecord,
    pseudo_measures,
    recorded,
)
from cmrseg.quality.selection import TIE, Choice, Fences, Verdict, choose, judge_measures
from cmrseg.runtime.errors import WeightsError

SLICES_AT_ONCE = 32
"""Memory stays flat however long the stack."""


@dataclass(frozen=True, slots=True)
class Reconstructor:
    """A trained autoencoder of one view; it works in fp32, on masks of the recipe's grid.

    Attributes:
        network: in evaluation mode.
        device: where it computes.
    """

    network: Autoencoder
    device: torch.device

    @torch.inference_mode()
    def labels(self, mask: Array) -> Array:
        """The reconstruction's most probable class by voxel; background outside the window.

        Args:
            mask: (z, y, x) labels on the recipe's grid.

        Returns:
            (z, y, x) uint8.
        """
        config = self.network.config
        at = centre(mask)
        x = one_hot(cut_window(mask, at, config.size), config.classes, config.slices)
        pieces = [self.network(part.to(self.device)) for part in torch.split(x, SLICES_AT_ONCE)]
        seen = torch.cat(pieces).argmax(dim=1).to(torch.uint8).cpu().numpy()
        return paste(seen, at, np.zeros(mask.shape, np.uint8))


class QualityRecord(TypedDict):
    """What is recorded of one image's quality control.

    Attributes:
        out_of_distribution: the verdict; ``reason`` in words.
        th_low: lowest pDC in range.
        th_up_mm: highest pHD in range.
        chosen: who answers, by number from 1; of external masks by name.
        chosen_because: why, in words.
        candidates: structure -> pseudo-measures of each; of external masks by name.
        thresholds: ``frozen`` in the bundle, or of this ``cohort``.
        refinement: what it did, where it ran.
        answer: structure -> pseudo-measures of the answer.
        candidates_agree: structure -> mean Dice of answer and candidates.
        doubtful: structure -> Dice to expect, where that is low.
        in_range: of external masks, name -> whether it is in range.
        faults: of external masks, name -> what is plainly wrong, in words.
    """

    out_of_distribution: bool
    reason: str
    th_low: float
    th_up_mm: float
    chosen: Sequence[int] | Sequence[str]
    chosen_because: str
    candidates: Sequence[Mapping[str, PseudoRecord]] | Mapping[str, Mapping[str, PseudoRecord]]
    thresholds: NotRequired[str]
    refinement: NotRequired[RefinementRecord]
    answer: NotRequired[Mapping[str, PseudoRecord]]
    candidates_agree: NotRequired[Mapping[str, float]]
    doubtful: NotRequired[Mapping[str, float]]
    in_range: NotRequired[Mapping[str, bool]]
    faults: NotRequired[Mapping[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Assessment:
    """What quality control says of one image's candidates.

    Attributes:
        measures: one a candidate: structure -> pDC and pHD.
        fences: what was in range.
        verdict: out of distribution or not.
        choice: the candidate to take.
        expected: the labels that the autoencoder makes of each candidate; empty if not kept.
    """

    measures: tuple[dict[str, Pseudo], ...]
    fences: Fences
    verdict: Verdict
    choice: Choice
    expected: tuple[Array, ...] = ()

    def record(self) -> QualityRecord:
        """Rounded, candidates counted from 1 as in the words."""
        return {
            "out_of_distribution": self.verdict.ood,
            "reason": self.verdict.reason,
            "th_low": round(self.fences.th_low, 4),
            "th_up_mm": round(self.fences.th_up_mm, 2),
            "chosen": [i + 1 for i in self.choice.candidates],
            "chosen_because": self.choice.reason,
            "candidates": [recorded(by_structure) for by_structure in self.measures],
        }


@dataclass(frozen=True, slots=True)
class QualityControl:
    """The autoencoder of one view and the structures it is asked about.

    Attributes:
        reconstructor: the trained autoencoder.
        structures: name -> the labels it is made of; the decisive one is among them.
        tie: candidates within this of the best pDC are averaged (:func:`choose`).
    """

    reconstructor: Reconstructor
    structures: Mapping[str, Sequence[int]]
    tie: float = TIE

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        recipe: str,
        structures: Mapping[str, Sequence[int]],
        device: torch.device,
        tie: float = TIE,
    ) -> QualityControl | None:
        """The autoencoder a bundle has for a recipe (``mnms2-sa-qc``, ...); None if it has none.

        Raises:
            WeightsError: its weights do not fit the shape the manifest gives it.
        """
        for entry in bundle.of(recipe):
            try:
                network = Autoencoder(AutoencoderConfig.from_dict(entry["config"]))
                network.load_state_dict(bundle.tensors(entry["file"]))
            except (KeyError, TypeError, ValueError, RuntimeError) as error:
                raise WeightsError(
                    f"the weights in {entry['file']} do not fit this cmrseg's networks",
                    "use the cmrseg that packed the bundle, or pack it anew",
                ) from error
            return cls(Reconstructor(network.eval().to(device), device), structures, tie)
        return None

    def measure(self, mask: Array, spacing_mm: Sequence[float]) -> dict[str, Pseudo]:
        """The pseudo-measures by structure of a (z, y, x) label mask on the recipe's grid."""
        return self.look(mask, spacing_mm)[0]

    def look(self, mask: Array, spacing_mm: Sequence[float]) -> tuple[dict[str, Pseudo], Array]:
        """The same, and the reconstruction's labels that they compare the mask with."""
        expected = self.reconstructor.labels(mask)
        return pseudo_measures(mask, expected, spacing_mm, self.structures), expected

    def assess(
        self, masks: Sequence[Array], spacing_mm: Sequence[float], fences: Fences
    ) -> Assessment:
        """Measures, verdict and choice for one image's candidate masks."""
        looks = [self.look(mask, spacing_mm) for mask in masks]
        found = assess(tuple(measures for measures, _ in looks), fences, self.tie)
        return replace(found, expected=tuple(expected for _, expected in looks))


def assess(measures: tuple[dict[str, Pseudo], ...], fences: Fences, tie: float = TIE) -> Assessment:
    """Verdict and choice from measures already taken, as after a cohort gave other fences."""
    decisive = [by_structure[DECISIVE] for by_structure in measures]
    return Assessment(
        measures, fences, judge_measures(decisive, fences), choose(decisive, fences, tie)
    )
