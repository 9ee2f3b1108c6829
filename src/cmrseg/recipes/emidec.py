"""EMIDEC: late enhancement to cavity, myocardium, infarction and no-reflow (arega2021).

Read :meth:`Emidec.segment` for what happens to a case.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from cmrseg.cases.case import Case, Measures, Prediction, Result
from cmrseg.cases.challenge import EMIDEC
from cmrseg.imaging.aha_segments import segment_measures
from cmrseg.imaging.volume import Array, Volume
from cmrseg.quality.uncertainty import conformal, measures
from cmrseg.quality.uncertainty.conformal import ErrorBand
from cmrseg.quality.uncertainty.interval import Interval, in_words, interval
from cmrseg.quality.uncertainty.measures import agreement
from cmrseg.quality.uncertainty.trust import Trust
from cmrseg.recipes.recipe import recipes_of
from cmrseg.runtime.errors import InputError

if TYPE_CHECKING:
    from cmrseg.imaging.prepare import Prepared
    from cmrseg.models.ensemble import Passes, Segmenter
    from cmrseg.models.roi_crop import Roi
    from cmrseg.recipes.emidec_rules import Rules
    from cmrseg.runtime import PassCounts

# The organisers' unions: infarction lies in the myocardium, no-reflow in the infarction.
STRUCTURES = {
    "cavity": (1,),
    "myocardium": (2, 3, 4),
    "infarction": (3, 4),
    "no_reflow": (4,),
}
JUDGED = {name: STRUCTURES[name] for name in ("cavity", "myocardium")}
"""By whose agreement a case is flagged: every heart has them, and no rule takes them away."""
MEASURED = ("myocardium", "infarction", "no_reflow")
"""Whose volumes get an interval."""
SHARE = "infarcted_percent"
"""The infarcted share of the myocardium: another."""
PLAUSIBLE_ML = {"cavity": (10.0, 800.0), "myocardium": (15.0, 700.0)}
"""Wide bounds for grown-ups, an estimate; a volume beyond them is marked for review."""
FALLBACK = "the mask is that of the networks for any contrast"
SAMPLES = 20
"""Dropout passes for the uncertainty, those of all networks together."""


(RECIPE,) = recipes_of(EMIDEC).values()
ANY_CONTRAST = f"{RECIPE.name}-any"
"""What a bundle calls the networks that answer where its others are out of distribution."""


class Volumes(TypedDict):
    """Structure -> mL, and the infarcted share of the myocardium in percent."""

    volume_ml: dict[str, float]
    infarcted_percent: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What some networks make of a stack.

    Attributes:
        mask: (z, y, x) labels on the image's voxels.
        probabilities: of the classes there, when asked for.
        volumes: of the mask.
        maps: name -> (z, y, x) uncertainty there.
        measures: what is recorded of rules, uncertainty and quality control.
        samples: volumes of each dropout sample.
        looks: the passes it took.
        counts: flips and samples.
    """

    mask: Array
    probabilities: Callable[[], Array]
    volumes: Volumes
    maps: Mapping[str, Array]
    measures: Measures
    samples: Sequence[Volumes]
    looks: tuple[Roi | Passes, ...]
    counts: PassCounts

    @property
    def whole(self) -> bool:
        """Whether the mask shows what every heart has."""
        return all(self.volumes["volume_ml"][name] for name in JUDGED)

    @property
    def unlike(self) -> bool:
        """Whether the stack is unlike what these networks were trained on."""
        flagged = self.measures.get("quality", {}).get("out_of_distribution", False)
        return flagged or not self.whole

    def instead_of(self, other: Answer) -> Answer:
        """This one, with the other's verdict: nobody measured how far this one can be trusted."""
        verdict = other.measures.get("quality")
        told = {**self.measures, "fallback": True}
        if verdict:
            told["quality"] = {**verdict, "reason": f"{verdict['reason']}; {FALLBACK}"}
        return replace(self, measures=told, looks=(*other.looks, *self.looks))


