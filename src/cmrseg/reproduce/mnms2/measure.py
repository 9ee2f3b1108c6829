"""What is measured of one heart: every candidate, the choice of quality control, refinement.

Each heart takes one pass, kept in a file; a run that was stopped goes on. Refinement comes second,
for flagged images alone and for so many of a cohort at most, so that the time of it all is bounded.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cmrseg.bundle import Bundle
from cmrseg.challenges.inspection import Finding, Inspector
from cmrseg.challenges.mnms2 import RECIPES, VIEWS
from cmrseg.challenges.mnms2_sizes import STRUCTURES
from cmrseg.challenges.segmenter import Segmenter
from cmrseg.challenges.steps import cleaned, likeliest
from cmrseg.evaluation.mnms2 import evaluate_case
from cmrseg.imaging.prepare import Prepared, prepare
from cmrseg.imaging.volume import Array, Volume
from cmrseg.quality.measures import DECISIVE
from cmrseg.reproduce.mnms2 import rules
from cmrseg.reproduce.mnms2.hearts import Heart
from cmrseg.runtime import Precision, use_device
from cmrseg.synthetic.record import GENERATION

Row = dict[str, float]
FORMATS = {"first": 3, "refined": 3}
"""Formats of the files kept of a first pass and of refinement; another one is computed anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How to compute.

    Attributes:
        mirrors: test-time mirror images.
        device: where.
        precision: None for the fastest, measured.
        refine_s: seconds refining one image may take; 0 leaves refinement out.
        refined: flagged images of a cohort and view that are refined at most.
    """

    mirrors: int = 1
    device: str = "auto"
    precision: Precision | None = None
    refine_s: float = 15.0
    refined: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One heart under one bundle; scores are the RV's unless they say otherwise.

    Attributes:
        heart: which.
        candidates: official metrics of each candidate.
        pseudo: (pDC, pHD in mm) of each candidate; empty without quality control.
        pseudo_after: the same after refinement.
        qc: metrics of all structures of the answer that quality control chooses; without it, of
            the first candidate.
        full: the same after refinement; equal where nothing was refined or it was rolled back.
        rules: rule -> metrics of the answer of ``qc``, had it been cleaned by that one.
        fences: th_low and th_up in mm, if there are any.
        ood: flagged.
        refinement: what became of it, if it was tried.
        masks: where masks lie (:func:`masks_of`).
        refined_masks: where those after refinement lie; the same if it was not tried.
    """

    heart: Heart
    candidates: list[Row]
    pseudo: list[tuple[float, float]]
    pseudo_after: list[tuple[float, float]]
    qc: Row
    full: Row
    rules: dict[str, Row]
    fences: tuple[float, float] | None
    ood: bool
    refinement: dict[str, Any] | None
    masks: Path
    refined_masks: Path


@dataclass(frozen=True, slots=True)
class Kept:
    """What one pass left: numbers, JSON-ready, and the file of masks."""

    told: dict[str, Any]
    masks: Path


