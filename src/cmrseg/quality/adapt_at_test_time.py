"""Refinement of one view's candidates at work: within its time, on one image or for a cohort.

A refined candidate takes its own place and no other's: only who answers an image is refined on it,
and goes on answering it (:attr:`cmrseg.quality.adaptation_types.Refining.candidates` has the
paper's way).
Candidates that were refined on a cohort are taken for an image by the same test as those refined on
it alone: they have come into range.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from cmrseg.imaging.postprocess import ventricles
from cmrseg.imaging.volume import Array, Volume
from cmrseg.models.ensemble import MIRRORS
from cmrseg.models.roi_crop import Roi
from cmrseg.models.tiling import out_of_memory
from cmrseg.models.unet import UNet
from cmrseg.quality.adaptation import refine
from cmrseg.quality.adaptation_types import (
    AttemptRecord,
    Flagged,
    Refined,
    RefinementRecord,
    Refining,
    mended,
)
from cmrseg.quality.borrow import Forward, borrowed, class_probabilities, probabilities
from cmrseg.quality.control import Assessment, QualityControl, assess
from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.replay import Rehearsal
from cmrseg.runtime.budget import Deadline, TimeOverError

FLIPS = tuple(tuple(a for a, on in zip((-2, -1), m, strict=True) if on) for m in MIRRORS)
"""Axes that are flipped in each mirror image."""
UNFUSED = 3.0
"""A network that can be trained takes at most so many times as long as one at work: it computes in
fp32 and has its normalisation layers still. Where that is not enough the clock tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What refining may take, and what is known of the machine.

    Attributes:
        budget_s: seconds for all of it.
        pass_s: seconds of one pass of a network at work over the image.
        judge_s: seconds of judging a mask.
        mirrors: images that candidates are the mean of.
    """

    budget_s: float
    pass_s: float
    judge_s: float
    mirrors: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Refiner:
    """What refinement of one view needs.

    Attributes:
        control: the view's autoencoder.
        rehearsed: loads labelled slices.
        networks: the candidates, trainable; loaded when they are first asked for.
        cohort: what became of each candidate on a whole cohort; None to refine on each image.
        config: how; time and mirror images are told by the effort.
        least: voxels that images are grown to in plane, as networks at work do.
    """

    control: QualityControl
    rehearsed: Callable[[], Rehearsal]
    networks: Callable[[], list[UNet]]
    cohort: tuple[Refined | None, ...] | None = None
    config: Refining = field(default_factory=Refining)
    least: int = 0

    @property
    def forward(self) -> Forward:
        """What makes class probabilities of a candidate."""
        return partial(class_probabilities, least=self.least)

    def on_image(
        self, shown: Shown, maps: Sequence[Array], before: Assessment, effort: Effort
    ) -> tuple[list[Array], Assessment, RefinementRecord]:
        """Candidates, what is said of them and what is told of it, with refinement.

        Args:
            shown: the image out of distribution.
            maps: (C, z, y, x) class probabilities, one a candidate.
            before: what was said of them.
            effort: what it may take.
        """
        attempt = _Attempt(refiner=self, shown=shown, maps=list(maps), before=before, effort=effort)
        attempt.run()
        after = attempt.assessed()
        return attempt.maps, after, attempt.record(after)

    def on_cohort(self, flagged: Sequence[Flagged], effort: Effort) -> list[Refined | None]:
        """Candidates, each refined on all flagged images it is for, as far as time allows."""
        started = time.perf_counter()
        networks, rehearsed = self.networks(), self.rehearsed()
        config = replace(
            self.config,
            budget_s=effort.budget_s - (time.perf_counter() - started),
            flips=FLIPS[: effort.mirrors],
        )
        return refine(
            networks,
            flagged,
            self.control,
            rehearsed,
            config,
            forward=self.forward,
            label=ventricles,
            pass_s=UNFUSED * effort.pass_s,
            judge_s=effort.judge_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An image, and what networks were shown of it.

    Attributes:
        image: prepared, (z, y, x).
        roi: the part they were shown; None for networks that are shown images as they are, which
            refinement shows what any candidate calls heart, and its surroundings.
    """

    image: Volume
    roi: Roi | None = None

    def part(self, maps: Sequence[Array]) -> Roi:
        """What refinement shows networks, by candidates' (C, z, y, x) class probabilities."""
        hearts = [ventricles(one) > 0 for one in maps]
        return self.roi or Roi.around(self.image, np.logical_or.reduce(hearts))