class Emidec:
    """The recipe with its trained networks.

    Args:
        segmenter: the ensemble.
        rules: anatomical rules of the bundle; None for none.
        trust: what held-out patients said of errors and agreement; None if nobody asked them.
        mirrors: test-time mirror images (1, 2 or 4).
        samples: Monte-Carlo dropout passes in all, for the uncertainty (0: none).
        septum_deg: the middle of the septum, from the image's right, counted upwards, of all cases
            (:func:`cmrseg.imaging.aha_septum.find_origin`); None to find each one's.
        fallback: networks for late enhancement of any contrast; they answer where a stack is out
            of distribution for the ensemble, or it finds no heart. None for none.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        rules: Rules | None = None,
        trust: Trust | None = None,
        *,
        mirrors: int = 4,
        samples: int = SAMPLES,
        septum_deg: float | None = None,
        fallback: Segmenter | None = None,
    ) -> None:
        self.septum_deg = septum_deg
        self.fallback = fallback if fallback and fallback.networks else None
        self.segmenter, self.rules, self.trust = segmenter, rules, trust
        self.mirrors, self.samples = mirrors, samples

    def segment(self, case: Case) -> Result:
        """One stack to labels, uncertainty maps and volumes.

        Raises:
            InputError: the image cannot be read or is no LGE stack.
        """
        # Training imports this module where no image library is installed.
        from cmrseg.imaging.prepare import prepare
        from cmrseg.recipes.steps import (
            implausible_volumes,
            missing_structures,
            prepared_image,
            within_role,
        )

        started = time.perf_counter()
        self.segmenter.budget.restart()
        with within_role("LGE"):
            preparation = self.segmenter.preparation
            source, prepared = prepared_image(case.images["LGE"], RECIPE.grid, preparation)
            if len(prepared.image.array) == 1:
                raise InputError(
                    "the late enhancement has one slice, where a stack is needed",
                    "give all slices of the short axis in one file or DICOM folder",
                )
            answer = self._answer(self.segmenter, prepared, source.geometry.voxel_ml, self.rules)
            bands = self.trust.bands if self.trust else {}
            if self.fallback and answer.unlike:
                seen = prepare(source, RECIPE.grid, self.fallback.preparation)
                other = self._answer(self.fallback, seen, source.geometry.voxel_ml, None)
                answer, bands = (other.instead_of(answer), {}) if other.whole else (answer, bands)
        found = answer.volumes
        total = time.perf_counter() - started
        network = sum(one.seconds for one in answer.looks)
        return Result(
            predictions={
                "LGE": Prediction(
                    source.like(answer.mask),
                    {name: source.like(array) for name, array in answer.maps.items()},
                    probabilities=answer.probabilities,
                )
            },
            measures={
                **found,
                **volume_intervals(found, answer.samples, bands),
                **answer.measures,
                **segment_measures(source, source.like(answer.mask), self.septum_deg),
            },
            computed=self.segmenter.computed(answer.counts),
            timings_s={"network": round(network, 3), "around": round(total - network, 3)},
            warnings=(
                *source.warnings,
                *dict.fromkeys(warning for one in answer.looks for warning in one.warnings),
                *missing_structures({name: found["volume_ml"][name] for name in JUDGED}),
                *self._judged(answer.measures),
            ),
            review=(
                *source.review,
                *implausible_volumes(found["volume_ml"], PLAUSIBLE_ML),
                *_other_kind(source, answer.mask),
            ),
        )

    def _answer(
        self, segmenter: Segmenter, prepared: Prepared, voxel_ml: float, rules: Rules | None
    ) -> Answer:
        """What some of the bundle's networks make of a prepared stack."""
        from cmrseg.imaging.postprocess import labels

        segmenter.begin()
        roi = self._located(segmenter, prepared.image)
        mirrored = segmenter.mirrored(roi.image, self.mirrors, samples=self.samples)
        restored = partial(_restored, prepared, roi, mirrored.maps.mean(axis=0))
        native = restored()
        mask, told = labels(native), Measures()
        if rules and rules.steps:
            mask, changes = rules.told(mask, native, voxel_ml)
            told["rules"] = changes
        samples = mirrored.counts.samples
        drawn = segmenter.dropout_samples(roi.image, samples) if samples else None
        maps: dict[str, Array] = {}
        each: list[Volumes] = []
        if drawn:
            maps, doubt = self._doubt(prepared, roi, drawn.maps, segmenter.shares(samples))
            told |= doubt
            each = [_settled(one, prepared, rules) for one in drawn.maps]
        return Answer(
            mask=mask,
            probabilities=restored,
            volumes=volumes(mask, voxel_ml),
            maps=maps,
            measures=told,
            samples=each,
            looks=tuple(one for one in (roi, mirrored, drawn) if one),
            counts=mirrored.counts,
        )

    def _located(self, segmenter: Segmenter, image: Volume) -> Roi:
        """Where the heart is, and what networks are shown of it."""
        from cmrseg.models.roi_crop import Roi

        return Roi.on(segmenter, image, len(segmenter.networks) * self.mirrors + self.samples)

    def _doubt(
        self, prepared: Prepared, roi: Roi, drawn: Array, shares: Sequence[int]
    ) -> tuple[dict[str, Array], Measures]:
        """What dropout samples (samples, C, z, y, x) say: maps on the source's voxels, measures.
        ``shares``: how many of them are each network's."""
        average, variance = measures.mean_and_variance(drawn)
        entropy = measures.predictive_entropy(average)
        maps = roi.back(np.stack([variance.mean(axis=0), entropy]))
        pair = prepared.restore(maps).astype(np.float32)
        told: Measures = {
            "uncertainty": {
                "image_level": measures.image_uncertainty(variance) * roi.share,
                "dice_within_samples": measures.dice_within_samples(average, drawn, STRUCTURES),
            }
        }
        agreed = agreement(measures.sample_labels(drawn), shares, JUDGED)
        if self.trust and (verdict := self.trust.judge(agreed)):
            told["quality"] = verdict
        return dict(zip(("variance", "entropy"), pair, strict=True)), told

    def _judged(self, doubt: Measures) -> list[str]:
        """A warning where the case is out of distribution, or nobody can say whether it is."""
        if not (self.trust and self.trust.fences):
            return []
        if "quality" not in doubt:
            least = 2 * len(self.segmenter.networks)
            return [f"not judged by quality control: that takes {least} dropout samples"]
        verdict = doubt["quality"]
        return [f"quality control: {verdict['reason']}"] * verdict["out_of_distribution"]


