"""Refining segmenters on cases that are out of distribution (galati2021 section 2.2, Eq. 2).

Every candidate segmenter is refined for itself: its own masks, as the autoencoder would have them,
are what it learns from, beside labelled slices that keep it from forgetting. Unlike the authors'
code (FACTS section 2) batch-norm statistics stay frozen, alpha is 1/k, and a refined segmenter is
believed only if it has not become worse on the labelled slices and more of its masks are in range
than before. Weights come back as they were: what is refined serves these cases alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cmrseg.imaging.volume import Array
from cmrseg.quality.borrow import Forward, Label, borrowed, class_probabilities, most_probable
from cmrseg.quality.control import QualityControl
from cmrseg.quality.deadline import Deadline
from cmrseg.quality.losses import semi_supervised_loss, supervised_loss
from cmrseg.quality.measures import DECISIVE, Pseudo, pseudo_measures
from cmrseg.quality.rehearsal import Rehearsal
from cmrseg.quality.thresholds import Fences


@dataclass(frozen=True, slots=True, kw_only=True)
class Refining:
    """How to refine.

    Attributes:
        epochs: K_semi, the most epochs.
        learning_rate: of Adam.
        importance: of each class in L_WGD, background first; the RV counts most.
        slices: unlabelled slices a step, neighbours of one image.
        rehearsed: labelled slices a step.
        checked: labelled slices by which forgetting is noticed.
        tolerance: by how much L_SUP on those may rise.
        budget_s: seconds for all segmenters together.
        seed: decides the order of slices.
    """

    epochs: int = 10
    learning_rate: float = 2e-4
    importance: tuple[float, ...] = (1.0, 1.0, 1.0, 4.0)
    slices: int = 4
    rehearsed: int = 4
    checked: int = 16
    tolerance: float = 0.02
    budget_s: float = 60.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """One image out of distribution.

    Attributes:
        image: (z, y, x) float32, prepared.
        spacing_mm: of its voxels.
        fences: of its view and phase.
    """

    image: Array
    spacing_mm: tuple[float, float, float]
    fences: Fences


@dataclass(frozen=True, slots=True)
class Look:
    """What a segmenter says of the flagged images at one moment, one entry an image.

    Attributes:
        probabilities: (C, z, y, x).
        reconstructions: (z, y, x) labels.
        measures: structure -> pDC and pHD.
        held: how many images are in range.
    """

    probabilities: tuple[Array, ...]
    reconstructions: tuple[Array, ...]
    measures: tuple[dict[str, Pseudo], ...]
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """What became of one segmenter.

    Attributes:
        kept: the refined predictions are taken; else it was rolled back.
        reason: why it ended, in words.
        epochs: begun.
        before, after: without and with refinement; the same if it was rolled back.
        rehearsal_loss: on the labelled slices, before and at the end.
    """

    kept: bool
    reason: str
    epochs: int
    before: Look
    after: Look
    rehearsal_loss: tuple[float, float]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: what refinement did, without images."""
        decisive = [
            [
                {"pDC": round(m[DECISIVE].pdc, 4), "pHD_mm": round(m[DECISIVE].phd_mm, 2)}
                for m in look.measures
            ]
            for look in (self.before, self.after)
        ]
        return {
            "kept": self.kept,
            "reason": self.reason,
            "epochs": self.epochs,
            "before": decisive[0],
            "after": decisive[1],
            "rehearsal_loss": [round(loss, 4) for loss in self.rehearsal_loss],
        }


