"""Out-of-fold scores of a bundle: every patient by the networks that never saw it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cmrseg.cases.challenge import EMIDEC, Challenge
from cmrseg.cases.detect import open_contract
from cmrseg.evaluation.run import Evaluation, evaluate
from cmrseg.models import bundle
from cmrseg.models.manifest import ScoresEntry
from cmrseg.run import batch
from cmrseg.run.predict import model
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg_lab.training import datasets
from cmrseg_lab.training.datasets import Labelled
from cmrseg_lab.training.held_out import by_networks


def validate(
    challenge: Challenge,
    data: Path,
    out: Path,
    *,
    source: str,
    weights: Path | None = None,
    device: str = "auto",
    record: bool = False,
) -> Evaluation:
    """Predict each patient with the networks alone that never saw it, and score all.

    The whole recipe runs at native geometry, as for a user; only the ensemble is smaller.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        data: a labelled data set in the challenge's layout.
        out: predictions and the evaluation's files go here.
        source: the name the data was prepared under.
        weights: the bundle; None for the usual places.
        device: where to compute.
        record: write the table into the bundle's manifest and model card.

    Raises:
        InputError: every segmenter of the bundle was trained on every patient of this data.
    """
    found = bundle.find(challenge, weights)
    predictions = out / "predictions"
    _clear(predictions)
    items = _items(challenge, data)
    groups = {item.patient: item.group for item in items}
    views = {_recipe(item) for item in items}
    parts = by_networks(found.networks, source, groups)
    with tempfile.TemporaryDirectory() as folder:
        truth = Path(folder) / "all"
        for number, (own, patients) in enumerate(sorted(parts.items())):
            networks = [found.networks[i] for i in own]
            # Neither an autoencoder nor another view's network segments what is there.
            if not views & {n["recipe"] for n in networks}:
                continue
            part = Path(folder) / str(number)
            for item in items:
                if item.patient in patients:
                    _link(item, part)
                    _link(item, truth)
            contract = open_contract(challenge, part, predictions, labels="all")
            contract.summary_stem = f"summary-part{number}"
            smaller = found.having(networks)
            # Uncertainty is not scored here; its samples would cost most of the time.
            batch.run(contract, model(challenge, smaller, device=device, samples=0).segment)
        if not truth.exists():
            raise InputError(
                f"every network of the bundle was trained on all patients of {source}",
                "Train with --fold N, or name the source the data was prepared under",
            )
        report = evaluate(challenge, predictions, truth, out)
    if record:
        from cmrseg_lab.training.pack import record_scores

        command = f"cmrseg-lab validate {challenge} --source {source}"
        table = report.table().markdown()
        record_scores(
            found.folder, ScoresEntry(cases=len(report.rows), command=command, table=table)
        )
    return report


def _items(challenge: Challenge, data: Path) -> list[Labelled]:
    """All labelled images; of M&Ms-2 those of the views there are."""
    if challenge == EMIDEC.name:
        return datasets.emidec(data)
    found: list[Labelled] = []
    for view in ("SA", "LA"):
        try:
            found += datasets.mnms2(data, view)
        except InputError:
            if view == "LA" and not found:
                raise
    return found


def _recipe(item: Labelled) -> str:
    """Whose networks segment an image."""
    return "emidec" if item.role == "LGE" else f"mnms2-{item.role[:2].lower()}"


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


def _link(item: Labelled, folder: Path) -> None:
    """Show an item's patient folder below ``folder``."""
    depth = 2 if item.role == "LGE" else 1
    patient = item.image.absolute().parents[depth - 1]
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / patient.name
    if not link.exists():
        link.symlink_to(patient, target_is_directory=True)
