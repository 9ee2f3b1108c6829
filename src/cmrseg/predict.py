"""The main job: a folder of images in, verified masks and measures out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cmrseg import batch, bundle, runtime
from cmrseg.contracts.case import Case, Result
from cmrseg.contracts.labels import Challenge
from cmrseg.errors import WeightsError

Segment = Callable[[Case], Result]


def predict(
    challenge: Challenge,
    input_dir: str | Path,
    output_dir: str | Path,
    *,
    contract: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    labels: str | None = None,
    sockets: str | Path | None = None,
    mirrors: int = 4,
    samples: int = 5,
) -> int:
    """Segment every case of a folder; the models are loaded once.

    Args:
        challenge: the recipe, ``emidec`` or ``mnms2``.
        input_dir: cases in any layout of ``cmrseg.contracts``.
        output_dir: where results go.
        contract: the layout's name; None to detect it.
        weights: a bundle; None for the usual places (``cmrseg.bundle``).
        device: ``auto``, ``cpu``, ``cuda``.
        labels: label code of the masks; None for the layout's usual one.
        sockets: a Grand Challenge socket table.
        mirrors: test-time mirror images: 1, 2 or 4.
        samples: Monte-Carlo dropout passes a network (emidec); 0 writes no uncertainty.

    Returns:
        An exit code of :mod:`cmrseg.errors`.

    Raises:
        CmrsegError: nothing could be started (input, output, weights).
    """
    from cmrseg.contracts.detect import open_contract

    runtime.share_cpus()
    opened = open_contract(
        challenge, input_dir, output_dir, contract, labels=labels, sockets=sockets
    )
    found = bundle.find(challenge, Path(weights) if weights else None)
    segment = recipe(challenge, found, device=device, mirrors=mirrors, samples=samples)
    return batch.run(opened, segment)


def recipe(
    challenge: Challenge,
    weights: bundle.Bundle,
    *,
    device: str = "auto",
    mirrors: int = 4,
    samples: int = 5,
) -> Segment:
    """A challenge's recipe with its networks loaded: case in, result out.

    Raises:
        WeightsError: the bundle has no network of the challenge, or one that does not fit.
        UsageError: there is no such device.
    """
    if not weights.networks:
        raise WeightsError(
            f"the bundle in {weights.folder} has no network", "pack a trained one into it"
        )
    from cmrseg.challenges.emidec import Emidec
    from cmrseg.challenges.mnms2 import VIEWS, Mnms2
    from cmrseg.challenges.segmenter import Segmenter
    from cmrseg.runtime import use_device

    place = use_device(device)
    if challenge == "emidec":
        segmenter = Segmenter.from_bundle(weights, "emidec", place)
        return Emidec(segmenter, mirrors=mirrors, samples=samples).segment
    views = {v: Segmenter.from_bundle(weights, f"mnms2-{v.lower()}", place) for v in VIEWS}
    return Mnms2(views, mirrors=mirrors).segment
