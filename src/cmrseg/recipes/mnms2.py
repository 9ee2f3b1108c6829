"""M&Ms-2: short- and long-axis cine, ED and ES, to LV, myocardium and RV (galati2021).

Read :meth:`Mnms2.segment` for what happens to a case.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cmrseg.cases.case import CINE, Case, Cine, ImageSource, Measures, Prediction, Result
from cmrseg.cases.challenge import MNMS2
from cmrseg.imaging.volume import Array, Volume
from cmrseg.quality.uncertainty import dice_bound, measures
from cmrseg.recipes.mnms2_volumes import (
    EJECTION,
    STRUCTURES,
    ejection_difficulty,
    ejection_fractions,
    intervals,
    mass_and_stroke,
    sizes,
)
from cmrseg.recipes.phases import alike, image_digest, lone_slice
from cmrseg.recipes.recipe import recipes_of
from cmrseg.runtime import Budget
from cmrseg.runtime.budget import FOR_PASSES, PassCounts
from cmrseg.runtime.errors import CmrsegError, InputError, MemoryLimitError, WeightsError

if TYPE_CHECKING:
    from cmrseg.imaging.prepare import Preparation, Prepared
    from cmrseg.models.ensemble import Computed, Passes, Segmenter
    from cmrseg.quality.adapt_at_test_time import Shown
    from cmrseg.quality.control import QualityRecord
    from cmrseg.quality.inspector import Finding, Inspector
    from cmrseg.quality.two_views import ViewsAgreement
    from cmrseg.quality.uncertainty.conformal import ErrorBand
    from cmrseg.quality.uncertainty.dice_bound import DiceBound

VIEWS = ("SA", "LA")


RECIPES = {name[-2:].upper(): recipe for name, recipe in recipes_of(MNMS2).items()}
"""By view."""


PLAUSIBLE_ML = {"LV": (5.0, 900.0), "MYO": (10.0, 900.0), "RV": (5.0, 900.0)}
"""Wide bounds for either phase, an estimate; a volume beyond them is marked for review."""
EXPECTED, AT_LEAST = "expected_dice", "dice_at_least"
POOR = 0.7
"""An image of which less Dice is to be expected of any structure is flagged, whatever its RV's pDC
and pHD say."""
SHORT_AXIS = {"SA_ED", "SA_ES"}
"""Whose volumes the ejection fraction comes of."""


class CaseImages:
    """A patient's images as stored and as prepared, each read once.

    Args:
        case: the patient.
        preparations: view -> how its networks' images are prepared.
    """

    def __init__(self, case: Case, preparations: Mapping[str, Preparation]) -> None:
        self.case, self.preparations = case, preparations
        self.known: dict[str, tuple[Volume, Prepared]] = {}

    def of(self, role: str) -> tuple[Volume, Prepared]:
        """The image of a role.

        Raises:
            InputError: it cannot be read, or is no image.
        """
        from cmrseg.recipes.steps import prepared_image

        if role not in self.known:
            view = role[:2]
            self.known[role] = prepared_image(
                self.case.images[role], RECIPES[view].grid, self.preparations[view]
            )
        return self.known[role]

    def companion(self, role: str) -> Array | None:
        """(z, y, x) of the other phase on a role's voxels; ``None`` where there is none.

        A phase that cannot be read is reported when its own turn comes.
        """
        from cmrseg.imaging.resample import resample_to

        other = role[:-1] + ("S" if role.endswith("D") else "D")
        if other not in self.case.images:
            return None
        geometry = self.of(role)[1].image.geometry
        try:
            found = self.of(other)[1].image
        except (InputError, MemoryError):
            return None
        if found.geometry.same_as(geometry):
            return found.array
        overlap = found.geometry.shape[0] == geometry.shape[0]
        return resample_to(found, geometry).array if overlap else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmented:
    """An image, and what its view's networks made of it.

    Attributes:
        volume: as stored.
        prepared: as it was prepared.
        shown: what the networks were shown.
        passes: theirs, on all voxels of the prepared image, with what it took to find the heart.
    """

    volume: Volume
    prepared: Prepared
    shown: Shown
    passes: Passes


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAnswer:
    """What came of one image.

    Attributes:
        prediction: the mask, and what goes with it.
        measures: of this image.
        warnings: in words.
        review: why somebody has to look at it.
        digest: of its grey values.
        counts: what was computed of it; None where nothing was.
        timings_s: ``network``, ``quality``, ``refinement`` -> seconds.
    """

    prediction: Prediction
    measures: Measures
    warnings: tuple[str, ...]
    review: tuple[str, ...]
    digest: str
    counts: PassCounts | None = None
    timings_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """ED and ES found in a cine.

    Attributes:
        case: with both phases in the cine's place.
        cine: the masks of all frames.
        measures: ``cine``, with the volumes frame by frame.
        notes: which frames they are.
        network_s: seconds that networks took.
    """

    case: Case
    cine: Cine
    measures: Measures
    notes: tuple[str, ...]
    network_s: float


class Mnms2:
    """The recipe with its trained networks, one ensemble a view.

    Args:
        segmenters: view -> ensemble.
        mirrors: test-time mirror images (1, 2 or 4).
        budget: the time a case may take, the very one that the segmenters share.
        inspectors: view -> quality control; a view without one gets its networks' mean.
        refine_s: seconds a case's images out of distribution may be refined; 0 for never.
        bands: role, or :data:`EJECTION`, -> structure -> the errors to expect; intervals come of
            them, and none where there is none.
        bounds: view -> structure -> what Dice to expect.
    """

    def __init__(
        self,
        segmenters: dict[str, Segmenter],
        *,
        mirrors: int = 4,
        budget: Budget | None = None,
        inspectors: Mapping[str, Inspector | None] | None = None,
        refine_s: float = 0.0,
        bands: Mapping[str, Mapping[str, ErrorBand]] | None = None,
        bounds: Mapping[str, Mapping[str, DiceBound]] | None = None,
    ) -> None:
        self.segmenters, self.mirrors = segmenters, mirrors
        self.budget = budget or Budget()
        self.inspectors, self.refine_s = dict(inspectors or {}), refine_s
        self.bands, self.bounds = dict(bands or {}), dict(bounds or {})

    def segment(self, case: Case) -> Result:
        """All images a patient has to labels, volumes and agreement.

        Raises:
            InputError: no image can be read.
            MemoryLimitError: no image fits.
            WeightsError: there is no trained network for any of the images.
        """
        from cmrseg.recipes.steps import within_role

        started = time.perf_counter()
        self.budget.restart()
        for segmenter in self.segmenters.values():
            segmenter.begin()
        found_in = self._phases(case) if CINE in case.images else None
        case = found_in.case if found_in else case
        answers: dict[str, ImageAnswer] = {}
        failed: dict[str, CmrsegError] = {}
        served = [role for role in case.images if self.segmenters[role[:2]].networks]
        images = self._images(case)
        for number, role in enumerate(served):
            try:
                with within_role(role):
                    share = 1 / (len(served) - number)
                    answers[role] = self._image(role, images, share, _seconds(answers))
            except (InputError, MemoryLimitError) as error:
                failed[role] = error
        if failed and not answers:
            raise next(iter(failed.values()))
        warnings = [f"{role}: {one}" for role, answer in answers.items() for one in answer.warnings]
        warnings += self._unserved(case, served)
        timings_s = _seconds(answers)
        if found_in:
            timings_s["network"] += found_in.network_s
        timings_s["around"] = time.perf_counter() - started - sum(timings_s.values())
        found = {role: answer.measures for role, answer in answers.items()}
        views, apart, beyond = compared_views(answers)
        found |= {role: found[role] | agreement for role, agreement in views.items()}
        twins = alike({role: answer.digest for role, answer in answers.items()})
        return Result(
            predictions={role: answer.prediction for role, answer in answers.items()},
            failed=failed,
            measures={
                **found,
                **({} if SHORT_AXIS & set(twins) else self._ejection(found)),
                **(found_in.measures if found_in else {}),
            },
            cine=found_in.cine if found_in else None,
            notes=found_in.notes if found_in else (),
            computed=self._computed(answers, found_in),
            timings_s={step: round(seconds, 3) for step, seconds in timings_s.items()},
            warnings=(*warnings, *beyond),
            review=(
                *apart,
                *(f"{role}: {one}" for role, answer in answers.items() for one in answer.review),
                *twins.values(),
            ),
        )

    def _phases(self, case: Case) -> Phases:
        """All frames of a cine, without mirror images, and the case of its ED and ES."""
        from cmrseg.imaging.postprocess import ventricles
        from cmrseg.imaging.read import frame_count
        from cmrseg.recipes.phases import find_phases
        from cmrseg.recipes.steps import within_role

        source, labels, volumes, network_s = case.images[CINE], [], [], 0.0
        with within_role(CINE):
            count = frame_count(source.path)
            for number in range(count):
                one = replace(case, images={"SA_ED": ImageSource(source.path, number)})
                share = 0.5 / (count - number)
                seen = self._segmented("SA_ED", self._images(one), share, 1)
                mask = ventricles(seen.prepared.restore(seen.passes.maps.mean(axis=0)))
                labels.append(mask)
                volumes.append(sizes("SA", seen.volume.like(mask))["volume_ml"])
                network_s += seen.passes.seconds
        diastole, systole = find_phases([one["LV"] for one in volumes])
        frames = {"SA_ED": diastole, "SA_ES": systole}
        phases = {role: ImageSource(source.path, number) for role, number in frames.items()}
        others = {role: image for role, image in case.images.items() if role != CINE}
        curves = {name: [one[name] for one in volumes] for name in STRUCTURES}
        told = {"frames": count, "ed_frame": diastole, "es_frame": systole, "volume_ml": curves}
        note = (
            f"ED is frame {diastole} and ES frame {systole} of {count} (from 0), by the LV volume"
        )
        return Phases(
            case=replace(case, images=phases | others),
            cine=Cine(labels=np.stack(labels), frames=frames),
            measures={"cine": told},
            notes=(note,),
            network_s=network_s,
        )

    def _computed(self, answers: Mapping[str, ImageAnswer], found_in: Phases | None) -> Computed:
        """How a case was computed whose views may differ: the least of each, every device."""
        least: dict[str, PassCounts] = {"SA": PassCounts(mirrors=1)} if found_in else {}
        for role, answer in answers.items():
            if answer.counts:
                counts = least.get(role[:2], answer.counts)
                least[role[:2]] = counts.least(answer.counts)
        return joint([self.segmenters[view].computed(counts) for view, counts in least.items()])

    def _expected_dice(
        self, role: str, answer: Array, agreement: Mapping[str, float], finding: Finding | None
    ) -> dict[str, dict[str, float]]:
        """The Dice to expect of each structure, and the one it has at least; empty if unknown."""
        bounds = self.bounds.get(role[:2], {})
        if finding is None or not bounds:
            return {}
        pdc = {name: one["pDC"] for name, one in finding.record["answer"].items()}
        doubt = dice_bound.signs(answer, agreement, pdc, STRUCTURES)
        return {
            EXPECTED: {n: round(b.expected(doubt[n]), 3) for n, b in bounds.items()},
            AT_LEAST: {n: round(b.at_least(doubt[n]), 3) for n, b in bounds.items()},
        }

    def _ejection(self, found: Mapping[str, Any]) -> Measures:
        told = ejection_fractions(found)
        dices = [found[role].get(EXPECTED, {}) for role in sorted(SHORT_AXIS & found.keys())]
        hard = ejection_difficulty(dices)
        bands = self.bands.get(EJECTION, {})
        spread = intervals(EJECTION, told.get(EJECTION, {}), bands, 100.0, hard)
        return spread | told | mass_and_stroke(found)

    def _unserved(self, case: Case, served: list[str]) -> list[str]:
        """What to say of images of a view that the bundle has no network for."""
        if not served:
            raise WeightsError(
                f"the bundle has no network for {', '.join(case.images)}",
                "pack one trained on images of this view",
            )
        said = "not segmented, the bundle has no network for its view"
        return [f"{role}: {said}" for role in case.images if role not in served]

    def _image(
        self, role: str, images: CaseImages, share: float, spent_s: Mapping[str, float]
    ) -> ImageAnswer:
        """One image of one view.

        Args:
            role: of the image.
            images: the case's.
            share: what it may take of the time left.
            spent_s: step -> seconds that the case's images before it took.
        """
        from cmrseg.imaging.plausible import inverted
        from cmrseg.imaging.postprocess import ventricles
        from cmrseg.recipes.steps import implausible_volumes, missing_structures

        seen = self._segmented(role, images, share)
        volume, prepared, samples = seen.volume, seen.prepared, seen.passes.maps
        mean = samples.mean(axis=0)
        finding = self._inspect(role, seen, share, spent_s.get("refinement", 0.0))
        answer = mean if finding is None else finding.probabilities
        mask = volume.like(ventricles(prepared.restore(answer)))
        entropy = prepared.restore(measures.predictive_entropy(mean)[None])[0]
        maps = {"entropy": volume.like(entropy.astype(np.float32))}
        expected = None if finding is None else partial(_natively, finding, prepared, volume)
        prediction = Prediction(mask, maps, expected, partial(prepared.restore, answer))
        agreement = measures.dice_within_samples(answer, samples, STRUCTURES)
        found = sizes(role[:2], mask)
        ((size, values),) = found.items()
        expected_dice = self._expected_dice(role, answer, agreement, finding)
        hard = {name: 1 - dice for name, dice in expected_dice.get(EXPECTED, {}).items()}
        spread = intervals(size, values, self.bands.get(role, {}), difficulty=hard)
        told = {**found, **spread, "agreement": agreement, **expected_dice}
        warnings = (*volume.warnings, *seen.passes.warnings, *missing_structures(values))
        timings_s = {"network": seen.passes.seconds}
        if finding is not None:
            told["quality"], doubtful = doubted(finding.record, expected_dice.get(EXPECTED, {}))
            warnings += (*finding.warnings, *doubtful)
            timings_s |= {"quality": finding.inspected_s, "refinement": finding.refined_s}
        bounds = PLAUSIBLE_ML if size == "volume_ml" else {}
        review = (
            *volume.review,
            *implausible_volumes(values, bounds),
            *lone_slice(role, volume),
            *inverted(volume),
            *seems_other(role, volume, mask.array),
        )
        return ImageAnswer(
            prediction=prediction,
            measures=told,
            warnings=warnings,
            review=review,
            digest=image_digest(volume),
            counts=seen.passes.counts,
            timings_s=timings_s,
        )

    def _segmented(
        self, role: str, images: CaseImages, share: float = 1.0, mirrors: int | None = None
    ) -> Segmented:
        """What a view's networks make of an image."""
        mirrors = mirrors or self.mirrors
        volume, prepared = images.of(role)
        slices = len(prepared.image.array)
        if role.startswith("LA") and slices > 1:
            raise InputError(
                f"a long-axis image has {slices} slices, not one",
                "give one 4-chamber slice, or name the file SA if it is a short-axis stack",
            )
        from cmrseg.imaging.room import room_for_maps
        from cmrseg.models.roi_crop import Roi
        from cmrseg.quality.adapt_at_test_time import Shown

        segmenter, image = self.segmenters[role[:2]], prepared.image
        if segmenter.preparation == "nonzero":
            passes = segmenter.mirrored(image, mirrors, share=share)
            shown = Shown(image=image)
            return Segmented(volume=volume, prepared=prepared, shown=shown, passes=passes)
        roi = Roi.localised(segmenter, image, images.companion(role))
        shown = Shown(image=image, roi=roi)
        passes = segmenter.mirrored(roi.image, mirrors, share=share, companion=roi.companion)
        passes = passes.after(roi.seconds, roi.warnings)
        if roi.share < 1:
            whole = room_for_maps((*passes.maps.shape[:2], *roi.whole))
            for place, one in zip(whole, passes.maps, strict=True):
                place[:] = roi.probabilities(one)
            passes = replace(passes, maps=whole)
        return Segmented(volume=volume, prepared=prepared, shown=shown, passes=passes)

    def segmented(self, role: str, case: Case) -> Segmented:
        """One image of a case, to look at what each network answers.

        Raises:
            InputError: it cannot be read or is no image of its view.
            MemoryLimitError: it does not fit.
        """
        from cmrseg.recipes.steps import within_role

        self.budget.restart()
        with within_role(role):
            return self._segmented(role, self._images(case))

    def _images(self, case: Case) -> CaseImages:
        preparations = {view: s.preparation for view, s in self.segmenters.items()}
        return CaseImages(case, preparations)

    def _inspect(
        self, role: str, seen: Segmented, share: float, refined_s: float
    ) -> Finding | None:
        """Quality control of one image, if the bundle has it: every network is a candidate."""
        inspector = self.inspectors.get(role[:2])
        if inspector is None:
            return None
        candidates = seen.passes.candidates
        spare_s = min(self.refine_s - refined_s, FOR_PASSES * self.budget.left_s)
        # Few images are flagged: the first may take half of the time, the last all that is left.
        refine_s = max(share, 0.5) * spare_s if self.refine_s else None
        finding = inspector.inspect(
            role,
            seen.shown,
            candidates,
            refine_s=refine_s,
            pass_s=seen.passes.first_s,
            mirrors=seen.passes.counts.mirrors,
        )
        if finding is None:
            return None
        if len(candidates) > 1:
            agreed = measures.dice_within_samples(finding.probabilities, candidates, STRUCTURES)
            finding.record["candidates_agree"] = {n: round(dice, 4) for n, dice in agreed.items()}
        return finding