def refine(
    networks: Sequence[nn.Module],
    flagged: Sequence[Flagged],
    control: QualityControl,
    rehearsal: Rehearsal,
    config: Refining,
    *,
    forward: Forward = class_probabilities,
    label: Label = most_probable,
    look_s: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> list[Refined | None]:
    """Refine each segmenter on the flagged images of one view, of one case or of a cohort.

    The same seed gives the same result as long as the budget does not cut it short.

    Args:
        networks: candidates with trainable parameters (not fused); they come back as they were.
        flagged: at least one image.
        control: the view's autoencoder.
        rehearsal: labelled slices.
        config: how.
        forward: what makes class probabilities of a network and images.
        label: what makes the mask of them.
        look_s: seconds that one pass over the flagged images is expected to take.
        clock: tells seconds.

    Returns:
        One a network, in their order; None where there was not even time to begin.

    Raises:
        ValueError: a network has no parameters.
    """
    started = clock()
    found: list[Refined | None] = []
    longest: dict[str, float] = {}
    for index, network in enumerate(networks):
        left_s = config.budget_s - (clock() - started)
        deadline = Deadline(left_s / (len(networks) - index), clock, longest)
        if not deadline.fits(look=look_s, check=look_s):
            found.append(None)
            continue
        with borrowed(network):
            work = _Work(
                network=network,
                flagged=flagged,
                control=control,
                rehearsal=rehearsal,
                config=config,
                forward=forward,
                label=label,
                deadline=deadline,
            )
            found.append(work.run())
    return found


@dataclass(slots=True, kw_only=True)
class _Work:
    """The refinement of one segmenter; arguments as those of :func:`refine`."""

    network: nn.Module
    flagged: Sequence[Flagged]
    control: QualityControl
    rehearsal: Rehearsal
    config: Refining
    forward: Forward
    label: Label
    deadline: Deadline
    rng: np.random.Generator = field(init=False)
    device: torch.device = field(init=False)
    images: list[Tensor] = field(init=False)
    optimiser: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.config.seed)
        self.device = self.control.reconstructor.device
        self.images = [torch.from_numpy(f.image)[None, None].to(self.device) for f in self.flagged]
        self.optimiser = torch.optim.Adam(self.network.parameters(), self.config.learning_rate)

    def run(self) -> Refined:
        """Epochs until all is in range, labelled slices suffer, or K_semi or the time is over."""
        before = best = latest = self._look()
        loss = first_loss = self._rehearsal_loss()
        reason, epochs = "K_semi epochs are over", 0
        while epochs < self.config.epochs and best.held < len(self.flagged):
            epochs += 1
            steps, in_time = self._epoch(epochs, latest)
            if steps:
                loss = self._rehearsal_loss()
                if not loss <= first_loss + self.config.tolerance:
                    reason = "it began to forget the labelled slices"
                    break
                latest = self._look()
                best = latest if latest.held > best.held else best
            if not in_time:
                reason = "the time is over"
                break
        if best.held == len(self.flagged):
            reason = "all in range"
        kept = best.held > before.held
        return Refined(
            kept=kept,
            reason=reason if kept or not epochs else f"{reason}: rolled back",
            epochs=epochs,
            before=before,
            after=best,
            rehearsal_loss=(first_loss, loss),
        )

    def _epoch(self, epoch: int, latest: Look) -> tuple[int, bool]:
        """Steps taken over all slices of all images, and whether there was time for all."""
        pieces = [
            (number, first)
            for number, image in enumerate(self.images)
            for first in range(0, image.shape[2], self.config.slices)
        ]
        for taken, at in enumerate(self.rng.permutation(len(pieces))):
            if not self._time_for_a_step():
                return taken, False
            number, first = pieces[at]
            piece = slice(first, first + self.config.slices)
            with self.deadline.timing("step"):
                self._step(
                    epoch, self.images[number][:, :, piece], latest.reconstructions[number][piece]
                )
        return len(pieces), True

    def _time_for_a_step(self) -> bool:
        """Whether a step fits, and after it the checks that decide whether it is believed."""
        looked, checked = (self.deadline.longest[kind] for kind in ("look", "check"))
        # A step goes forward over no more than these two together, and backward at twice the cost.
        return self.deadline.fits(step=3 * (looked + checked), look=looked, check=checked)

    def _step(self, epoch: int, image: Tensor, reconstruction: Array) -> None:
        count = min(self.config.rehearsed, len(self.rehearsal))
        chosen = self.rng.choice(len(self.rehearsal), count, replace=False)
        labelled, truth = (t.to(self.device) for t in self.rehearsal.batch(np.sort(chosen)))
        target = torch.from_numpy(np.ascontiguousarray(reconstruction)).long()[None]
        with torch.enable_grad():
            loss = semi_supervised_loss(
                self.forward(self.network, image),
                target.to(self.device),
                self.forward(self.network, labelled),
                truth,
                epoch=epoch,
                importance=self.config.importance,
            )
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    @torch.no_grad()
    def _look(self) -> Look:
        with self.deadline.timing("look"):
            maps, reconstructions, measures = [], [], []
            for case, image in zip(self.flagged, self.images, strict=True):
                maps.append(self.forward(self.network, image)[0].cpu().numpy())
                mask = self.label(maps[-1])
                reconstructions.append(self.control.reconstructor.labels(mask))
                measures.append(
                    pseudo_measures(
                        mask, reconstructions[-1], case.spacing_mm, self.control.structures
                    )
                )
        held = sum(
            case.fences.hold(by_structure[DECISIVE])
            for case, by_structure in zip(self.flagged, measures, strict=True)
        )
        return Look(tuple(maps), tuple(reconstructions), tuple(measures), held)

    @torch.no_grad()
    def _rehearsal_loss(self) -> float:
        """L_SUP on always the same labelled slices."""
        with self.deadline.timing("check"):
            images, truth = self.rehearsal.batch(
                np.arange(len(self.rehearsal))[: self.config.checked]
            )
            probabilities = self.forward(self.network, images.to(self.device))
            return float(supervised_loss(probabilities, truth.to(self.device)))
