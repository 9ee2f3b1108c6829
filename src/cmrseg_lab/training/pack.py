"""From checkpoints to a bundle: safetensors, manifest with digests, model card."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from cmrseg import __version__
from cmrseg.models import storage
from cmrseg.models.bundle import CARD, FORMAT, MANIFEST, sealed, sha256
from cmrseg.quality import replay
from cmrseg.quality.replay import Rehearsal
from cmrseg.runtime.errors import InputError, OutputError
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.card import card, steps_in_all
from cmrseg_lab.training.cine_cache import FOLD_SEED
from cmrseg_lab.training.cine_loop import Preset
from cmrseg_lab.training.held_out import digests
from cmrseg_lab.training.sources import learned_from, source

if TYPE_CHECKING:  # it needs scipy, which packing does not
    from cmrseg.quality.thresholds import Thresholds


RECORDED = (
    "configuration",
    "fold",
    "folds",
    "fold_seed",
    "choose_fold",
    "sources",
    "volumes",
    "patients",
    "trained_on",
    "started_from",
)
"""What of a checkpoint's ``about`` goes into the manifest: no patient's name."""


def pack(challenge: str, checkpoints: list[Path], out: Path, *, commit: str = "unknown") -> Path:
    """Write a bundle of trained networks.

    Large kernels are stored in eight bits (:mod:`cmrseg.models.storage`).

    Args:
        challenge: ``emidec`` or ``mnms2``.
        checkpoints: one a network, the last of a run or one of its ``best-N.safetensors``; their
            recipes must be the challenge's.
        out: the bundle's folder; an older bundle there is replaced in one move.
        commit: the commit the bundle is packed at.

    Returns:
        ``out``.

    Raises:
        InputError: a checkpoint cannot be read, holds numbers that are not finite or is of
            another challenge, or two would get one name.
        OutputError: something that is no bundle lies at ``out``.
    """
    _check_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".packing-") as folder:
        stage = Path(folder) / out.name
        stage.mkdir()
        states = [_described(checkpoint.read_state(path)) for path in checkpoints]
        networks = [
            _network(challenge, path, state, stage / file)
            for path, state, file in zip(checkpoints, states, _files(states), strict=True)
        ]
        names = sorted(set().union(*(learned_from(n["training"]) for n in networks)))
        manifest = {
            "format": FORMAT,
            "challenge": challenge,
            "cmrseg": __version__,
            "commit": commit,
            "data": {name: asdict(source(name)) for name in names},
            "networks": networks,
        }
        write_manifest(stage, manifest)
        if out.exists():
            shutil.rmtree(out)
        stage.rename(out)
    return out


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the model card, the digests of all files, and the manifest that names them."""
    (folder / CARD).write_text(card(manifest), encoding="utf-8")
    rehearsals = [q["rehearsal"] for q in manifest.get("quality", {}).values() if q["rehearsal"]]
    names = [n["file"] for n in manifest["networks"]] + rehearsals + [CARD]
    manifest["files"] = {name: sha256(folder / name) for name in sorted(names)}
    (folder / MANIFEST).write_text(sealed(manifest), encoding="utf-8")