def flagged_image(roi: Roi, maps: Sequence[Array], found: Assessment) -> Flagged:
    """An image out of distribution as refinement is given it: the part, and the maps in it."""
    channels = [roi.image.array] + ([] if roi.companion is None else [roi.companion])
    maps = [one[(slice(None), *roi.box)] for one in maps]
    return Flagged(
        image=np.stack(channels).astype(np.float32),
        spacing_mm=roi.image.spacing_mm,
        fences=found.fences,
        masks=tuple(ventricles(one) for one in maps),
        measures=found.measures,
        answering=found.choice.candidates,
    )


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """One image's refinement; what it began with, and how far it came.

    Attributes:
        maps: class probabilities, one a candidate; refined ones where they are in range.
        measures: theirs.
        taken: which candidates are refined ones.
        reasons: why a refined candidate was not taken after all.
        roi: the part of the image they are shown.
    """

    refiner: Refiner
    shown: Shown
    maps: list[Array]
    before: Assessment
    effort: Effort
    deadline: Deadline = field(init=False)
    refined: Sequence[Refined | None] = field(init=False)
    measures: list[dict[str, Pseudo]] = field(init=False)
    taken: list[bool] = field(init=False)
    reasons: dict[int, str] = field(default_factory=dict)
    roi: Roi = field(init=False)

    def __post_init__(self) -> None:
        self.roi = self.shown.part(self.maps)
        self.deadline = Deadline(self.effort.budget_s, time.perf_counter)
        self.measures = list(self.before.measures)
        self.refined = [None] * len(self.maps)
        self.taken = [False] * len(self.maps)

    def run(self) -> None:
        """Refine, and take what is in range, as far as time and memory allow."""
        flagged = flagged_image(self.roi, self.maps, self.before)
        try:
            self.refined = self._refined(flagged)
            for number in self.asked:
                one = self.refined[number]
                if one is not None and one.weights is not None:
                    self._take(number, one, flagged)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            self.reasons = dict.fromkeys(self.asked, "the memory does not suffice")

    @property
    def asked(self) -> Sequence[int]:
        """Candidates that are refined on this image."""
        everyone = self.refiner.config.candidates == "all"
        return range(len(self.maps)) if everyone else self.before.choice.candidates

    def assessed(self) -> Assessment:
        """What is said of the candidates now; who answered goes on, unless all were refined."""
        if not any(self.taken):
            return self.before
        after = assess(tuple(self.measures), self.before.fences, self.refiner.control.tie)
        if self.refiner.config.candidates == "all":
            return after
        choice = replace(self.before.choice, reason=f"{self.before.choice.reason}; refined")
        return replace(after, choice=choice)

    def _refined(self, flagged: Flagged) -> Sequence[Refined | None]:
        if self.refiner.cohort is not None:
            return self.refiner.cohort
        part_s = self.effort.pass_s * self.roi.share
        effort = replace(self.effort, budget_s=self.deadline.left_s, pass_s=part_s)
        return self.refiner.on_cohort([flagged], effort)

    def _take(self, number: int, one: Refined, flagged: Flagged) -> None:
        """Take a refined candidate's answer if it is in range."""
        if self.refiner.cohort is None:  # refined on this image alone: that was looked at
            self._replace(number, one.after.maps[0], one.after.measures[0])
        else:
            self._look_at(number, one, flagged)

    def _look_at(self, number: int, one: Refined, flagged: Flagged) -> None:
        """What a candidate refined on a cohort says of this image, if there is time to look."""
        network, control = self.refiner.networks()[number], self.refiner.control
        try:
            with borrowed(network):
                network.load_state_dict(one.weights or {})
                maps = probabilities(
                    network,
                    flagged.image,
                    FLIPS[: self.effort.mirrors],
                    control.reconstructor.device,
                    self.refiner.forward,
                    before_each=lambda: self.deadline.ask("end"),
                )
        except TimeOverError:
            self.reasons[number] = "no time was left to take it"
            return
        measures = control.measure(ventricles(maps), self.shown.image.spacing_mm)
        if mended(measures, flagged.measures[number], flagged.fences):
            self._replace(number, maps, measures)
        else:
            self.reasons[number] = "not in range here"

    def _replace(self, number: int, maps: Array, measures: dict[str, Pseudo]) -> None:
        self.maps[number] = self.roi.probabilities(maps.astype(np.float32))
        self.measures[number], self.taken[number] = measures, True

    def record(self, after: Assessment) -> RefinementRecord:
        """What refinement did."""
        return {
            "over": "cohort" if self.refiner.cohort is not None else "case",
            "seconds": round(self.deadline.spent_s, 2),
            "candidates_kept": sum(self.taken),
            "out_of_distribution_before": self.before.verdict.ood,
            "out_of_distribution_after": after.verdict.ood,
            "reason_before": self.before.verdict.reason,
            "candidates": [{"candidate": n + 1, **self._of(n)} for n in self.asked],
        }

    def _of(self, number: int) -> AttemptRecord:
        one, why = self.refined[number], self.reasons.get(number)
        if one is None:
            return {"kept": False, "reason": why or "no time to begin"}
        if self.refiner.cohort is not None:
            return {"kept": self.taken[number], "reason": why or one.reason, "epochs": one.epochs}
        reason = f"{one.reason}: {why}" if why else one.reason
        return {**one.record(), "kept": self.taken[number], "reason": reason}
