"""Refining segmenters on cases that are out of distribution (galati2021 section 2.2, Eq. 2).

Every segmenter that answers is refined for itself: it learns from its own masks as the autoencoder
would have them, beside labelled slices that keep it from forgetting, and stops as soon as it is in
range, for from then on it learns to please the autoencoder. Unlike the authors' code,
batch-norm statistics stay frozen, alpha is 1/k, and a refined segmenter is taken only where it
has come into range, and not at all once it has become worse on the labelled slices. Weights come
back as they were: what is refined serves these cases alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from cmrseg.imaging.volume import Array
from cmrseg.quality.adaptation_types import Flagged, Look, Refined, Refining, mended
from cmrseg.quality.borrow import (
    Forward,
    Label,
    Weights,
    borrowed,
    class_probabilities,
    copied,
    most_probable,
    probabilities,
)
from cmrseg.quality.control import QualityControl
from cmrseg.quality.losses import semi_supervised_loss, supervised_loss
from cmrseg.quality.mask_window import centre
from cmrseg.quality.pseudo_metrics import Pseudo, pseudo_measures
from cmrseg.quality.replay import Rehearsal
from cmrseg.runtime.budget import Deadline, TimeOverError


def refine(
    networks: Sequence[nn.Module],
    flagged: Sequence[Flagged],
    control: QualityControl,
    rehearsal: Rehearsal,
    config: Refining,
    *,
    forward: Forward = class_probabilities,
    label: Label = most_probable,
    pass_s: float = 0.0,
    judge_s: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> list[Refined | None]:
    """Refine segmenters on the flagged images of one view, of one case or of a cohort.

    Each learns from those that it answers, or from all (:attr:`Refining.candidates`). The same seed
    gives the same result as long as the budget does not cut it short.

    Args:
        networks: candidates with trainable parameters (not fused); they come back as they were.
        flagged: at least one image.
        control: the view's autoencoder.
        rehearsal: labelled slices.
        config: how.
        forward: what makes class probabilities of a network and images.
        label: what makes the mask of them.
        pass_s: seconds that one pass of a network over the largest image is expected to take.
        judge_s: seconds that judging a mask is expected to take.
        clock: tells seconds.

    Returns:
        One a network, in their order; None where it had nothing to learn from, or not even time to
        begin. Looks are at the images that it learned from.

    Raises:
        ValueError: a network has no parameters.
    """
    started = clock()
    found: list[Refined | None] = []
    longest: dict[str, float] = {}
    everyone = config.candidates == "all"
    turns = [[f for f in flagged if everyone or n in f.answering] for n in range(len(networks))]
    for index, (network, own) in enumerate(zip(networks, turns, strict=True)):
        if not own:
            found.append(None)
            continue
        left_s = config.budget_s - (clock() - started)
        with borrowed(network):
            work = _Work(
                network=network,
                index=index,
                flagged=own,
                control=control,
                rehearsal=rehearsal,
                config=config,
                forward=forward,
                label=label,
                pass_s=pass_s,
                judge_s=judge_s,
                deadline=Deadline(left_s / sum(map(bool, turns[index:])), clock, longest),
            )
            found.append(work.run() if work.deadline.fits(check=work.check_s) else None)
    return found


@dataclass(slots=True, kw_only=True)
class _Work:
    """The refinement of one segmenter, the ``index``-th; arguments as those of :func:`refine`."""

    network: nn.Module
    index: int
    flagged: Sequence[Flagged]
    control: QualityControl
    rehearsal: Rehearsal
    config: Refining
    forward: Forward
    label: Label
    pass_s: float
    judge_s: float
    deadline: Deadline
    rng: np.random.Generator = field(init=False)
    device: torch.device = field(init=False)
    optimiser: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.config.seed)
        self.device = self.control.reconstructor.device
        self.optimiser = torch.optim.Adam(self.network.parameters(), self.config.learning_rate)

    @property
    def check_s(self) -> float:
        """Seconds that a check for forgetting is expected to take."""
        return self._forward_s(self._rehearsal_pixels(self.config.checked))

    @property
    def look_s(self) -> float:
        """Seconds that a look at one image is expected to take."""
        largest = max(_pixels(case) for case in self.flagged)
        return len(self.config.flips) * self._forward_s(largest) + self.judge_s

    def run(self) -> Refined:
        """Epochs until all is in range, labelled slices suffer, or K_semi or the time is over."""
        best = latest = before = self._before()
        weights: Weights | None = None
        losses: list[float] = []
        reason, epochs = "K_semi epochs are over", 0
        try:
            losses.append(self._rehearsal_loss())
            while epochs < self.config.epochs and not all(best.mended):
                in_time = self._epoch(epochs + 1, latest)
                epochs += 1
                losses.append(self._rehearsal_loss())
                if not losses[-1] <= losses[0] + self.config.tolerance:
                    reason = "it began to forget the labelled slices"
                    break
                latest = self._look()
                if sum(latest.mended) > sum(best.mended):
                    best, weights = latest, copied(self.network)
                if not in_time:
                    raise TimeOverError
        except TimeOverError:
            reason = "the time is over"
        if all(best.mended):
            reason = "all in range"
        return Refined(
            weights=weights,
            reason=reason if weights or not epochs else f"{reason}: rolled back",
            epochs=epochs,
            before=before,
            after=best,
            rehearsal_loss=(losses[0], losses[-1]) if losses else (0.0, 0.0),
        )

    def _epoch(self, epoch: int, latest: Look) -> bool:
        """Steps over all slices of all images; whether there was time for all.

        Raises:
            TimeOverError: there was not even time for one.
        """
        pieces = [
            (number, slice(first, first + self.config.slices))
            for number, case in enumerate(self.flagged)
            for first in range(0, case.image.shape[1], self.config.slices)
        ]
        for taken, at in enumerate(self.rng.permutation(len(pieces))):
            if not self.time_for_a_step():
                if not taken:
                    raise TimeOverError
                return False
            number, piece = pieces[at]
            with self.deadline.timing("step"):
                self._step(epoch, *self._unlabelled(number, piece, latest))
        return True

    def time_for_a_step(self) -> bool:
        """Whether a step fits, and after it the check and the look that decide what is kept."""
        expected = {"step": self._step_s(), "check": self.check_s, "look": self.look_s}
        needed = {kind: self.deadline.longest.get(kind, s) for kind, s in expected.items()}
        needed["look"] *= len(self.flagged)
        return sum(needed.values()) * self.deadline.MARGIN <= self.deadline.left_s

    def _step_s(self) -> float:
        """Seconds to expect of a step: forward, and backward at twice the cost."""
        window = self.config.window
        unlabelled = max(
            min(self.config.slices, case.image.shape[1])
            * math.prod(min(size, window) for size in case.image.shape[2:])
            for case in self.flagged
        )
        return 3 * self._forward_s(unlabelled + self._rehearsal_pixels(self.config.rehearsed))

    def _rehearsal_pixels(self, most: int) -> int:
        return min(most, len(self.rehearsal)) * int(self.rehearsal.images[0].size)

    def _forward_s(self, pixels: int) -> float:
        """Seconds to expect of a pass over so many pixels: as checks took, once there was one."""
        if checked_s := self.deadline.longest.get("check"):
            return checked_s * pixels / self._rehearsal_pixels(self.config.checked)
        return self.pass_s * pixels / max(_pixels(case) for case in self.flagged)

    def _unlabelled(self, number: int, piece: slice, latest: Look) -> tuple[Tensor, Tensor]:
        """Slices of an image around the heart, (1, channels, z, y, x), and what they shall show."""
        case = self.flagged[number]
        wanted = latest.reconstructions[number]
        middle = centre(wanted)
        inside = tuple(
            slice(start := max(0, min(at - self.config.window // 2, size - self.config.window)),
                  start + self.config.window)
            for at, size in zip(middle, case.image.shape[2:], strict=True)
        )  # fmt: skip
        image = np.ascontiguousarray(case.image[:, piece, *inside])
        target = np.ascontiguousarray(wanted[piece, *inside])
        return torch.from_numpy(image)[None], torch.from_numpy(target).long()[None]

    def _step(self, epoch: int, image: Tensor, target: Tensor) -> None:
        count = min(self.config.rehearsed, len(self.rehearsal))
        chosen = self.rng.choice(len(self.rehearsal), count, replace=False)
        labelled, truth = (t.to(self.device) for t in self.rehearsal.batch(np.sort(chosen)))
        with torch.enable_grad():
            loss = semi_supervised_loss(
                self.forward(self.network, image.to(self.device)),
                target.to(self.device),
                self.forward(self.network, labelled),
                truth,
                epoch=epoch,
                importance=self.config.importance,
            )
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def _before(self) -> Look:
        """What the segmenter said before anything was refined, from the masks that it made."""
        measures = tuple(case.measures[self.index] for case in self.flagged)
        return Look(
            reconstructions=tuple(
                self.control.reconstructor.labels(case.masks[self.index]) for case in self.flagged
            ),
            measures=measures,
            mended=self._mended(measures),
        )

    def _look(self) -> Look:
        found = [self._look_at(case) for case in self.flagged]
        again, measures, maps = zip(*found, strict=True)
        return Look(again, measures, self._mended(measures), maps if len(found) == 1 else ())

    def _mended(self, measures: Sequence[dict[str, Pseudo]]) -> tuple[bool, ...]:
        pairs = zip(self.flagged, measures, strict=True)
        return tuple(mended(now, case.measures[self.index], case.fences) for case, now in pairs)

    def _look_at(self, case: Flagged) -> tuple[Array, dict[str, Pseudo], Array]:
        """Reconstruction, measures and maps of one image as it is seen now."""
        self.deadline.ask("look", self.look_s)
        with self.deadline.timing("look"):
            maps = probabilities(
                self.network,
                case.image,
                self.config.flips,
                self.device,
                self.forward,
                before_each=lambda: self.deadline.ask("end"),
            )
            mask = self.label(maps)
            again = self.control.reconstructor.labels(mask)
            measures = pseudo_measures(mask, again, case.spacing_mm, self.control.structures)
            return again, measures, maps

    def _rehearsal_loss(self) -> float:
        """L_SUP on always the same labelled slices."""
        self.deadline.ask("check", self.check_s)
        with self.deadline.timing("check"), torch.no_grad():
            images, truth = self.rehearsal.batch(
                np.arange(len(self.rehearsal))[: self.config.checked]
            )
            predicted = self.forward(self.network, images.to(self.device))
            return float(supervised_loss(predicted, truth.to(self.device)))


def _pixels(case: Flagged) -> int:
    return math.prod(case.image.shape[1:])
