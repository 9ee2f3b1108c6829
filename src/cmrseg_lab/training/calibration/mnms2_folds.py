"""Which of a view's candidates are judged on which patients: never on one that they met.

Where some patients were held out by all candidates, those are the ones, and all candidates are
judged on each. Candidates that held out different folds have none in common: then each is judged on
the patients of its own, and what is fitted is fitted on all of that together. What compares
candidates on one image, as the choice among them does, cannot be fitted then.

The autoencoder that judges an image never met it either: the first in the bundle that did not. It
is the first one that serves in prediction; the others, of other folds, only judge here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cmrseg.models.bundle import Bundle
from cmrseg.runtime.errors import InputError, WeightsError
from cmrseg_lab.training import cache
from cmrseg_lab.training.sources import is_synthetic
from cmrseg_lab.training.train import FOLD_SEED, FOLDS, unseen

Network = dict[str, Any]
"""A network's entry in the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Images that the same networks never met.

    Attributes:
        candidates: segmenters that are judged on them.
        autoencoder: by whom.
        entries: the images.
    """

    candidates: list[Network]
    autoencoder: Network
    entries: list[cache.Entry]

    def of(self, found: Bundle) -> Bundle:
        """The bundle with these networks alone."""
        networks = [*self.candidates, self.autoencoder]
        return replace(found, manifest={**found.manifest, "networks": networks})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """Who is judged on what.

    Attributes:
        parts: the images, by who is judged on them.
        together: whether every image is one that all candidates are judged on.
    """

    parts: list[Part]
    together: bool

    @property
    def entries(self) -> list[cache.Entry]:
        """All images."""
        return [entry for part in self.parts for entry in part.entries]

    def of_each(self) -> dict[str, dict[str, Any]]:
        """Each candidate's file -> ``fold`` it held out (None for none) and ``patients``."""
        told: dict[str, dict[str, Any]] = {}
        for file, network in {n["file"]: n for p in self.parts for n in p.candidates}.items():
            own = [p for p in self.parts if any(n["file"] == file for n in p.candidates)]
            patients = count(entry for part in own for entry in part.entries)
            told[file] = {"fold": network["training"]["fold"], "patients": patients}
        return dict(sorted(told.items()))

    def in_words(self) -> str:
        """On whom, for manifest and model card."""
        sources = ", ".join(sorted({entry.source for entry in self.entries}))
        told = f"{count(self.entries)} held-out patients of {sources}"
        if self.together:
            return told
        folds = ", ".join(_folds(n for part in self.parts for n in part.candidates))
        return (
            f"{told}, each candidate on those whom it held out (folds {folds}); no intervals: "
            "nobody was held out by all candidates"
        )


def deal(found: Bundle, recipe: str, entries: Sequence[cache.Entry]) -> Dealt:
    """Deal a cache's images among a view's candidates.

    Candidates may differ in seed, shape, sources and fold. Synthetic hearts count only where the
    cache has no others: a threshold means real images.

    Raises:
        WeightsError: the bundle has no segmenter or no autoencoder of the view.
        InputError: a candidate held out nobody whom an autoencoder held out too, or folds were
            dealt in another way.
    """
    segmenters = _networks(found, recipe, "segmenter")
    autoencoders = _networks(found, f"{recipe}-qc", "autoencoder")
    real = [e for e in entries if not is_synthetic(e.source)] or list(entries)
    new = {n["file"]: {e.file for e in unseen(list(entries), n["training"])}
           for n in (*segmenters, *autoencoders)}  # fmt: skip
    by_whom: dict[tuple[str, ...], list[cache.Entry]] = defaultdict(list)
    for entry in real:
        files = [n["file"] for n in segmenters if entry.file in new[n["file"]]]
        judges = [n["file"] for n in autoencoders if entry.file in new[n["file"]]]
        if files and judges:
            by_whom[*files, judges[0]].append(entry)
    whole = {files: own for files, own in by_whom.items() if len(files) == len(segmenters) + 1}
    by_file = {n["file"]: n for n in (*segmenters, *autoencoders)}
    parts = [
        Part(
            candidates=[by_file[file] for file in files],
            autoencoder=by_file[judge],
            entries=own,
        )
        for (*files, judge), own in (whole or by_whom).items()
    ]
    _check_all(recipe, segmenters, autoencoders, parts)
    return Dealt(parts=parts, together=bool(whole))


def count(entries: Iterable[cache.Entry]) -> int:
    """How many patients are in images."""
    return len({(entry.source, entry.patient) for entry in entries})


def _networks(found: Bundle, recipe: str, what: str) -> list[Network]:
    own = [n for n in found.networks if n["recipe"] == recipe]
    view = recipe.removesuffix("-qc")
    if not own:
        raise WeightsError(
            f"the bundle has no {what} of {view}",
            f"pack one: `cmrseg-lab pack mnms2` takes checkpoints of {view} and {view}-qc",
        )
    if any((n["training"]["folds"], n["training"]["fold_seed"]) != (FOLDS, FOLD_SEED) for n in own):
        raise InputError(
            f"the networks of {view} dealt folds in another way", "train them with this cmrseg"
        )
    return own


def _check_all(
    recipe: str, segmenters: list[Network], autoencoders: list[Network], parts: list[Part]
) -> None:
    """Every candidate is judged on somebody: fences would not hold for one that is not."""
    seen = {n["file"] for part in parts for n in part.candidates}
    unjudged = [n for n in segmenters if n["file"] not in seen]
    if not unjudged:
        return
    folds = [", ".join(_folds(networks)) for networks in (unjudged, autoencoders)]
    raise InputError(
        f"the cache has nobody whom both a segmenter of {recipe} (fold held out: {folds[0]}) and "
        f"an autoencoder (fold held out: {folds[1]}) held out",
        "use their own cache, and pack for every fold of the segmenters an autoencoder trained "
        "with the same --fold",
    )


def _folds(networks: Iterable[Network]) -> list[str]:
    folds = {n["training"]["fold"] for n in networks}
    return sorted("none" if fold is None else str(fold) for fold in folds)
