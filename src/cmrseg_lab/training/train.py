"""One training job: which volumes are learned from, which are held out, and where it all goes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from cmrseg.models.unet import UNetConfig
from cmrseg.runtime import Precision
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg_lab.training import cache, checkpoint
from cmrseg_lab.training.config import TrainingConfig
from cmrseg_lab.training.distributed import together
from cmrseg_lab.training.folds import held_out
from cmrseg_lab.training.loop import fit
from cmrseg_lab.training.losses import Dice
from cmrseg_lab.training.sources import is_synthetic, learned_from, patients_of

FOLDS = 5
FOLD_SEED = 2021
"""One split for every network, so that scores out of fold stay comparable."""


def split(
    entries: list[cache.Entry], fold: int | None
) -> tuple[list[cache.Entry], list[cache.Entry]]:
    """Volumes to learn from and volumes held out.

    Folds are dealt within each source, by group. Synthetic hearts are never held out where there
    are real ones: a score means real data. ``fold=None`` learns from everything.

    Raises:
        UsageError: there is no such fold.
    """
    if fold is None:
        return entries, []
    if not 0 <= fold < FOLDS:
        raise UsageError(f"there is no fold {fold}", f"use 0 to {FOLDS - 1}, or all")
    real = [e for e in entries if not is_synthetic(e.source)] or entries
    out: set[str] = set()
    for source in {e.source for e in real}:
        own = [e for e in real if e.source == source]
        patients = held_out({e.patient: e.group for e in own}, fold, FOLDS, FOLD_SEED)
        out |= {e.file for e in own if e.patient in patients}
    return [e for e in entries if e.file not in out], [e for e in entries if e.file in out]


def choosing(
    entries: list[cache.Entry], fold: int | None
) -> tuple[int, list[cache.Entry], list[cache.Entry]]:
    """The fold to choose snapshots by, the one after the held-out; then what is learned from.

    Returns:
        The fold; the volumes left to learn from; the volumes of the fold, of real patients where
        there are any, as :func:`split` has it.

    Raises:
        InputError: that fold is empty.
    """
    choose_fold = 0 if fold is None else (fold + 1) % FOLDS
    choosers = split(entries, choose_fold)[1]
    if not choosers:
        raise InputError(
            f"the cache has nobody in fold {choose_fold} to choose snapshots by",
            "preprocess more cases, or train with --keep 0",
        )
    aside = {e.file for e in choosers}
    learn = [e for e in split(entries, fold)[0] if e.file not in aside]
    return choose_fold, learn, choosers


def told_of(
    fold: int | None, learn: list[cache.Entry], watched: list[cache.Entry]
) -> dict[str, Any]:
    """What a checkpoint says of the volumes that were learned from and held out.

    Raises:
        InputError: there is nothing to learn from.
    """
    if not learn:
        raise InputError("the cache holds no volume to learn from", "preprocess more cases")
    return {
        "fold": fold,
        "folds": FOLDS,
        "fold_seed": FOLD_SEED,
        "sources": sorted({e.source for e in learn}),
        "volumes": len(learn),
        "patients": len({(e.source, e.patient) for e in learn}),
        "held_out": sorted({e.patient for e in watched}),
    }


def unseen(entries: list[cache.Entry], training: dict[str, Any]) -> list[cache.Entry]:
    """The volumes of patients whom a network neither learned from nor was chosen by.

    Args:
        entries: of the cache it learned from, or of another one.
        training: what the manifest says of the network.

    Raises:
        UsageError: its fold is none of ours.
    """
    own = [e for e in entries if e.source in training["sources"]]
    held = [] if training["fold"] is None else split(own, training["fold"])[1]
    met = learned_from(training)
    patients = _patients(training)
    new = [e for e in entries if e.source not in met and patients_of(e.source) not in patients]
    return held + new


def train(
    config: TrainingConfig,
    cache_dir: Path,
    run_dir: Path,
    *,
    fold: int | None = 0,
    device: str = "auto",
    resume: bool = False,
    start: Path | None = None,
    workers: int = 1,
    steps: int | None = None,
    seed: int | None = None,
    learning_rate: float | None = None,
    samples: int | None = None,
    alpha: float | None = None,
    averaged: float | None = None,
    dice: Dice | None = None,
    keep: int | None = None,
    precision: Precision | None = None,
    configuration: str | None = None,
) -> Path:
    """Fit one fold from the cache and return the checkpoint.

    With ``start`` the run goes on from another run's weights with a fresh schedule, and unless told
    otherwise with the seed after that run's: the same seed would draw the same patches, augmented
    the same way, once more. That run must have held out the same fold or learned from other data
    sets alone, or scores out of fold would not be honest. Where snapshots are kept, a second fold
    is set aside to choose them by (:func:`choosing`). ``configuration`` is what the settings are
    called, for the record.

    Raises:
        InputError: ``start`` is no checkpoint or held out another fold; the cache is missing or
            of another recipe, or holds nothing to learn from.
        UsageError: there is no such fold or device, or the run to resume was another one.
    """
    if start and seed is None:
        seed = TrainingConfig.from_dict(checkpoint.read_state(start)["config"]).seed + 1
    config = replace(
        config,
        steps=config.steps if steps is None else steps,
        seed=config.seed if seed is None else seed,
        learning_rate=learning_rate or config.learning_rate,
        samples=config.samples if samples is None else samples,
        alpha=config.alpha if alpha is None else alpha,
        averaged=config.averaged if averaged is None else averaged,
        dice=dice or config.dice,
        keep=config.keep if keep is None else keep,
    )
    if config.alpha and config.samples == 1:
        raise UsageError("alpha weighs how far samples differ", "train with two --samples or more")
    entries = cache.read_index(cache_dir, config.recipe)
    learn, watched = split(entries, fold)
    choosers: list[cache.Entry] = []
    chosen_by: dict[str, Any] = {}
    if config.keep:
        choose_fold, learn, choosers = choosing(entries, fold)
        chosen_by = {"choose_fold": choose_fold, "choosers": sorted({e.patient for e in choosers})}
    about: dict[str, Any] = {
        **told_of(fold, learn, watched),
        **chosen_by,
        **({"configuration": configuration} if configuration else {}),
    }
    if start:
        about["started_from"] = _same_fold(start, config, about)
    with together(device) as group:
        return fit(
            config,
            [cache.load(cache_dir, e) for e in learn],
            [cache.load(cache_dir, e) for e in watched],
            run_dir,
            device=group.device,
            choosers=[cache.load(cache_dir, e) for e in choosers],
            precision=precision,
            resume=resume,
            start=start,
            workers=workers,
            about=about,
            group=group,
        )


def _same_fold(start: Path, config: TrainingConfig, about: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says of the run whose weights are gone on from."""
    state = checkpoint.read_state(start)
    earlier, began = state["about"], TrainingConfig.from_dict(state["config"])
    same_network = began.recipe == config.recipe and _becomes(began.network, config.network)
    met = _patients(earlier) & _patients(about)
    others = earlier["held_out"] != about["held_out"]
    # Who was learned from cannot choose any more.
    spoiled = "choosers" in about and earlier.get("choosers") != about["choosers"]
    if not same_network or (met and (others or spoiled)):
        raise InputError(
            "the run to start from had another network or other held-out patients"
            + (", or learned from those to choose by" if spoiled else ""),
            "start from a run of the same network and fold"
            + (" that kept snapshots, or use --keep 0" if spoiled else ""),
        )
    kept = {key: earlier[key] for key in ("sources", "started_from") if key in earlier}
    with start.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "steps": state["step"],
        "seed": began.seed,
        "samples": began.samples,
        "alpha": began.alpha,
        "sha256": digest,
        **kept,
    }


def _becomes(earlier: UNetConfig, network: UNetConfig) -> bool:
    """Whether one network can go on as the other: as it is, or looking across slices as well."""
    pairs = zip(earlier.across, network.across, strict=False)
    return replace(earlier, across=network.across) == network and all(b >= a for a, b in pairs)


def _patients(about: dict[str, Any]) -> set[str]:
    """The data sets whose patients a run, and those that it started from, learned from."""
    return {whose for name in learned_from(about) if (whose := patients_of(name))}