@dataclass(slots=True, kw_only=True)
class Bench:
    """One bundle set up to measure hearts.

    Attributes:
        name: how tables call it.
        found: the bundle.
        effort: how to compute.
        work: folder of what is kept.
        say: takes a line a heart.
        judge: the bundle whose quality control judges; None for its own. What is kept depends on
            its autoencoders alone: its thresholds count when tables are drawn, where trios are
            chosen from, so ``qc`` and ``ood`` of such hearts are not to be told of.
    """

    name: str
    found: Bundle
    effort: Effort
    work: Path
    say: Callable[[str], None]
    judge: Bundle | None = None
    segmenters: dict[str, Segmenter] = field(init=False)
    inspectors: dict[str, Inspector | None] = field(init=False)

    def __post_init__(self) -> None:
        place = use_device(self.effort.device)
        names = {view: RECIPES[view].name for view in VIEWS}
        self.segmenters = {
            view: Segmenter.from_bundle(self.found, name, place, precision=self.effort.precision)
            for view, name in names.items()
        }
        self.inspectors = {
            view: Inspector.from_bundle(self.judge or self.found, name, STRUCTURES, place)
            for view, name in names.items()
        }

    def measure(self, hearts: Sequence[Heart]) -> list[Measured]:
        """All hearts of views that the bundle has networks for; refinement after all else."""
        served = [h for h in hearts if self.segmenters[h.role[:2]].networks]
        first, again = {}, {}
        for number, heart in enumerate(served, start=1):
            first[heart.cohort, heart.case] = self._once(heart, refine=False)
            self.say(f"{self.name}: {heart.cohort}, {heart.case} ({number}/{len(served)})")
        flagged = [h for h in served if first[h.cohort, h.case].told["ood"] and self._refines(h)]
        flagged = spread_out(flagged, self.effort.refined)
        for number, heart in enumerate(flagged, start=1):
            again[heart.cohort, heart.case] = self._once(heart, refine=True)
            self.say(f"{self.name}: refined {heart.cohort}, {heart.case} ({number}/{len(flagged)})")
        return [
            _measured(h, first[h.cohort, h.case], again.get((h.cohort, h.case)), self._fences_of(h))
            for h in served
        ]

    def _fences_of(self, heart: Heart) -> tuple[float, float] | None:
        inspector = self.inspectors[heart.role[:2]]
        if inspector is None:
            return None
        fences = inspector.thresholds.of(heart.role)
        return fences.th_low, fences.th_up_mm

    def _refines(self, heart: Heart) -> bool:
        inspector = self.inspectors[heart.role[:2]]
        return bool(self.effort.refine_s and inspector is not None and inspector.refiner)

    def _once(self, heart: Heart, *, refine: bool) -> Kept:
        """What is told of a heart, computed if no earlier run has kept it."""
        path = self._path(heart, refine)
        masks = path.with_suffix(".npz")
        if path.exists() and masks.exists():
            return Kept(json.loads(path.read_text(encoding="utf-8")), masks)
        told, arrays = self._computed(heart, self.effort.refine_s if refine else 0.0)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(masks, **arrays)  # type: ignore[arg-type]
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(told, allow_nan=False), encoding="utf-8")
        partial.replace(path)
        return Kept(told, masks)

    def _path(self, heart: Heart, refine: bool) -> Path:
        """Of the file kept: another bundle, effort, heart or way of drawing hearts has another."""
        effort = asdict(self.effort) | ({} if refine else {"refine_s": 0.0})
        effort.pop("refined")
        kept = FORMATS["refined" if refine else "first"]
        judges = _judges(self.judge, heart.role[:2])
        key = json.dumps([kept, GENERATION, self.found.digest, effort, *judges], sort_keys=True)
        folder = hashlib.sha256(key.encode()).hexdigest()[:16]
        return self.work / folder / heart.cohort.replace(": ", "-") / f"{heart.case}.json"

    def _computed(self, heart: Heart, refine_s: float) -> tuple[dict[str, Any], dict[str, Array]]:
        started = time.perf_counter()
        view = heart.role[:2]
        image, truth = heart.make()
        segmenter, inspector = self.segmenters[view], self.inspectors[view]
        prepared = prepare(image, RECIPES[view].grid)
        segmenter.reset_clock()
        maps = segmenter.candidates(segmenter.mirrored(prepared.image, self.effort.mirrors))
        finding = None
        if inspector is not None:
            finding = inspector.inspect(
                heart.role,
                prepared.image,
                maps,
                refine_s=refine_s,
                pass_s=segmenter.pass_s,
                mirrors=self.effort.mirrors,
            )
        masks = [image.like(cleaned(_native(one, prepared))) for one in maps]
        uncleaned = _native(_answer(finding, maps), prepared)
        answer = image.like(cleaned(uncleaned))
        told = {
            "candidates": [_scores(heart.role, mask, truth, ("rv",)) for mask in masks],
            "answer": _scores(heart.role, answer, truth, rules.STRUCTURES),
            "rules": {
                name: _scores(heart.role, image.like(rule(uncleaned)), truth, rules.STRUCTURES)
                for name, rule in rules.RULES.items()
            },
            "seconds": round(time.perf_counter() - started, 2),
            **_quality(finding),
        }
        arrays = {
            "candidates": np.stack([mask.array for mask in masks]),
            "answer": answer.array,
            "truth": truth.array.astype(np.uint8),
        }
        return told, arrays


def spread_out(hearts: Sequence[Heart], most: int) -> list[Heart]:
    """At most so many of each cohort and view, evenly spread over it."""
    chosen: list[Heart] = []
    for key in dict.fromkeys((h.cohort, h.role[:2]) for h in hearts):
        own = [h for h in hearts if (h.cohort, h.role[:2]) == key]
        step = max(1.0, len(own) / max(most, 1))
        chosen += [own[int(i * step)] for i in range(min(most, len(own)))]
    return chosen


def masks_of(path: Path) -> dict[str, Array]:
    """``candidates`` (N, z, y, x), ``answer`` and ``truth`` (z, y, x), on the image's voxels."""
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def _judges(judge: Bundle | None, view: str) -> list[str]:
    """SHA-256 of a view's autoencoders in another bundle that judges."""
    if judge is None:
        return []
    digests, recipe = judge.manifest["files"], f"{RECIPES[view].name}-qc"
    return [digests[n["file"]] for n in judge.networks if n["recipe"] == recipe]


def _measured(
    heart: Heart, first: Kept, again: Kept | None, fences: tuple[float, float] | None
) -> Measured:
    told, after = first.told, again or first
    return Measured(
        heart=heart,
        candidates=told["candidates"],
        pseudo=[(dc, hd) for dc, hd in told["pseudo"]],
        pseudo_after=[(dc, hd) for dc, hd in after.told["pseudo"]],
        qc=told["answer"],
        full=after.told["answer"],
        rules=told["rules"],
        fences=fences,
        ood=told["ood"],
        refinement=after.told["refinement"],
        masks=first.masks,
        refined_masks=after.masks,
    )


def _native(maps: Array, prepared: Prepared) -> Array:
    """The likeliest labels on the image's voxels, by no rule."""
    return likeliest(prepared.restore(maps))


def _scores(role: str, mask: Volume, truth: Volume, structures: tuple[str, ...]) -> Row:
    """The challenge's metrics without the role in their names: ``rv_dice``, ``rv_hd_mm``, ..."""
    found = evaluate_case({role: (mask, truth)}, structures)
    marked = f"_{role.lower()}"
    return {name.replace(marked, ""): value for name, value in found.items() if marked in name}


def _answer(finding: Finding | None, maps: Array) -> Array:
    return finding.probabilities if finding else maps[0]


def _quality(finding: Finding | None) -> dict[str, Any]:
    if finding is None:
        return {"pseudo": [], "ood": False, "refinement": None}
    told = finding.told
    measures = [one[DECISIVE] for one in told["candidates"]]
    return {
        "pseudo": [[one["pDC"], one["pHD_mm"]] for one in measures],
        "ood": told["out_of_distribution"],
        "refinement": told.get("refinement"),
    }