def record_scores(folder: Path, scores: dict[str, Any]) -> None:
    """Put out-of-fold scores into a bundle's manifest and model card."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["scores_out_of_fold"] = scores
    write_manifest(folder, manifest)


def record_quality(
    folder: Path,
    recipe: str,
    thresholds: Thresholds,
    rehearsed: Rehearsal | None,
    told: str,
    **seen: Any,
) -> None:
    """Put one view's quality thresholds and rehearsal slices into a bundle.

    Args:
        folder: the bundle.
        recipe: whose they are (``mnms2-sa``, ``mnms2-la``).
        thresholds: of its roles.
        rehearsed: labelled slices for refinement; None for a bundle that is never refined.
        told: what the thresholds were fitted on, in words, for the model card.
        seen: what else was found on the same images, JSON-ready, by name.
    """
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    file = f"{recipe}-rehearsal.safetensors" if rehearsed else None
    if rehearsed and file:
        replay.write(folder / file, rehearsed)
        (folder / file).chmod(0o644)
    entry = {"thresholds": thresholds.as_dict(), "rehearsal": file, "fitted_on": told, **seen}
    manifest["quality"] = {**manifest.get("quality", {}), recipe: entry}
    write_manifest(folder, manifest)


def _described(state: dict[str, Any]) -> dict[str, Any]:
    """A preset's checkpoint in the words that manifests are written in; others as they are."""
    if "preset" not in state:
        return state
    preset, about = Preset.of(state["preset"]), state["about"]
    patients = [tuple(Path(file).stem.split("-", 1)) for file in about["patients"]]
    shape = ("classes", "channels", "features", "across", "presence")
    settings = {k: v for k, v in state["preset"].items() if k not in shape}
    return {
        "step": state["step"],
        "precision": "bf16",
        "config": {
            **settings,
            "seed": about["seed"],
            "network": preset.network.as_dict(),
            "preparation": "interior",
        },
        "about": {
            "fold": about["fold"],
            "folds": preset.folds,
            "fold_seed": FOLD_SEED,
            "configuration": f"without-{about['without']}" if about["without"] else "",
            "sources": sorted({source for source, _ in patients}),
            "patients": len(patients),
            "trained_on": digests((source, patient) for source, patient in patients),
        },
    }


def _check_replaceable(out: Path) -> None:
    """Packing removes what lies at ``out``: only ever an older bundle."""
    replaceable = (out / MANIFEST).is_file() or (out.is_dir() and not any(out.iterdir()))
    if out.exists() and not replaceable:
        raise OutputError(
            f"{out} holds something that is no weights bundle", "give a folder of its own"
        )


def _files(states: list[dict[str, Any]]) -> list[str]:
    """What each network's file is called.

    Networks of one recipe, fold and seed are told apart by what their configurations are called,
    snapshots of one run by their steps.

    Raises:
        InputError: two would get one name.
    """
    names, configurations, steps = [], [], []
    for state in states:
        config, about = state["config"], state["about"]
        fold = "all" if about["fold"] is None else f"fold{about['fold']}"
        names.append(f"{config['recipe']}-{fold}-seed{config['seed']}")
        configurations.append(about.get("configuration", ""))
        steps.append(f"{steps_in_all(state['step'], about.get('started_from'))}steps")
    names = _told_apart(_told_apart(names, configurations), steps)
    if len(set(names)) < len(names):
        raise InputError(
            f"two checkpoints would be called {max(names, key=names.count)}.safetensors",
            "give each recipe, fold, seed, configuration and number of steps once",
        )
    return [f"{name}.safetensors" for name in names]


def _told_apart(names: list[str], details: list[str]) -> list[str]:
    """Each name with its detail, where others of that name have other details."""
    known = set(zip(names, details, strict=True))
    shared = Counter(name for name, _ in known)
    return [
        f"{name}-{detail}" if detail and shared[name] > 1 else name
        for name, detail in zip(names, details, strict=True)
    ]


def _network(challenge: str, path: Path, state: dict[str, Any], file: Path) -> dict[str, Any]:
    """Store one network; returns its manifest entry."""
    config, about = state["config"], state["about"]
    if config["recipe"].split("-")[0] != challenge:
        raise InputError(
            f"a checkpoint of recipe {config['recipe']} does not belong in a {challenge} bundle",
            "give checkpoints of one challenge",
        )
    weights = storage.shrink(checkpoint.network_weights(path))
    if not all(v.isfinite().all() for v in weights.values()):
        raise InputError(
            f"the network trained in {path.parent} holds numbers that are not finite",
            "its training diverged: train again with a lower learning rate or another seed",
        )
    save_file(weights, file)
    file.chmod(0o644)  # images run as users of their own
    training = {k: v for k, v in config.items() if k not in ("network", "recipe", "preparation")}
    return {
        "file": file.name,
        "recipe": config["recipe"],
        "config": config["network"],
        **({"preparation": config["preparation"]} if "preparation" in config else {}),
        "training": {
            **training,
            **{k: about[k] for k in RECORDED if k in about},
            **({"snapshot": state["snapshot"]} if "snapshot" in state else {}),
            "steps_done": state["step"],
            "precision": state["precision"],
        },
    }
