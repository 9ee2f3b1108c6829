"""What a recipe does and which weights are at hand, told without loading torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

from cmrseg import __version__
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.sockets import socket_table
from cmrseg.models import bundle
from cmrseg.models.manifest import DataEntry, ScoresEntry
from cmrseg.runtime.errors import WeightsError


class RecipeAbout(TypedDict):
    """A challenge's recipe; ``labels`` are the organisers' numbers."""

    title: str
    after: str
    images: list[str]
    grid_mm: Mapping[str, list[float | None]]
    labels: Mapping[int, str]
    label_options: list[str]


class BundleAbout(TypedDict):
    """A bundle: where it lies, what is in it, and how well it scored out of fold."""

    folder: str
    sha256: str
    files: Mapping[str, str]
    commit: str | None
    networks: list[Mapping[str, object]]
    scores_out_of_fold: ScoresEntry | None


class About(TypedDict):
    """All that is told of one challenge."""

    cmrseg: str
    recipe: RecipeAbout
    sockets: list[Mapping[str, str]]
    results: str
    bundle: BundleAbout
    data: Mapping[str, DataEntry] | None
    limits: list[str]
    card: str


def information(challenge: Challenge | None, weights: Path | None = None) -> dict[Challenge, About]:
    """All that is told, JSON-ready, by challenge.

    Args:
        challenge: which; None for every one that there are weights for.
        weights: where to look for bundles; None for the usual places.

    Raises:
        WeightsError: there are no weights, or altered ones.
    """
    wanted = (challenge,) if challenge else tuple(SPECS)
    there = [name for name in wanted if challenge or bundle.is_there(name, weights)]
    if not there:
        raise WeightsError(
            f"there are no weights in {weights or 'the usual places'}",
            "give --weights a bundle's folder" if weights else bundle.CURE,
        )
    return {name: _about(name, bundle.find(name, weights)) for name in there}


def information_json(found: Mapping[Challenge, About]) -> str:
    """For programs: one object, by challenge."""
    told = {
        name: {key: value for key, value in about.items() if key != "card"}
        for name, about in found.items()
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def as_text(found: Mapping[Challenge, About]) -> str:
    """For people: the recipe, the bundle's identity, its model card."""
    return "\n".join(_text(name, about) for name, about in found.items())


def _about(challenge: Challenge, found: bundle.Bundle) -> About:
    card = (found.folder / bundle.CARD).read_text(encoding="utf-8")
    table, spec = socket_table(challenge), SPECS[challenge]
    return {
        "cmrseg": __version__,
        "recipe": {
            "title": spec.title,
            "after": spec.after,
            "images": list(spec.roles),
            "grid_mm": {name: list(mm) for name, mm in spec.grids_mm.items()},
            "labels": spec.labels,
            "label_options": list(spec.codes),
        },
        "sockets": [asdict(socket) for socket in table.sockets],
        "results": f"{table.results}.json",
        "bundle": {
            "folder": str(found.folder),
            "sha256": found.digest,
            "files": found.manifest["files"],
            "commit": found.manifest.get("commit"),
            "networks": [
                {"file": one["file"], "recipe": one["recipe"], "training": one["training"]}
                for one in found.networks
            ],
            "scores_out_of_fold": found.manifest.get("scores_out_of_fold"),
        },
        "data": found.manifest.get("data"),
        "limits": _limits(card),
        "card": card,
    }


def _limits(card: str) -> list[str]:
    """The paragraphs under the model card's heading."""
    _, _, rest = card.partition("## Limits\n")
    section = rest.partition("\n## ")[0]
    return [" ".join(part.split()) for part in section.split("\n\n") if part.strip()]


def _text(challenge: str, about: About) -> str:
    recipe, found = about["recipe"], about["bundle"]
    labels = ", ".join(f"{value} {name}" for value, name in recipe["labels"].items())
    sockets = ", ".join(f"{s['slug']} -> {s['mask']}" for s in about["sockets"])
    return "\n".join(
        (
            f"{challenge}: {recipe['title']}; after {recipe['after']}",
            f"labels {labels}",
            f"sockets {sockets}",
            f"bundle {found['folder']}",
            f"sha256 {found['sha256']} (manifest; covers every file)",
            "",
            about["card"],
        )
    )