def seems_other(role: str, image: Volume, mask: Array) -> tuple[str, ...]:
    """Why an image seems to be no cine, or of another view than its role's.

    Args:
        role: what it was given as.
        image: as stored.
        mask: labels on its voxels.
    """
    from cmrseg.quality.other_kind import other_kind

    found = {name: np.isin(mask, parts) for name, parts in STRUCTURES.items()}
    signs = other_kind(
        "SA" if role.startswith("SA") else "LA",
        image,
        cavity=found["LV"],
        muscle=found["MYO"],
        right=bool(found["RV"].any()),
    )
    return tuple(one.words for one in signs)


def compared_views(
    answers: Mapping[str, ImageAnswer],
) -> tuple[dict[str, ViewsAgreement], list[str], list[str]]:
    """What both views of one heart say of each other (:func:`cmrseg.quality.two_views.told`)."""
    from cmrseg.quality.two_views import told

    return told({role: one.prediction.mask for role, one in answers.items()}, STRUCTURES)


def doubted(
    found: QualityRecord, expected: Mapping[str, float]
) -> tuple[QualityRecord, tuple[str, ...]]:
    """The paper's verdict, which goes by the RV, and beside it one of all structures.

    Args:
        found: what quality control says.
        expected: structure -> Dice to expect.

    Returns:
        The same with ``doubtful`` (structure -> Dice to expect) where that is low, then out of
        distribution; and what to say of it.
    """
    poor = {name: value for name, value in expected.items() if value < POOR}
    if not poor:
        return found, ()
    words = ", ".join(f"{name} {value:.2f}" for name, value in poor.items())
    said = f"Dice to expect below {POOR:g}: {words}"
    flagged: QualityRecord = {**found, "out_of_distribution": True, "doubtful": poor}
    if not found["out_of_distribution"]:
        flagged["reason"] = said
    return flagged, (f"quality control: {said}",)


def _natively(finding: Finding, prepared: Prepared, volume: Volume) -> Volume:
    """The labels that quality control makes of an answer, on the image's own voxels."""
    classes = np.arange(len(finding.probabilities))[:, None, None, None]
    shares = (finding.expected[None] == classes).astype(np.float32)
    return volume.like(prepared.restore(shares).argmax(axis=0).astype(np.uint8))


def _seconds(answers: Mapping[str, ImageAnswer]) -> dict[str, float]:
    """Step -> seconds of all images; quality control's where there is any."""
    total: dict[str, float] = {"network": 0.0}
    for answer in answers.values():
        for step, seconds in answer.timings_s.items():
            if seconds:
                total[step] = total.get(step, 0.0) + seconds
    return total


def joint(told: Sequence[Computed]) -> Computed:
    """How a case was computed whose views may differ: the fewest mirror images, every device."""
    return {
        **told[0],
        "device": "+".join(dict.fromkeys(one["device"] for one in told)),
        "precision": "+".join(dict.fromkeys(str(one["precision"]) for one in told)),
        "mirrors": min(one["mirrors"] for one in told),
    }
