"""Quality control of one view at work: candidates in, the answer and what is to be told of it out.

It needs an autoencoder and thresholds in the bundle; refinement needs rehearsal slices too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from cmrseg.bundle import Bundle
from cmrseg.challenges.pieces import out_of_memory
from cmrseg.challenges.segmenter import load_networks
from cmrseg.challenges.steps import labels
from cmrseg.errors import WeightsError
from cmrseg.imaging.volume import Array, Volume
from cmrseg.networks.unet import UNet
from cmrseg.quality import rehearsal
from cmrseg.quality.control import Assessment, QualityControl
from cmrseg.quality.refine import Flagged, Refined, Refining, refine
from cmrseg.quality.rehearsal import Rehearsal
from cmrseg.quality.selection import combine
from cmrseg.quality.thresholds import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What quality control made of one image.

    Attributes:
        probabilities: (C, z, y, x) of the answer, float32.
        told: JSON-ready: verdict, measures, choice, and refinement if it ran.
        warnings: in words.
        inspected_s: seconds of quality control and selection.
        refined_s: seconds of refinement.
    """

    probabilities: Array
    told: dict[str, Any]
    warnings: tuple[str, ...]
    inspected_s: float
    refined_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspector:
    """Quality control of one view's candidates.

    Attributes:
        control: the view's autoencoder.
        thresholds: of its roles.
        rehearsed: loads labelled slices; None if the bundle has none.
        networks: loads the candidates anew, trainable.
    """

    control: QualityControl
    thresholds: Thresholds
    rehearsed: Callable[[], Rehearsal] | None
    networks: Callable[[], list[UNet]]

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        recipe: str,
        structures: Mapping[str, Sequence[int]],
        device: torch.device,
    ) -> Inspector | None:
        """A view's quality control; None if the bundle lacks its autoencoder or thresholds.

        Raises:
            WeightsError: what the bundle has does not fit.
        """
        control = QualityControl.from_bundle(bundle, f"{recipe}-qc", structures, device)
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
        return cls(
            control=control,
            thresholds=thresholds,
            rehearsed=partial(rehearsal.read, bundle.folder / file) if file else None,
            networks=partial(load_networks, bundle, recipe, device),
        )

    def inspect(
        self, role: str, image: Volume, candidates: Array, *, refine_s: float = 0.0, pass_s: float
    ) -> Finding | None:
        """Assess one image's candidates, refine them if all failed, and take the best.

        Args:
            role: ``SA_ED``, ``LA_ES``, ...
            image: prepared, (z, y, x).
            candidates: (N, C, z, y, x) class probabilities, one a network.
            refine_s: seconds refinement may take; 0 for none.
            pass_s: seconds one pass of one network over the image takes.

        Returns:
            The finding; None where the bundle has no thresholds for the role.
        """
        if role not in self.thresholds.by_role:
            return None
        started = time.perf_counter()
        maps = list(candidates)
        found = self._assess(role, image, maps)
        inspected_s = time.perf_counter() - started
        told, warnings, refined_s = found.as_dict(), [], 0.0
        if found.verdict.ood:
            warnings = [f"quality control: {found.verdict.reason}"]
            if refine_s > 0 and self.rehearsed:
                # An unfused network takes longer than a fused one, and its masks are judged too.
                look_s = 2 * pass_s + inspected_s / len(maps)
                maps, found, refinement = self._refined(role, image, maps, found, refine_s, look_s)
                told, refined_s = (
                    found.as_dict() | {"refinement": refinement},
                    refinement["seconds"],
                )
                warnings += [] if found.verdict.ood else ["quality control: in range once refined"]
        began = time.perf_counter()
        answer = combine(maps, found.choice).astype(np.float32)
        told["answer"] = self._of_answer(found, image, answer)
        inspected_s += time.perf_counter() - began
        return Finding(
            probabilities=answer,
            told=told,
            warnings=tuple(warnings),
            inspected_s=inspected_s,
            refined_s=refined_s,
        )

    def _refined(
        self,
        role: str,
        image: Volume,
        maps: list[Array],
        before: Assessment,
        refine_s: float,
        look_s: float,
    ) -> tuple[list[Array], Assessment, dict[str, Any]]:
        """Candidates, what is said of them, and what is told of it, after refinement."""
        began = time.perf_counter()
        refined = self._refine(image, before, refine_s, look_s)
        maps = [
            r.after.probabilities[0] if r is not None and r.kept else own
            for r, own in zip(refined, maps, strict=True)
        ]
        kept = any(r is not None and r.kept for r in refined)
        after = self._assess(role, image, maps) if kept else before
        return maps, after, _told(refined, before, after, time.perf_counter() - began)

    def _assess(self, role: str, image: Volume, maps: Sequence[Array]) -> Assessment:
        masks = [labels(one) for one in maps]
        return self.control.assess(masks, image.spacing_mm, self.thresholds.of(role))

    def _of_answer(self, found: Assessment, image: Volume, answer: Array) -> dict[str, Any]:
        """The answer's own pseudo-measures; a mean of two candidates is measured anew."""
        chosen = found.choice.candidates
        measures = (
            found.measures[chosen[0]]
            if len(chosen) == 1
            else self.control.measure(labels(answer), image.spacing_mm)
        )
        return {
            name: {"pDC": round(p.pdc, 4), "pHD_mm": round(p.phd_mm, 2)}
            for name, p in measures.items()
        }

    def _refine(
        self, image: Volume, found: Assessment, refine_s: float, look_s: float
    ) -> list[Refined | None]:
        """Every candidate refined on this image alone, as far as time and memory allow."""
        started = time.perf_counter()
        none: list[Refined | None] = [None] * len(found.measures)
        if self.rehearsed is None:
            return none
        try:
            networks, rehearsed = self.networks(), self.rehearsed()
            left_s = refine_s - (time.perf_counter() - started)
            flagged = Flagged(image=image.array, spacing_mm=image.spacing_mm, fences=found.fences)
            config = Refining(budget_s=left_s)
            return refine(
                networks, [flagged], self.control, rehearsed, config, label=labels, look_s=look_s
            )
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            return none


def _told(
    refined: Sequence[Refined | None], before: Assessment, after: Assessment, seconds: float
) -> dict[str, Any]:
    """What refinement did, JSON-ready."""
    return {
        "seconds": round(seconds, 2),
        "candidates_kept": sum(r is not None and r.kept for r in refined),
        "out_of_distribution_before": before.verdict.ood,
        "out_of_distribution_after": after.verdict.ood,
        "reason_before": before.verdict.reason,
        "candidates": [
            r.as_dict() if r else {"kept": False, "reason": "no time or memory to begin"}
            for r in refined
        ],
    }
