"""Out-of-fold scores of a bundle: every network on the patients it has never seen."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from cmrseg.cases.detect import open_contract
from cmrseg.cases.labels import Challenge
from cmrseg.evaluation.run import Report, evaluate
from cmrseg.models import bundle
from cmrseg.run import batch
from cmrseg.run.predict import recipe
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg_lab.training.datasets import Labelled
from cmrseg_lab.training.folds import held_out
from cmrseg_lab.training.sources import is_synthetic

Networks = list[dict[str, Any]]


def validate(
    challenge: Challenge,
    data: Path,
    out: Path,
    *,
    source: str,
    weights: Path | None = None,
    device: str = "auto",
    record: bool = False,
) -> Report:
    """Predict each fold's held-out patients with that fold's networks alone, and score them.

    The whole recipe runs at native geometry, as for a user; only the ensemble is smaller.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        data: the labelled data set the bundle was trained on, in the challenge's layout.
        out: predictions and the evaluation's files go here.
        source: the name the data was preprocessed under; networks that never saw it are left out.
        weights: the bundle; None for the usual places.
        device: where to compute.
        record: write the table into the bundle's manifest and model card.

    Raises:
        InputError: no network of the bundle held out patients of this data, or other networks
            of the same fold learned from them.
    """
    found = bundle.find(challenge, weights)
    predictions = out / "predictions"
    _clear(predictions)
    with tempfile.TemporaryDirectory() as folder:
        truth = Path(folder) / "all"
        for fold, networks in _by_fold(found, source).items():
            patients = Path(folder) / str(fold)
            items = _held_out(networks, fold, data)
            for item in items:
                _link(item, patients)
                _link(item, truth)
            if not items:
                continue
            contract = open_contract(challenge, patients, predictions, labels="all")
            contract.summary_stem = f"summary-fold{fold}"
            part = replace(found, manifest={**found.manifest, "networks": networks})
            # Uncertainty is not scored here; its samples would cost most of the time.
            batch.run(contract, recipe(challenge, part, device=device, samples=0))
        if not truth.exists():
            raise _nothing_held_out(source)
        report = evaluate(challenge, predictions, truth, out)
    if record:
        from cmrseg_lab.training.pack import record_scores

        command = f"cmrseg-lab validate {challenge} --source {source}"
        scores = {"cases": len(report.rows), "command": command, "table": report.table().markdown()}
        record_scores(found.folder, scores)
    return report


def _clear(predictions: Path) -> None:
    """Remove what an earlier validation predicted: its patients may be others.

    Raises:
        UsageError: something else lies there.
    """
    if not predictions.exists():
        return
    if not any(predictions.glob("summary*.json")) and any(predictions.iterdir()):
        raise UsageError(
            f"{predictions} holds what no validation wrote", "give another output folder"
        )
    shutil.rmtree(predictions)


def _by_fold(found: bundle.Bundle, source: str) -> dict[int, Networks]:
    """Fold -> the networks that held it out and learned from the rest of ``source``."""
    folds: dict[int, Networks] = {}
    for network in found.networks:
        training = network["training"]
        # Beside real hearts, synthetic ones are never held out (training.run.split).
        learned_all = is_synthetic(source) and not all(map(is_synthetic, training["sources"]))
        if source in training["sources"] and training["fold"] is not None and not learned_all:
            folds.setdefault(training["fold"], []).append(network)
    # An autoencoder by itself segments nothing.
    folds = {f: own for f, own in folds.items() if not all(map(_is_autoencoder, own))}
    if not folds:
        raise _nothing_held_out(source)
    return folds


def _is_autoencoder(network: dict[str, Any]) -> bool:
    return str(network["recipe"]).endswith("-qc")


def _nothing_held_out(source: str) -> InputError:
    return InputError(
        f"no network in the bundle held out a fold of {source}",
        "train with --fold N, or name the source the data was preprocessed under",
    )


def _held_out(networks: Networks, fold: int, data: Path) -> list[Labelled]:
    """Images of patients no network of the fold learned from; each view deals its own folds."""
    from cmrseg_lab.training.presets import RECIPES

    held: list[Labelled] = []
    learned: set[str] = set()
    for name, training in {
        n["recipe"].removesuffix("-qc"): n["training"] for n in networks
    }.items():
        items = RECIPES[name].items(data)
        groups = {item.patient: item.group for item in items}
        out = held_out(groups, fold, training["folds"], training["fold_seed"])
        held += [item for item in items if item.patient in out]
        learned |= groups.keys() - out
    return [item for item in held if item.patient not in learned]


def _link(item: Labelled, folder: Path) -> None:
    """Show an item's patient folder below ``folder``."""
    depth = 2 if item.role == "LGE" else 1
    patient = item.image.absolute().parents[depth - 1]
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / patient.name
    if not link.exists():
        link.symlink_to(patient, target_is_directory=True)
