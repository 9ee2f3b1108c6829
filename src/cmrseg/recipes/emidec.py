"""EMIDEC: late enhancement to cavity, myocardium, infarction and no-reflow (arega2021).

Read :meth:`Emidec.segment` for what happens to a case.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
    from cmrseg.models.ensemble import Segmenter
    from cmrseg.models.roi_crop import Roi
    from cmrseg.recipes.emidec_rules import Rules

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
SAMPLES = 20
"""Dropout passes for the uncertainty, those of all networks together."""


(RECIPE,) = recipes_of(EMIDEC).values()


class Volumes(TypedDict):
    """Structure -> mL, and the infarcted share of the myocardium in percent."""

    volume_ml: dict[str, float]
    infarcted_percent: float


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
    ) -> None:
        self.septum_deg = septum_deg
        self.segmenter, self.rules, self.trust = segmenter, rules, trust
        self.mirrors, self.samples = mirrors, samples

    def segment(self, case: Case) -> Result:
        """One stack to labels, uncertainty maps and volumes.

        Raises:
            InputError: the image cannot be read or is no LGE stack.
        """
        # Training imports this module where no image library is installed.
        from cmrseg.imaging.postprocess import labels
        from cmrseg.recipes.steps import (
            implausible_volumes,
            missing_structures,
            prepared_image,
            within_role,
        )

        started = time.perf_counter()
        self.segmenter.budget.restart()
        self.segmenter.begin()
        with within_role("LGE"):
            preparation = self.segmenter.preparation
            source, prepared = prepared_image(case.images["LGE"], RECIPE.grid, preparation)
            if len(prepared.image.array) == 1:
                raise InputError(
                    "the late enhancement has one slice, where a stack is needed",
                    "give all slices of the short axis in one file or DICOM folder",
                )
            roi = self._located(prepared.image)
            mirrored = self.segmenter.mirrored(roi.image, self.mirrors, samples=self.samples)
            restored = partial(_restored, prepared, roi, mirrored.maps.mean(axis=0))
            native = restored()
            voxel_ml = source.geometry.voxel_ml
            mask, changes = labels(native), {}
            if self.rules and self.rules.steps:
                mask, told = self.rules.told(mask, native, voxel_ml)
                changes = {"rules": told}
            found = volumes(mask, voxel_ml)
            samples = mirrored.counts.samples
            drawn = self.segmenter.dropout_samples(roi.image, samples) if samples else None
            maps, doubt, each = self._doubt(prepared, roi, drawn.maps) if drawn else ({}, {}, [])
        total = time.perf_counter() - started
        looks = [one for one in (roi, mirrored, drawn) if one]
        network = sum(one.seconds for one in looks)
        return Result(
            predictions={
                "LGE": Prediction(
                    source.like(mask),
                    {name: source.like(array) for name, array in maps.items()},
                    probabilities=restored,
                )
            },
            measures={
                **found,
                **volume_intervals(found, each, self.trust.bands if self.trust else {}),
                **doubt,
                **changes,
                **segment_measures(source, source.like(mask), self.septum_deg),
            },
            computed=self.segmenter.computed(mirrored.counts),
            timings_s={"network": round(network, 3), "around": round(total - network, 3)},
            warnings=(
                *source.warnings,
                *dict.fromkeys(warning for one in looks for warning in one.warnings),
                *missing_structures({name: found["volume_ml"][name] for name in JUDGED}),
                *self._judged(doubt),
            ),
            review=(
                *source.review,
                *implausible_volumes(found["volume_ml"], PLAUSIBLE_ML),
                *_other_kind(source, mask),
            ),
        )

    def _located(self, image: Volume) -> Roi:
        """Where the heart is, and what networks are shown of it."""
        from cmrseg.models.roi_crop import Roi

        passes = len(self.segmenter.networks) * self.mirrors + self.samples
        return Roi.on(self.segmenter, image, passes)

    def _doubt(
        self, prepared: Prepared, roi: Roi, drawn: Array
    ) -> tuple[dict[str, Array], Measures, list[Volumes]]:
        """What dropout samples (samples, C, z, y, x) say: maps on the source's voxels, measures,
        each one's volumes."""
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
        agreed = agreement(measures.sample_labels(drawn), self.segmenter.shares(len(drawn)), JUDGED)
        if self.trust and (verdict := self.trust.judge(agreed)):
            told["quality"] = verdict
        return (
            dict(zip(("variance", "entropy"), pair, strict=True)),
            told,
            [self._settled(one, prepared) for one in drawn],
        )

    def _judged(self, doubt: Measures) -> list[str]:
        """A warning where the case is out of distribution, or nobody can say whether it is."""
        if not (self.trust and self.trust.fences):
            return []
        if "quality" not in doubt:
            least = 2 * len(self.segmenter.networks)
            return [f"not judged by quality control: that takes {least} dropout samples"]
        verdict = doubt["quality"]
        return [f"quality control: {verdict['reason']}"] * verdict["out_of_distribution"]

    def _settled(self, probabilities: Array, prepared: Prepared) -> Volumes:
        """Volumes of one sample on the recipe's grid, its mask made as the result's is."""
        from cmrseg.imaging.postprocess import labels

        mask, voxel_ml = labels(probabilities), prepared.image.geometry.voxel_ml
        if self.rules:
            mask = self.rules.apply(mask, probabilities, voxel_ml)
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
