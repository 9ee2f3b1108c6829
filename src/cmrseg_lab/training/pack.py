"""From checkpoints to a bundle: safetensors, manifest with digests, model card."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from safetensors.torch import save_file

from cmrseg import __version__
from cmrseg.models import storage
from cmrseg.models.bundle import CARD, FORMAT, MANIFEST, Bundle, load, sealed, sha256
from cmrseg.models.manifest import Manifest, NetworkEntry, QualityEntry, ScoresEntry
from cmrseg.quality import replay
from cmrseg.quality.replay import Rehearsal
from cmrseg.runtime.errors import InputError, OutputError
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.card import card
from cmrseg_lab.training.checkpoint import State
from cmrseg_lab.training.held_out import FOLD_SEED, digest, digests
from cmrseg_lab.training.preset import of_values
from cmrseg_lab.training.sources import is_synthetic, learned_from, source

ANY = "-any"
"""How the recipe of networks for any contrast ends: ``cmrseg.recipes.emidec.ANY_CONTRAST``."""


def pack(
    challenge: str,
    checkpoints: list[Path],
    out: Path,
    *,
    commit: str = "unknown",
    keep: Path | None = None,
    beside: bool = False,
    fallback: bool = False,
) -> Path:
    """Write a bundle of trained networks.

    Large kernels are stored in eight bits (:mod:`cmrseg.models.storage`).

    Args:
        challenge: ``emidec`` or ``mnms2``.
        checkpoints: one a network; their recipes must be the challenge's. The file of a network in
            another bundle will do: it is taken over.
        out: the bundle's folder; an older bundle there is replaced in one move.
        commit: the commit the bundle is packed at.
        keep: a bundle whose networks, thresholds and slices of other recipes are taken over.
        beside: of its segmenters, those of the new networks' recipes stay beside them, and see
            images prepared as the new ones do; thresholds and slices of these recipes do not.
        fallback: the new networks answer where the others are out of distribution.

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
        networks = [
            _taken(path, challenge, stage)
            if (path.parent / MANIFEST).is_file()
            else _store(path, challenge, stage, ANY * fallback)
            for path in checkpoints
        ]
        manifest: Manifest = {
            "format": FORMAT,
            "challenge": challenge,
            "cmrseg": __version__,
            "commit": commit,
            "data": {},
            "networks": networks,
            "files": {},
        }
        if keep:
            _take_over(manifest, load(keep, challenge), stage, beside)
        learned = (learned_from(n["training"]) for n in manifest["networks"])
        manifest["data"] = {name: source(name).entry() for name in sorted(set().union(*learned))}
        write_manifest(stage, manifest)
        if out.exists():
            shutil.rmtree(out)
        stage.rename(out)
    return out


def read_manifest(folder: Path) -> Manifest:
    """A bundle's manifest as it lies there, not verified."""
    manifest: Manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the model card, the digests of all files, and the manifest that names them."""
    (folder / CARD).write_text(card(manifest), encoding="utf-8")
    rehearsals = [q["rehearsal"] for q in manifest.get("quality", {}).values() if q["rehearsal"]]
    names = [n["file"] for n in manifest["networks"]] + rehearsals + [CARD]
    manifest["files"] = {name: sha256(folder / name) for name in sorted(names)}
    (folder / MANIFEST).write_text(sealed(manifest), encoding="utf-8")


def record_scores(folder: Path, scores: ScoresEntry) -> None:
    """Put out-of-fold scores into a bundle's manifest and model card."""
    write_manifest(folder, {**read_manifest(folder), "scores_out_of_fold": scores})


def record_quality(
    folder: Path, recipe: str, entry: QualityEntry, rehearsed: Rehearsal | None
) -> None:
    """Put one view's quality thresholds and rehearsal slices into a bundle.

    Args:
        folder: the bundle.
        recipe: whose they are (``mnms2-sa``, ``mnms2-la``).
        entry: what calibration found; its ``rehearsal`` is named here.
        rehearsed: labelled slices for refinement; None for a bundle that is never refined.
    """
    manifest = read_manifest(folder)
    file = f"{recipe}-rehearsal.safetensors" if rehearsed else None
    if rehearsed and file:
        replay.write(folder / file, rehearsed)
        (folder / file).chmod(0o644)
    manifest["quality"] = {**manifest.get("quality", {}), recipe: {**entry, "rehearsal": file}}
    write_manifest(folder, manifest)