def _settled(probabilities: Array, prepared: Prepared, rules: Rules | None) -> Volumes:
    """Volumes of one sample on the recipe's grid, its mask made as the result's is."""
    from cmrseg.imaging.postprocess import labels

    mask, voxel_ml = labels(probabilities), prepared.image.geometry.voxel_ml
    if rules:
        mask = rules.apply(mask, probabilities, voxel_ml)
    return volumes(mask, voxel_ml)


def _other_kind(image: Volume, mask: Array) -> tuple[str, ...]:
    """Why the image seems to be no late enhancement in the short axis."""
    from cmrseg.quality.other_kind import other_kind

    cavity, muscle = (np.isin(mask, STRUCTURES[name]) for name in JUDGED)
    return tuple(one.words for one in other_kind("LGE", image, cavity=cavity, muscle=muscle))


def _restored(prepared: Prepared, roi: Roi, mean: Array) -> Array:
    """Class probabilities on the image's own voxels."""
    return prepared.restore(roi.probabilities(mean))


def volume_intervals(
    found: Volumes, samples: Sequence[Volumes], bands: Mapping[str, ErrorBand]
) -> Measures:
    """A 95 % interval of the volumes and of the infarcted share, and the value it is around.

    Args:
        found: :func:`volumes` of the mask.
        samples: :func:`volumes` of each sample; may be empty.
        bands: measure -> the errors to expect around the mask's value, as held-out patients showed
            them; where there is none it is the samples' mean and interval, if there are two.
            Where there is one, those of the samples are told beside it, in ``samples``.
    """
    told = _intervals(found, samples, bands)
    if told and bands and len(samples) > 1:
        told["samples"] = _intervals(found, samples, {})
    return told


def _intervals(
    found: Volumes, samples: Sequence[Volumes], bands: Mapping[str, ErrorBand]
) -> Measures:
    ml = {name: [one["volume_ml"][name] for one in (found, *samples)] for name in MEASURED}
    each = {name: _spread(*values, band=bands.get(name)) for name, values in ml.items()}
    told = {name: one for name, one in each.items() if one}
    if not told:
        return {}
    shares = [one["infarcted_percent"] for one in (found, *samples)]
    share = _spread(*shares, band=bands.get(SHARE), highest=100.0, decimals=1)
    return {
        "volume_ml_interval": told,
        **({f"{SHARE}_interval": share} if share else {}),
        "interval": conformal.bands_in_words(bands) if bands else in_words(len(samples)),
    }


def _spread(
    value: float,
    *samples: float,
    band: ErrorBand | None,
    highest: float = np.inf,
    decimals: int = 2,
) -> dict[str, float]:
    """Of one measure, JSON-ready: by its band of errors, else by its samples; else empty."""
    if band:
        low, high = band.around(value, highest=highest)
        found = Interval(mean=value, low=low, high=high).rounded(decimals)
        return found | {"level": round(band.level, 2)}
    return interval(samples, highest=highest).rounded(decimals) if len(samples) > 1 else {}


def volumes(mask: Array, voxel_ml: float) -> Volumes:
    """Volumes in mL and the infarcted share of the myocardium in percent."""
    ml = {
        name: round(float(np.isin(mask, parts).sum() * voxel_ml), 2)
        for name, parts in STRUCTURES.items()
    }
    share = 100 * ml["infarction"] / ml["myocardium"] if ml["myocardium"] else 0.0
    return {"volume_ml": ml, "infarcted_percent": round(share, 1)}
