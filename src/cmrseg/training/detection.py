"""Does the autoencoder reproduce right masks, and does it fail on wrong ones? Tables to commit.

Run on held-out patients alone. Wrong masks are made by the errors of training, all mixed and each
kind by itself, and by a trained segmenter on spoiled images, whose errors nobody designed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from cmrseg.errors import InputError
from cmrseg.imaging.components import largest
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.surface import hausdorff_mm
from cmrseg.imaging.volume import Array
from cmrseg.networks.unet import UNet
from cmrseg.quality.borrow import class_probabilities, most_probable
from cmrseg.quality.control import QualityControl
from cmrseg.quality.measures import DECISIVE, Pseudo, pseudo_measures
from cmrseg.quality.reconstruct import Reconstructor
from cmrseg.runtime import Progress, use_device
from cmrseg.training import cache, checkpoint
from cmrseg.training.autoencoder import load_autoencoder
from cmrseg.training.cache import Sample
from cmrseg.training.config import TrainingConfig
from cmrseg.training.corrupt import ERRORS, corrupt
from cmrseg.training.run import split
from cmrseg.training.spoil import spoil

POOR = 0.7
"""Masks with a true Dice below this should be found."""
STRUCTURES = {"RV": (3,), "LV": (1,), "MYO": (2,)}


@dataclass(frozen=True, slots=True)
class Pair:
    """A wrong mask's true Dice and Hausdorff distance, and its pseudo-measures, of the RV."""

    true: Pseudo
    pseudo: Pseudo


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How well pseudo-measures tell true ones.

    Attributes:
        masks: how many were judged.
        poor: how many of them have a true Dice below :data:`POOR`.
        spearman_dc: rank correlation of pDC and true Dice; None if either never varies.
        spearman_hd: of pHD and true Hausdorff distance.
        auc: area under the ROC curve for finding the poor ones by low pDC; None without poor
            or without other masks.
    """

    masks: int
    poor: int
    spearman_dc: float | None
    spearman_hd: float | None
    auc: float | None


def detection(pairs: Sequence[Pair]) -> Detection:
    """Correlations and ROC area of judged masks."""
    true_dc, pdc = (np.array([p.pdc for p in side]) for side in _sides(pairs))
    true_hd, phd = (np.array([p.phd_mm for p in side]) for side in _sides(pairs))
    poor = true_dc < POOR
    return Detection(
        masks=len(pairs),
        poor=int(poor.sum()),
        spearman_dc=_spearman(pdc, true_dc),
        spearman_hd=_spearman(phd, true_hd),
        auc=roc_area(-pdc, poor),
    )


def roc_area(scores: Array, positive: Array) -> float | None:
    """Chance that a positive scores above a negative, ties counting half; None without either."""
    count = int(positive.sum())
    if count in (0, len(positive)):
        return None
    ranks = stats.rankdata(scores)
    above = ranks[positive].sum() - count * (count + 1) / 2
    return float(above / (count * (len(positive) - count)))


def score_autoencoder(
    path: Path,
    cache_dir: Path,
    out: Path,
    *,
    segmenter: Path | None = None,
    errors: int = 10,
    seed: int = 0,
    device: str = "auto",
) -> str:
    """Write ``autoencoder.json`` and ``autoencoder.md``; returns the latter.

    Args:
        path: the autoencoder's checkpoint.
        cache_dir: the cache it was trained from.
        out: folder to write into.
        segmenter: a segmenter's checkpoint that held out the same patients; None leaves its
            errors out.
        errors: wrong masks a stack and kind.
        seed: decides the errors.
        device: where to compute.

    Raises:
        InputError: no checkpoint or cache, nobody held out, or a segmenter that learned from the
            patients at hand or belongs to another cache.
    """
    state = checkpoint.read_state(path)
    recipe, about = state["config"]["recipe"], state["about"]
    entries = split(cache.read_index(cache_dir, recipe.removesuffix("-qc")), about["fold"])[1]
    if not entries:
        raise InputError("the autoencoder held nobody out", "train one with --fold 0")
    samples = [cache.load(cache_dir, entry) for entry in entries]
    on = use_device(device)
    control = QualityControl(Reconstructor(load_autoencoder(path).to(on), on), STRUCTURES)
    kinds = dict(_made(samples, errors, seed))
    if segmenter is not None:
        network = _segmenter(segmenter, recipe, about).to(on)
        kinds["a segmenter on spoiled images"] = _segmented(network, samples, errors, seed, on)
    rows: dict[str, Detection] = {}
    with Progress(len(kinds), "kinds of errors") as progress:
        for number, (kind, wrong) in enumerate(kinds.items(), start=1):
            rows[kind] = detection([_pair(control, *one) for one in wrong])
            progress.show(number, kind)
    scores = {
        "recipe": recipe,
        "steps": state["step"],
        "stacks": len(samples),
        "sources": sorted({entry.source for entry in entries}),
        "true_masks": _true_masks(control, samples),
        "wrong_masks": {kind: asdict(row) for kind, row in rows.items()},
    }
    out.mkdir(parents=True, exist_ok=True)
    text = table(scores)
    (out / "autoencoder.json").write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    (out / "autoencoder.md").write_text(text, encoding="utf-8")
    return text


def table(scores: dict[str, Any]) -> str:
    """The scores as two tables in Markdown."""
    lines = [
        f"# Autoencoder {scores['recipe']}",
        "",
        f"{scores['stacks']} held-out images ({', '.join(scores['sources'])}), "
        f"after {scores['steps']} steps.",
        "",
        "| true masks, reconstructed | Dice | HD (mm) |",
        "|---|---|---|",
    ]
    for name, row in scores["true_masks"].items():
        dc, hd = row["dice"], row["hd_mm"]
        lines.append(f"| {name} | {dc[0]:.3f} ± {dc[1]:.3f} | {hd[0]:.1f} ± {hd[1]:.1f} |")
    lines += [
        "",
        f"| {DECISIVE}, masks made wrong by | masks | Dice < {POOR} | Spearman pDC, Dice | "
        f"Spearman pHD, HD | ROC area for Dice < {POOR} |",
        "|---|---|---|---|---|---|",
    ]
    for kind, row in scores["wrong_masks"].items():
        told = [row[key] for key in ("spearman_dc", "spearman_hd", "auc")]
        cells = ["-" if value is None else f"{value:.3f}" for value in told]
        lines.append(f"| {kind} | {row['masks']} | {row['poor']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


Wrong = list[tuple[Array, Sample]]
"""Wrong masks, each with the sample it should be."""


def _made(samples: Sequence[Sample], errors: int, seed: int) -> Iterator[tuple[str, Wrong]]:
    """Kind of error -> masks made wrong by it."""
    for index, kind in enumerate(("all kinds, mixed", *ERRORS)):
        rng = np.random.default_rng([seed, index])
        wrong: Wrong = []
        for sample in samples:
            for _ in range(errors):
                mask = sample.label.copy()
                if kind in ERRORS:
                    ERRORS[kind](mask, rng)
                else:
                    mask = corrupt(mask, rng)
                wrong.append((mask, sample))
        yield kind, wrong


@torch.inference_mode()
def _segmented(
    network: UNet, samples: Sequence[Sample], errors: int, seed: int, device: torch.device
) -> Wrong:
    """What a segmenter makes of spoiled images, the heart in one piece."""
    rng = np.random.default_rng(seed)
    wrong: Wrong = []
    with Progress(len(samples) * errors, "spoiled images") as progress:
        for sample in samples:
            for _ in range(errors):
                x = torch.from_numpy(spoil(sample.image, rng))[None, None].to(device)
                found = most_probable(class_probabilities(network, x)[0].cpu().numpy())
                wrong.append((np.where(largest(found > 0), found, 0).astype(np.uint8), sample))
                progress.show(len(wrong))
    return wrong


def _segmenter(path: Path, recipe: str, about: dict[str, Any]) -> UNet:
    """The segmenter of a checkpoint, if the patients at hand are new to it too."""
    state = checkpoint.read_state(path)
    config = TrainingConfig.from_dict(state["config"])
    same = set(about["held_out"]) <= set(state["about"]["held_out"])
    if f"{config.recipe}-qc" != recipe or not same:
        raise InputError(
            "the segmenter is of another recipe or held out other patients",
            "give one trained on the same cache and fold",
        )
    network = UNet(config.network)
    network.load_state_dict(checkpoint.network_weights(path))
    return network.eval()


def _pair(control: QualityControl, mask: Array, sample: Sample) -> Pair:
    wanted = {DECISIVE: STRUCTURES[DECISIVE]}
    again = control.reconstructor.labels(mask)
    given, true = (np.isin(labels, wanted[DECISIVE]) for labels in (mask, sample.label))
    return Pair(
        Pseudo(dice(given, true), hausdorff_mm(given, true, sample.spacing_mm)),
        pseudo_measures(mask, again, sample.spacing_mm, wanted)[DECISIVE],
    )


def _true_masks(control: QualityControl, samples: Sequence[Sample]) -> dict[str, Any]:
    """Mean and deviation of Dice and HD between true masks and their reconstructions."""
    found = [control.measure(sample.label, sample.spacing_mm) for sample in samples]
    rows = {}
    for name in STRUCTURES:
        dc, hd = ([getattr(f[name], key) for f in found] for key in ("pdc", "phd_mm"))
        rows[name] = {
            "dice": [float(np.mean(dc)), float(np.std(dc))],
            "hd_mm": [float(np.mean(hd)), float(np.std(hd))],
        }
    return rows


def _sides(pairs: Sequence[Pair]) -> tuple[list[Pseudo], list[Pseudo]]:
    return [pair.true for pair in pairs], [pair.pseudo for pair in pairs]


def _spearman(a: Array, b: Array) -> float | None:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(stats.spearmanr(a, b).statistic)
