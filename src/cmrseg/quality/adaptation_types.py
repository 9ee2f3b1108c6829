"""What refinement is told, and what it tells: settings, flagged images, looks, outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

from cmrseg.imaging.volume import Array
from cmrseg.quality.borrow import Weights
from cmrseg.quality.pseudo_metrics import DECISIVE, Pseudo, PseudoRecord
from cmrseg.quality.selection import Fences


@dataclass(frozen=True, slots=True, kw_only=True)
class Refining:
    """How to refine.

    The paper refines all candidates and then chooses among them anew. A candidate that has learned
    to please the autoencoder has the better pDC, though, and takes the place of others that were
    nearer the truth: so here only those are refined that answer, and each in its own place.

    Attributes:
        candidates: those that are refined on an image: who is ``answering`` it, or ``all``, of whom
            steps 1-5 then choose the answer (the paper's).
        epochs: K_semi, the most epochs.
        learning_rate: of Adam.
        importance: of each class in L_WGD, background first; the RV counts most.
        slices: unlabelled slices a step, neighbours of one image.
        window: in-plane voxels of those around the heart; looks see the whole image.
        rehearsed: labelled slices a step.
        checked: labelled slices by which forgetting is noticed.
        tolerance: by how much L_SUP on those may rise.
        flips: in-plane axes (-2, -1) flipped in each mirror image of a look, as the candidates'
            masks were made.
        budget_s: seconds for all segmenters together.
        seed: decides the order of slices.
    """

    candidates: Literal["answering", "all"] = "answering"
    epochs: int = 10
    learning_rate: float = 2e-4
    importance: tuple[float, ...] = (1.0, 1.0, 1.0, 4.0)
    slices: int = 4
    window: int = 144
    rehearsed: int = 4
    checked: int = 16
    tolerance: float = 0.02
    flips: tuple[tuple[int, ...], ...] = ((),)
    budget_s: float = 60.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """One image out of distribution, and what every segmenter says of it.

    Attributes:
        image: (channels, z, y, x) float32, prepared: the phase, and the other one if it is shown.
        spacing_mm: of its voxels.
        fences: of its view and phase.
        masks: (z, y, x) labels, one a segmenter.
        measures: structure -> pDC and pHD, one a segmenter.
        answering: the segmenters (0-based) that steps 1-5 have chosen.
    """

    image: Array
    spacing_mm: tuple[float, float, float]
    fences: Fences
    masks: tuple[Array, ...]
    measures: tuple[dict[str, Pseudo], ...]
    answering: tuple[int, ...]


def mended(now: Mapping[str, Pseudo], before: Mapping[str, Pseudo], fences: Fences) -> bool:
    """Whether a refined mask is taken: the RV has come into range, no structure has gone for it."""
    nothing_gone = all(pseudo.pdc > 0 or not before[name].pdc for name, pseudo in now.items())
    return fences.hold(now[DECISIVE]) and nothing_gone


@dataclass(frozen=True, slots=True)
class Look:
    """What a segmenter says of the flagged images at one moment, one entry an image.

    Attributes:
        reconstructions: (z, y, x) labels.
        measures: structure -> pDC and pHD.
        mended: whether the mask is one to take (:func:`mended`).
        maps: (C, z, y, x) class probabilities; of a single image alone, a cohort's fill the memory.
    """

    reconstructions: tuple[Array, ...]
    measures: tuple[dict[str, Pseudo], ...]
    mended: tuple[bool, ...]
    maps: tuple[Array, ...] = ()


class AttemptRecord(TypedDict):
    """What is recorded of one candidate's refinement; without epochs where it never began."""

    candidate: NotRequired[int]
    kept: bool
    reason: str
    epochs: NotRequired[int]
    before: NotRequired[PseudoRecord]
    after: NotRequired[PseudoRecord]
    rehearsal_loss: NotRequired[list[float]]


class RefinementRecord(TypedDict):
    """What is recorded of one image's refinement.

    Attributes:
        over: what was learned from: the ``case``, or the ``cohort``.
        seconds: it took.
        candidates_kept: how many refined ones were taken.
        candidates: of each that was to be refined.
    """

    over: str
    seconds: float
    candidates_kept: int
    out_of_distribution_before: bool
    out_of_distribution_after: bool
    reason_before: str
    candidates: list[AttemptRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """What became of one segmenter.

    Attributes:
        weights: at its best moment; None if it was rolled back.
        reason: why it ended, in words.
        epochs: begun.
        before, after: without and with refinement; the same if it was rolled back.
        rehearsal_loss: on the labelled slices, before and at the end.
    """

    weights: Weights | None
    reason: str
    epochs: int
    before: Look
    after: Look
    rehearsal_loss: tuple[float, float]

    @property
    def kept(self) -> bool:
        """Whether any image's refined mask is taken."""
        return self.weights is not None

    def record(self, image: int = 0) -> AttemptRecord:
        """What refinement did to one image."""
        return {
            "kept": self.kept and self.after.mended[image],
            "reason": self.reason,
            "epochs": self.epochs,
            "before": self.before.measures[image][DECISIVE].record(),
            "after": self.after.measures[image][DECISIVE].record(),
            "rehearsal_loss": [round(loss, 4) for loss in self.rehearsal_loss],
        }
