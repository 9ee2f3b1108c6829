"""M&Ms-2: short- and long-axis cine, ED and ES, to LV, myocardium and RV (galati2021).

Read :meth:`Mnms2.segment` for what happens to a case.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from cmrseg.runtime.budget import FOR_PASSES
from cmrseg.runtime.errors import CmrsegError, InputError, MemoryLimitError, WeightsError

if TYPE_CHECKING:
    from cmrseg.imaging.prepare import Preparation, Prepared
    from cmrseg.models.ensemble import Computed, Segmenter
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


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """What came of one image: its prediction, measures, warnings, reasons for review, digest."""

    prediction: Prediction
    measures: Measures
    warnings: tuple[str, ...]
    review: tuple[str, ...]
    digest: str


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
        self.inspected_s = self.refined_s = 0.0

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
        self.inspected_s = self.refined_s = 0.0
        for segmenter in self.segmenters.values():
            segmenter.reset_clock()
        cine: Cine | None = None
        curves: Measures = {}
        notes: tuple[str, ...] = ()
        if CINE in case.images:
            case, cine, curves, notes = self._phases(case)
        answers: dict[str, ImageAnswer] = {}
        failed: dict[str, CmrsegError] = {}
        served = [role for role in case.images if self.segmenters[role[:2]].networks]
        images = self._images(case)
        for number, role in enumerate(served):
            try:
                with within_role(role):
                    share = 1 / (len(served) - number)
                    answers[role] = self._image(role, images, share)
            except (InputError, MemoryLimitError) as error:
                failed[role] = error
        if failed and not answers:
            raise next(iter(failed.values()))
        warnings = [f"{role}: {one}" for role, answer in answers.items() for one in answer.warnings]
        warnings += self._unserved(case, served)
        total = time.perf_counter() - started
        network = sum(s.network_s for s in self.segmenters.values())
        found = {role: answer.measures for role, answer in answers.items()}
        views, apart, beyond = compared_views(answers)
        found |= {role: found[role] | agreement for role, agreement in views.items()}
        twins = alike({role: answer.digest for role, answer in answers.items()})
        return Result(
            predictions={role: answer.prediction for role, answer in answers.items()},
            failed=failed,
            measures=(found if SHORT_AXIS & set(twins) else found | self._ejection(found)) | curves,
            cine=cine,
            notes=notes,
            computed=computed([s for s in self.segmenters.values() if s.effort]),
            timings_s=self._timings(total, network),
            warnings=(*warnings, *beyond),
            review=(
                *apart,
                *(f"{role}: {one}" for role, answer in answers.items() for one in answer.review),
                *twins.values(),
            ),
        )

    def _phases(self, case: Case) -> tuple[Case, Cine, Measures, tuple[str, ...]]:
        """All frames of a cine, without mirror images, and the case of its ED and ES.

        Returns:
            The case with both phases in the cine's place; the masks of all frames; ``cine`` among
            the measures, with the volumes frame by frame; and what to note.
        """
        from cmrseg.imaging.postprocess import ventricles
        from cmrseg.imaging.read import frame_count
        from cmrseg.recipes.phases import find_phases
        from cmrseg.recipes.steps import within_role

        source, labels, volumes = case.images[CINE], [], []
        with within_role(CINE):
            count = frame_count(source.path)
            for number in range(count):
                one = replace(case, images={"SA_ED": ImageSource(source.path, number)})
                share = 0.5 / (count - number)
                volume, prepared, maps, _ = self._segmented("SA_ED", self._images(one), share, 1)
                mask = ventricles(prepared.restore(maps.mean(axis=0)))
                labels.append(mask)
                volumes.append(sizes("SA", volume.like(mask))["volume_ml"])
        diastole, systole = find_phases([one["LV"] for one in volumes])
        frames = {"SA_ED": diastole, "SA_ES": systole}
        phases = {role: ImageSource(source.path, number) for role, number in frames.items()}
        others = {role: image for role, image in case.images.items() if role != CINE}
        curves = {name: [one[name] for one in volumes] for name in STRUCTURES}
        told = {"frames": count, "ed_frame": diastole, "es_frame": systole, "volume_ml": curves}
        note = (
            f"ED is frame {diastole} and ES frame {systole} of {count} (from 0), by the LV volume"
        )
        cine = Cine(labels=np.stack(labels), frames=frames)
        return replace(case, images=phases | others), cine, {"cine": told}, (note,)

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

    def _timings(self, total_s: float, network_s: float) -> dict[str, float]:
        """Seconds by step; quality control's where there is any."""
        quality = {"quality": self.inspected_s, "refinement": self.refined_s}
        quality = {step: seconds for step, seconds in quality.items() if seconds}
        around = total_s - network_s - sum(quality.values())
        told = {"network": network_s, **quality, "around": around}
        return {step: round(seconds, 3) for step, seconds in told.items()}

    def _unserved(self, case: Case, served: list[str]) -> list[str]:
        """What to say of images of a view that the bundle has no network for."""
        if not served:
            raise WeightsError(
                f"the bundle has no network for {', '.join(case.images)}",
                "pack one trained on images of this view",
            )
        said = "not segmented, the bundle has no network for its view"
        return [f"{role}: {said}" for role in case.images if role not in served]

    def _image(self, role: str, images: CaseImages, share: float) -> ImageAnswer:
        """One image of one view; ``share`` is what it may take of the time left."""
        from cmrseg.imaging.plausible import inverted
        from cmrseg.imaging.postprocess import ventricles
        from cmrseg.recipes.steps import implausible_volumes, missing_structures

        segmenter = self.segmenters[role[:2]]
        segmenter.warnings = []
        volume, prepared, samples, shown = self._segmented(role, images, share)
        mean = samples.mean(axis=0)
        finding = self._inspect(role, shown, samples, share)
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
        warnings = (*volume.warnings, *segmenter.warnings, *missing_structures(values))
        if finding is not None:
            told["quality"], doubtful = doubted(finding.record, expected_dice.get(EXPECTED, {}))
            warnings += (*finding.warnings, *doubtful)
        bounds = PLAUSIBLE_ML if size == "volume_ml" else {}
        review = (
            *volume.review,
            *implausible_volumes(values, bounds),
            *lone_slice(role, volume),
            *inverted(volume),
        )
        return ImageAnswer(prediction, told, warnings, review, image_digest(volume))

    def _segmented(
        self, role: str, images: CaseImages, share: float = 1.0, mirrors: int | None = None
    ) -> tuple[Volume, Prepared, Array, Shown]:
        """An image as stored and as prepared, its (networks * mirrors, C, z, y, x) maps, and what
        the networks were shown."""
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
            maps = segmenter.mirrored(image, mirrors, share=share)
            return volume, prepared, maps, Shown(image=image)
        roi = Roi.localised(segmenter, image, images.companion(role))
        shown = Shown(image=image, roi=roi)
        maps = segmenter.mirrored(roi.image, mirrors, share=share, companion=roi.companion)
        if roi.share == 1:
            return volume, prepared, maps, shown
        whole = room_for_maps((*maps.shape[:2], *roi.whole))
        for place, one in zip(whole, maps, strict=True):
            place[:] = roi.probabilities(one)
        return volume, prepared, whole, shown

    def candidates(self, role: str, case: Case) -> tuple[Shown, Array]:
        """An image as the networks see it, and each network's answer to it.

        Returns:
            What they were shown, and (networks, C, z, y, x) class probabilities.

        Raises:
            InputError: it cannot be read or is no image of its view.
            MemoryLimitError: it does not fit.
        """
        from cmrseg.recipes.steps import within_role

        self.budget.restart()
        with within_role(role):
            _, _, samples, shown = self._segmented(role, self._images(case))
        return shown, self.segmenters[role[:2]].candidates(samples)

    def _images(self, case: Case) -> CaseImages:
        preparations = {view: s.preparation for view, s in self.segmenters.items()}
        return CaseImages(case, preparations)

    def _inspect(self, role: str, shown: Shown, samples: Array, share: float) -> Finding | None:
        """Quality control of one image, if the bundle has it: every network is a candidate.

        ``samples`` are (networks * mirrors, C, z, y, x), as a segmenter gives them.
        """
        inspector, segmenter = self.inspectors.get(role[:2]), self.segmenters[role[:2]]
        if inspector is None:
            return None
        candidates = segmenter.candidates(samples)
        spare_s = min(self.refine_s - self.refined_s, FOR_PASSES * self.budget.left_s)
        # Few images are flagged: the first may take half of the time, the last all that is left.
        refine_s = max(share, 0.5) * spare_s if self.refine_s else None
        finding = inspector.inspect(
            role,
            shown,
            candidates,
            refine_s=refine_s,
            pass_s=segmenter.pass_s,
            mirrors=segmenter.last.mirrors,
        )
        if finding is None:
            return None
        if len(candidates) > 1:
            agreed = measures.dice_within_samples(finding.probabilities, candidates, STRUCTURES)
            finding.record["candidates_agree"] = {n: round(dice, 4) for n, dice in agreed.items()}
        self.inspected_s += finding.inspected_s
        self.refined_s += finding.refined_s
        return finding


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


def computed(segmenters: list[Segmenter]) -> Computed:
    """How a case was computed whose views may differ: the fewest mirror images, every device."""
    told = [segmenter.computed() for segmenter in segmenters]
    return {
        **told[0],
        "device": "+".join(dict.fromkeys(one["device"] for one in told)),
        "precision": "+".join(dict.fromkeys(str(one["precision"]) for one in told)),
        "mirrors": min(one["mirrors"] for one in told),
    }
