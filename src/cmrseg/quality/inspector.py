"""Quality control of one view at work: candidates in, the answer and what is to be told of it out.

It needs an autoencoder and thresholds in the bundle; refinement needs rehearsal slices too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch

from cmrseg.imaging.postprocess import ventricles
from cmrseg.imaging.volume import Array, Volume
from cmrseg.models.bundle import Bundle
from cmrseg.models.ensemble import load_networks, patch_side
from cmrseg.quality import replay
from cmrseg.quality.adapt_at_test_time import Effort, Refiner, Shown, flagged_image
from cmrseg.quality.adaptation_types import Flagged, RefinementRecord
from cmrseg.quality.control import Assessment, QualityControl, QualityRecord
from cmrseg.quality.pseudo_metrics import DECISIVE, Pseudo, recorded
from cmrseg.quality.selection import TIE, Thresholds, combine
from cmrseg.runtime.errors import WeightsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What quality control made of one image.

    Attributes:
        probabilities: (C, z, y, x) of the answer, float32.
        expected: (z, y, x) labels that the autoencoder makes of the answer's mask.
        record: verdict, measures, choice, and refinement if it ran.
        warnings: in words.
        inspected_s: seconds of quality control and selection.
        refined_s: seconds of refinement.
    """

    probabilities: Array
    expected: Array
    record: QualityRecord
    warnings: tuple[str, ...]
    inspected_s: float
    refined_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspector:
    """Quality control of one view's candidates.

    Attributes:
        control: the view's autoencoder.
        thresholds: of its roles.
        of_cohort: roles whose thresholds were taken from the cases at hand.
        refiner: what refines candidates; None if the bundle has no labelled slices.
    """

    control: QualityControl
    thresholds: Thresholds
    of_cohort: frozenset[str] = frozenset()
    refiner: Refiner | None = None

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        recipe: str,
        structures: Mapping[str, Sequence[int]],
        device: torch.device,
        tie: float = TIE,
    ) -> Inspector | None:
        """A view's quality control; None if the bundle lacks its autoencoder or thresholds.

        ``tie``: candidates within this of the best pDC are averaged (:func:`choose`).

        Raises:
            WeightsError: what the bundle has does not fit.
        """
        control = QualityControl.from_bundle(bundle, f"{recipe}-qc", structures, device, tie)
        entry = bundle.manifest.get("quality", {}).get(recipe)
        if control is None or entry is None:
            return None
        try:
            thresholds = Thresholds.from_dict(entry["thresholds"])
            file = entry["rehearsal"]
        except (KeyError, TypeError) as error:
            raise WeightsError(
                f"the quality thresholds of {recipe} cannot be read", "pack the bundle anew"
            ) from error
        refiner = Refiner(
            control=control,
            rehearsed=cache(partial(replay.read, bundle.folder / str(file))),
            # Weights come back after each refinement: one copy serves all cases.
            networks=cache(partial(load_networks, bundle, recipe, device)),
            least=patch_side(bundle, recipe),
        )
        return cls(control=control, thresholds=thresholds, refiner=refiner if file else None)

    def inspect(
        self,
        role: str,
        shown: Shown,
        candidates: Array,
        *,
        refine_s: float | None = None,
        pass_s: float,
        mirrors: int = 1,
    ) -> Finding | None:
        """Assess one image's candidates, refine them if all failed, and take the best.

        Args:
            role: ``SA_ED``, ``LA_ES``, ...
            shown: the image.
            candidates: (N, C, z, y, x) class probabilities, one a network.
            refine_s: seconds refinement may take; None where nobody asks for it.
            pass_s: seconds one pass of one network over the image takes.
            mirrors: images the candidates are the mean of; refined ones are made alike.

        Returns:
            The finding; None where there are no thresholds for the role.
        """
        if role not in self.thresholds.by_role:
            return None
        started = time.perf_counter()
        maps, image = list(candidates), shown.image
        found = self._assess(role, image, maps)
        inspected_s = time.perf_counter() - started
        refinement: RefinementRecord | None = None
        warnings, refined_s = [], 0.0
        if found.verdict.ood:
            warnings = [f"quality control: {found.verdict.reason}"]
            if refine_s is None:
                pass  # nobody asked
            elif self.refiner is None:
                warnings += ["not refined: the bundle has no labelled slices to rehearse"]
            elif refine_s <= 0:
                warnings += ["no time is left to refine"]
            else:
                effort = Effort(
                    budget_s=refine_s,
                    pass_s=pass_s,
                    judge_s=inspected_s / len(maps),
                    mirrors=mirrors,
                )
                maps, found, refinement = self.refiner.on_image(shown, maps, found, effort)
                refined_s = refinement["seconds"]
                warnings += _of_refinement(refinement)
        began = time.perf_counter()
        answer = combine(maps, found.choice).astype(np.float32)
        measures, expected = self._of_answer(found, image, answer)
        record = found.record()
        record["thresholds"] = "cohort" if role in self.of_cohort else "frozen"
        if refinement:
            record["refinement"] = refinement
        record["answer"] = recorded(measures)
        inspected_s += time.perf_counter() - began
        return Finding(
            probabilities=answer,
            expected=expected,
            record=record,
            warnings=tuple(warnings),
            inspected_s=inspected_s,
            refined_s=refined_s,
        )

    def measure(self, image: Volume, candidates: Array) -> list[Pseudo]:
        """The decisive structure's pseudo-measures, one a candidate."""
        found = (self.control.measure(ventricles(one), image.spacing_mm) for one in candidates)
        return [by_structure[DECISIVE] for by_structure in found]

    def flagged(self, role: str, shown: Shown, candidates: Array) -> Flagged | None:
        """An image as refinement needs it; None if it is in range."""
        maps = list(candidates)
        found = self._assess(role, shown.image, maps)
        return flagged_image(shown.part(maps), maps, found) if found.verdict.ood else None

    def _assess(self, role: str, image: Volume, maps: Sequence[Array]) -> Assessment:
        masks = [ventricles(one) for one in maps]
        return self.control.assess(masks, image.spacing_mm, self.thresholds.of(role))

    def _of_answer(
        self, found: Assessment, image: Volume, answer: Array
    ) -> tuple[dict[str, Pseudo], Array]:
        """The answer's own pseudo-measures and reconstruction, taken anew where it is a mean."""
        chosen = found.choice.candidates
        if len(chosen) == 1 and found.expected:
            return found.measures[chosen[0]], found.expected[chosen[0]]
        return self.control.look(ventricles(answer), image.spacing_mm)


def _of_refinement(record: RefinementRecord) -> list[str]:
    """What came of refinement, in words."""
    if not record["out_of_distribution_after"]:
        return ["quality control: in range once refined"]
    if record["candidates_kept"]:
        return []
    reasons = dict.fromkeys(one["reason"] for one in record["candidates"])
    return [f"refinement: no candidate kept ({'; '.join(reasons)})"]
