"""What a recipe does and which weights are at hand, told without loading torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cmrseg import __version__
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.sockets import socket_table
from cmrseg.models import bundle
from cmrseg.runtime.errors import WeightsError


def information(challenge: Challenge | None, weights: Path | None = None) -> dict[str, Any]:
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


def information_json(found: dict[str, Any]) -> str:
    """For programs: one object, by challenge."""
    told = {
        name: {key: value for key, value in about.items() if key != "card"}
        for name, about in found.items()
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def as_text(found: dict[str, Any]) -> str:
    """For people: the recipe, the bundle's identity, its model card."""
    return "\n".join(_text(name, about) for name, about in found.items())


def _about(challenge: Challenge, found: bundle.Bundle) -> dict[str, Any]:
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
                {key: network[key] for key in ("file", "recipe", "training")}
                for network in found.networks
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


def _text(challenge: str, about: dict[str, Any]) -> str:
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
