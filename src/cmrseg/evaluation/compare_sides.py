"""The two sides of a comparison: folders of predictions, made with a bundle if one is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cmrseg.cases.challenge import Challenge
from cmrseg.evaluation.pairs import Index, index
from cmrseg.models import bundle
from cmrseg.runtime.errors import InputError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two.

    Attributes:
        name: how it is called in tables.
        folder: its predictions.
        masks: case -> role -> predicted mask.
        about: what it is, for whoever reads the tables.
    """

    name: str
    folder: Path
    masks: Index
    about: str


def side(
    challenge: Challenge, name: str, place: Path, images: Path | None, out: Path, device: str
) -> Side:
    """A side from what the user gave.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        name: how to call it.
        place: a weights bundle, or a folder of predictions.
        images: the cases to segment with a bundle, in the challenge's layout.
        out: where a bundle's predictions go; what is there of the same images and weights stays.
        device: where to compute.

    Raises:
        UsageError: a bundle and no images.
        InputError: no case could be segmented, or there are no predictions.
        WeightsError: the bundle is incomplete, altered or another challenge's.
    """
    if not bundle.is_there(challenge, place):
        return Side(
            name=name,
            folder=place,
            masks=index(challenge, "predictions", place, by_name=True),
            about="predictions",
        )
    if images is None:
        raise UsageError(f"{name} is a weights bundle", "say with --images what to segment")
    from cmrseg.run.predict import predict

    found = bundle.find(challenge, place)
    # Uncertainty is not compared; its samples would cost most of the time.
    code = predict(
        challenge,
        images,
        out,
        weights=found.folder,
        labels="all",
        samples=0,
        resume=True,
        device=device,
    )
    try:
        masks = index(challenge, "predictions", out, by_name=True)
    except InputError as error:
        raise InputError(f"{name} segmented nothing (exit code {code})", "see above") from error
    return Side(name=name, folder=out, masks=masks, about=_about(found))


def _about(found: bundle.Bundle) -> str:
    """Digest, and which data each network learned from: scores on those patients are no scores."""
    told = [f"bundle {found.digest[:12]}"]
    for network in found.networks:
        training = network["training"]
        fold = training["fold"]
        held = "nobody held out" if fold is None else f"fold {fold} of {training['folds']} held out"
        told.append(f"{network['recipe']} learned from {', '.join(training['sources'])} ({held})")
    return "; ".join(told)
