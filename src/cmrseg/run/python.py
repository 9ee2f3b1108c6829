"""One patient in Python: images in, masks, volumes and their trust out; no files in between.

``cmrseg.load``, ``cmrseg.segment``, ``cmrseg.Model`` and ``cmrseg.Segmentation`` come from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmrseg import runtime
from cmrseg.cases.case import Case, ImageSource, Result
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.labels import label_code
from cmrseg.imaging.given import Image, PathName, given
from cmrseg.imaging.volume import Volume
from cmrseg.models import bundle
from cmrseg.recipes.mnms2_volumes import EJECTION, MASS, STROKE
from cmrseg.run.predict import model
from cmrseg.run.settings import Settings
from cmrseg.runtime import Precision
from cmrseg.runtime.errors import UsageError

if TYPE_CHECKING:
    from cmrseg.recipes.emidec import Emidec
    from cmrseg.recipes.mnms2 import Mnms2

NEEDED: dict[Challenge, tuple[str, ...]] = {
    name: tuple(role.lower() for role in spec.roles) for name, spec in SPECS.items()
}
"""Recipe -> the images it takes, by the names of :meth:`Model.segment`'s arguments."""


@dataclass(frozen=True, slots=True)
class QualityFlag:
    """What quality control says of one image.

    Attributes:
        out_of_distribution: the image differs from those that the weights were checked on.
        reason: why, or why not, in words.
    """

    out_of_distribution: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What came of one patient's images; keys are the names that the images were given by.

    Attributes:
        masks: image -> uint8 labels (z, y, x) on the image's own voxels; :attr:`labels` names them.
        labels: label -> structure.
        volumes_ml: image -> structure -> mL; images of the short axis.
        areas_cm2: image -> structure -> cm2; images of the long axis.
        ejection_fraction: ``LV``, ``RV`` -> percent, where both phases of the short axis are there.
        stroke_volume_ml: ``LV``, ``RV`` -> mL, likewise.
        mass_g: ``LV`` -> g, of the short axis at end-diastole.
        quality: image -> quality control's flag; empty where the weights have no quality control.
        uncertainty: image -> map -> float32 (z, y, x): ``entropy`` (0 to ln of the classes), for
            emidec ``variance`` of the dropout samples too.
        review: why somebody has to look at the result, whatever quality control says.
        warnings: what else should be known, in words.
        measures: everything that ``summary.json`` tells, prediction intervals among it.
    """

    masks: Mapping[str, Volume] = field(repr=False)
    labels: Mapping[int, str]
    volumes_ml: Mapping[str, Mapping[str, float]]
    areas_cm2: Mapping[str, Mapping[str, float]]
    ejection_fraction: Mapping[str, float]
    stroke_volume_ml: Mapping[str, float]
    mass_g: Mapping[str, float]
    quality: Mapping[str, QualityFlag]
    uncertainty: Mapping[str, Mapping[str, Volume]] = field(repr=False)
    review: tuple[str, ...]
    warnings: tuple[str, ...]
    measures: Mapping[str, Any] = field(repr=False)

    @property
    def needs_review(self) -> bool:
        """Whether an image is out of distribution, or something was guessed or is implausible."""
        return bool(self.review) or any(q.out_of_distribution for q in self.quality.values())


@dataclass(frozen=True, slots=True)
class Model:
    """A recipe with its networks loaded, for any number of patients; not for several threads.

    Attributes:
        name: the recipe.
        weights: SHA-256 of the weights bundle.
    """

    name: Challenge
    weights: str
    _recipe: Emidec | Mnms2 = field(repr=False)

    def segment(
        self,
        *,
        lge: Image | None = None,
        sa_ed: Image | None = None,
        sa_es: Image | None = None,
        la_ed: Image | None = None,
        la_es: Image | None = None,
    ) -> Segmentation:
        """One patient; the masks are those that ``cmrseg predict`` writes of the same images.

        Args:
            lge: the late-enhancement stack (emidec).
            sa_ed: short-axis cine at end-diastole (mnms2), likewise the others; give both phases
                for ejection fractions.
            sa_es: short axis, end-systole.
            la_ed: 4-chamber long axis, one slice, end-diastole.
            la_es: 4-chamber long axis, end-systole.

        Raises:
            UsageError: no image, or one that the recipe does not take.
            InputError: an image cannot be read or is none; leave it out to segment the others.
            MemoryLimitError: it does not fit the memory.
        """
        images = {"lge": lge, "sa_ed": sa_ed, "sa_es": sa_es, "la_ed": la_ed, "la_es": la_es}
        there = {name: image for name, image in images.items() if image is not None}
        foreign = sorted(set(there) - set(NEEDED[self.name]))
        if foreign or not there:
            raise UsageError(
                f"{self.name} takes no {', '.join(foreign)}" if there else "no image was given",
                f"give {self.name} {', '.join(NEEDED[self.name])}",
            )
        sources = {name.upper(): _source(image) for name, image in there.items()}
        result = self._recipe.segment(Case("case", sources, "the case"))
        for error in result.failed.values():
            raise error
        return _segmentation(self.name, result)


def load_model(
    recipe: Challenge,
    *,
    weights: PathName | None = None,
    device: str = "auto",
    precision: Precision | None = None,
    mirrors: int = 4,
    samples: int = 20,
) -> Model:
    """Load a recipe's networks once, to segment many patients; also called ``cmrseg.load``.

    Args:
        recipe: ``emidec`` or ``mnms2``.
        weights: a bundle's folder; None for the usual places (``cmrseg.models.bundle``).
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``fp32``, ``bf16``, ``fp16``; None for the device's usual one.
        mirrors: passes of test-time augmentation by flips: 1, 2 or 4.
        samples: Monte-Carlo dropout passes (emidec); 0 for no uncertainty.

    Raises:
        UsageError: there is no such recipe or device.
        WeightsError: there are no weights, or altered ones.
    """
    if recipe not in NEEDED:
        raise UsageError(f"there is no recipe {recipe!r}", f"use one of: {', '.join(NEEDED)}")
    settings = Settings(device=device, precision=precision, mirrors=mirrors, samples=samples)
    runtime.share_cpus()
    found = bundle.find(recipe, Path(weights) if weights else None)
    return Model(recipe, found.digest, model(recipe, found, settings))


def segment(
    recipe: Challenge,
    *,
    lge: Image | None = None,
    sa_ed: Image | None = None,
    sa_es: Image | None = None,
    la_ed: Image | None = None,
    la_es: Image | None = None,
    **how: Any,
) -> Segmentation:
    """One patient in one call: :func:`load_model`, then :meth:`Model.segment`.

    Args:
        recipe: ``emidec`` (takes ``lge``) or ``mnms2`` (takes the others).
        lge: as :meth:`Model.segment`.
        sa_ed: likewise.
        sa_es: likewise.
        la_ed: likewise.
        la_es: likewise.
        how: ``weights``, ``device``, ``precision``, ``mirrors``, ``samples`` of
            :func:`load_model`.

    Raises:
        CmrsegError: as both.
    """
    loaded = load_model(recipe, **how)
    return loaded.segment(lge=lge, sa_ed=sa_ed, sa_es=sa_es, la_ed=la_ed, la_es=la_es)


def _source(image: Image) -> ImageSource:
    """Where an image comes from; only paths are read later."""
    path: Any
    frame: Any
    path, frame = image if isinstance(image, tuple) else (image, None)
    if isinstance(path, str | PathLike):
        return ImageSource(Path(path), frame)
    return ImageSource(Path("image"), volume=given(image))


def _segmentation(challenge: Challenge, result: Result) -> Segmentation:
    found = {
        role.lower(): result.measures.get(role, result.measures) for role in result.predictions
    }
    made = {role.lower(): prediction for role, prediction in result.predictions.items()}
    code = label_code(challenge, "all")
    return Segmentation(
        masks={name: code.encode(one.mask) for name, one in made.items()},
        labels=SPECS[challenge].labels,
        volumes_ml=dict(_told(found, "volume_ml")),
        areas_cm2=dict(_told(found, "area_cm2")),
        ejection_fraction=result.measures.get(EJECTION, {}),
        stroke_volume_ml=result.measures.get(STROKE, {}),
        mass_g=result.measures.get(MASS, {}),
        quality={
            name: QualityFlag(told["out_of_distribution"], told["reason"])
            for name, told in _told(found, "quality")
        },
        uncertainty={name: one.maps for name, one in made.items()},
        review=result.review,
        warnings=result.warnings,
        measures=result.measures,
    )


def _told(found: Mapping[str, Any], measure: str) -> Iterator[tuple[str, Any]]:
    """A measure by image, of the images that have it."""
    yield from ((name, own[measure]) for name, own in found.items() if measure in own)