def _entry(state: State, recipe: str, file: str) -> NetworkEntry:
    """A network's entry in the manifest: no patient's name."""
    preset, about = of_values(state["preset"]), state["about"]
    patients = [(source, patient) for source, patient in about["patients"]]
    shape = {*preset.network.as_dict(), "channels"}
    entry: NetworkEntry = {
        "file": file,
        "recipe": recipe,
        "config": preset.network.as_dict(),
        "training": {
            **{k: v for k, v in state["preset"].items() if k not in shape and k != "recipe"},
            "fold": about["fold"],
            "without": about["without"],
            "fold_seed": FOLD_SEED,
            "seed": about["seed"],
            "sources": sorted({source for source, _ in patients}),
            "patients": len({digest(*one) for one in patients}),
            "trained_on": digests(one for one in patients if not is_synthetic(one[0])),
            "steps_done": state["step"],
            **({"started_from": about["started_from"]} if "started_from" in about else {}),
        },
    }
    return _interior(entry)


def _check_replaceable(out: Path) -> None:
    """Packing removes what lies at ``out``: only ever an older bundle."""
    replaceable = (out / MANIFEST).is_file() or (out.is_dir() and not any(out.iterdir()))
    if out.exists() and not replaceable:
        raise OutputError(
            f"{out} holds something that is no weights bundle", "give a folder of its own"
        )


def _file(state: State, recipe: str) -> str:
    """What a network's file is called."""
    about = state["about"]
    held = f"without-{about['without']}" if about["without"] else f"fold{about['fold']}"
    held = "all" if held == "foldNone" else held
    return f"{recipe}-{held}-seed{about['seed']}.safetensors"


def _taken(path: Path, challenge: str, stage: Path) -> NetworkEntry:
    """Take over a network of another bundle; returns its manifest entry."""
    found = load(path.parent, challenge)
    entries = [n for n in found.networks if n["file"] == path.name]
    if not entries or (stage / path.name).exists():
        raise InputError(f"{path} is no network of a bundle, or is given twice", "Name others")
    shutil.copy2(path, stage / path.name)
    return _interior(entries[0])


def _interior(entry: NetworkEntry) -> NetworkEntry:
    """A network that is shown images prepared as new ones are; an autoencoder sees masks."""
    return entry if entry["recipe"].endswith("-qc") else {**entry, "preparation": "interior"}


def _store(path: Path, challenge: str, stage: Path, ending: str) -> NetworkEntry:
    """Store one checkpoint's network; returns its manifest entry."""
    state = checkpoint.read_state(path)
    recipe = str(state["preset"]["recipe"]) + ending
    file = _file(state, recipe)
    if recipe.split("-")[0] != challenge:
        raise InputError(
            f"a checkpoint of recipe {recipe} does not belong in a {challenge} bundle",
            "Give checkpoints of one challenge",
        )
    if (stage / file).exists():
        raise InputError(
            f"two checkpoints would be called {file}", "Give each recipe, fold and seed once"
        )
    weights = storage.shrink(checkpoint.network_weights(path))
    if not all(v.isfinite().all() for v in weights.values()):
        raise InputError(
            f"the network trained in {path.parent} holds numbers that are not finite",
            "Its training diverged: train again with a lower learning rate or another seed",
        )
    save_file(weights, stage / file)
    (stage / file).chmod(0o644)  # images run as users of their own
    return _entry(state, recipe, file)


def _take_over(manifest: Manifest, found: Bundle, stage: Path, beside: bool) -> None:
    """Copy what another bundle has of other recipes, and put it before what is new."""
    replaced = {n["recipe"] for n in manifest["networks"]}
    networks = [n for n in found.networks if n["recipe"] not in replaced]
    if beside:
        networks += [_interior(n) for n in found.networks if n["recipe"] in replaced]
    manifest["quality"] = {
        recipe: entry
        for recipe, entry in found.manifest.get("quality", {}).items()
        if not {recipe, f"{recipe}-qc"} & replaced
    }
    rehearsals = [q["rehearsal"] for q in manifest["quality"].values()]
    for file in filter(None, [*(n["file"] for n in networks), *rehearsals]):
        shutil.copy2(found.folder / file, stage / file)
    manifest["networks"] = [*networks, *manifest["networks"]]
    # Scores are of short axes and of late enhancement, taken by networks that stay.
    scores = found.manifest.get("scores_out_of_fold")
    if networks and scores and not replaced & {"mnms2-sa", "emidec"}:
        manifest["scores_out_of_fold"] = scores
    if "emidec" not in replaced:
        for key in ("rules", "trust"):
            if key in found.manifest:
                manifest[key] = found.manifest[key]
