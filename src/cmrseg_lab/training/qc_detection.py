"""Does the autoencoder reproduce right masks, and does it fail on wrong ones? Tables to commit.

Run on held-out patients alone. Wrong masks (:mod:`cmrseg_lab.training.corrupted_masks`) are made
by the errors of
training, all mixed and each kind by itself, by gross errors, and by a trained segmenter on spoiled
images, whose errors nobody designed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from cmrseg.imaging.overlap import dice
from cmrseg.imaging.surface import hausdorff_mm
from cmrseg.imaging.volume import Array
from cmrseg.models.unet import count_parameters
from cmrseg.quality.control import QualityControl, Reconstructor
from cmrseg.quality.pseudo_metrics import DECISIVE, Pseudo, pseudo_measures
from cmrseg.runtime import Progress, use_device
from cmrseg.runtime.errors import InputError
from cmrseg_lab.training import cache, checkpoint
from cmrseg_lab.training.autoencoder import load_autoencoder
from cmrseg_lab.training.cache import Sample
from cmrseg_lab.training.corrupted_masks import SPOILED, Wrong, made, segmented
from cmrseg_lab.training.corruptions import BLUNDERS, ERRORS
from cmrseg_lab.training.held_out import digest, digests

POOR = 0.7
"""Masks with a true Dice below this should be found."""
STRUCTURES = {"RV": (3,), "LV": (1,), "MYO": (2,)}


@dataclass(frozen=True, slots=True)
class Pair:
    """What is true of a wrong mask and what quality control takes it for.

    Attributes:
        true: Dice and Hausdorff distance of its RV.
        pseudo: the pseudo-measures of its RV.
        repeats: share of its wrong voxels (:func:`repeated_errors`); None if not measured.
    """

    true: Pseudo
    pseudo: Pseudo
    repeats: float | None = None


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
        repeats: mean share of the wrong voxels that the reconstruction repeats.
    """

    masks: int
    poor: int
    spearman_dc: float | None
    spearman_hd: float | None
    auc: float | None
    repeats: float | None = None


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
        repeats=_mean([p.repeats for p in pairs if p.repeats is not None]),
    )


def repeated_errors(wrong: Array, truth: Array, reconstruction: Array) -> float | None:
    """Share of the wrong voxels, of all structures, that a reconstruction leaves as they are.

    1 for one that reproduces whatever it is given, 0 for one that mends every voxel or makes
    another error of it; None if no voxel is wrong.

    Args:
        wrong: (z, y, x) labels given.
        truth: labels as they should be.
        reconstruction: labels that came of ``wrong``.
    """
    error = wrong != truth
    return float((reconstruction == wrong)[error].mean()) if error.any() else None


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
    alone: int = 10,
    seed: int = 0,
    device: str = "auto",
    work: Path | None = None,
) -> str:
    """Write ``autoencoder.json`` and ``autoencoder.md``; returns the latter.

    Args:
        path: the autoencoder's checkpoint.
        cache_dir: the cache it was trained from.
        out: folder to write into.
        segmenter: a segmenter's checkpoint that held out the same patients; None leaves its
            errors out.
        errors: wrong masks a stack with errors of all kinds mixed, and spoiled images of it.
        alone: wrong masks a stack and kind by itself.
        seed: decides the errors.
        device: where to compute.
        work: folder where the segmenter's masks are kept for the next autoencoder.

    Raises:
        InputError: no checkpoint or cache, nobody held out, or a segmenter that learned from the
            patients at hand or belongs to another cache.
    """
    state = checkpoint.read_state(path)
    recipe = state["preset"]["recipe"]
    learned = set(digests((one[0], one[1]) for one in state["about"]["patients"]))
    known = cache.read_index(cache_dir, recipe.removesuffix("-qc"))
    held = [p for p in known if digest(p.source, p.patient) not in learned]
    pairs = [
        (p, s) for p in held for s in cache.load_patient(cache_dir, p).values() if not s.partial
    ]
    if not pairs:
        raise InputError("the autoencoder held nobody out", "train one with --fold 0")
    samples = [sample for _, sample in pairs]
    new = {digest(p.source, p.patient) for p, _ in pairs}
    on = use_device(device)
    control = QualityControl(Reconstructor(load_autoencoder(path).to(on), on), STRUCTURES)
    kinds: Iterable[tuple[str, Wrong]] = made(samples, errors, alone, seed)
    if segmenter is not None:
        found = segmented(segmenter, recipe, new, samples, errors, seed, on, work)
        kinds = chain(kinds, [(SPOILED, found)])
    scores = {
        "recipe": recipe,
        "steps": state["step"],
        "stacks": len(samples),
        "sources": sorted({patient.source for patient, _ in pairs}),
        "checkpoint": _about(path, state, control),
        **_judged(control, samples, kinds),
        "patients": _numbers([patient.patient for patient, _ in pairs]),
    }
    out.mkdir(parents=True, exist_ok=True)
    text = detection_tables(scores)
    (out / "autoencoder.json").write_text(json.dumps(scores) + "\n", encoding="utf-8")
    (out / "autoencoder.md").write_text(text, encoding="utf-8")
    return text


def detection_tables(scores: Mapping[str, Any]) -> str:
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
        f"Spearman pHD, HD | ROC area for Dice < {POOR} | repeats |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, row in scores["wrong_masks"].items():
        told = [row[key] for key in ("spearman_dc", "spearman_hd", "auc")]
        cells = ["-" if value is None else f"{value:.3f}" for value in told]
        # Scores from before repeats were counted have none.
        share = row.get("repeats")
        cells.append("-" if share is None else f"{100 * share:.0f} %")
        lines.append(f"| {kind} | {row['masks']} | {row['poor']} | {' | '.join(cells)} |")
    lines += [
        "",
        "Repeats: how much of the error (the wrong voxels of all structures) the reconstruction "
        "leaves as it was given; what is repeated cannot be found.",
    ]
    return "\n".join(lines) + "\n"


def _judged(
    control: QualityControl, samples: Sequence[Sample], kinds: Iterable[tuple[str, Wrong]]
) -> dict[str, object]:
    """Summaries for tables, and what they are of: each image and each mask by itself."""
    images = [control.measure(sample.label, sample.spacing_mm) for sample in samples]
    rows: dict[str, Detection] = {}
    masks: dict[str, dict[str, list[float | None]]] = {}
    with Progress(len(ERRORS) + len(BLUNDERS) + 2, "kinds of errors") as progress:
        for number, (kind, wrong) in enumerate(kinds, start=1):
            pairs = [_pair(control, mask, samples[of]) for of, mask in wrong]
            rows[kind] = detection(pairs)
            masks[kind] = {
                "image": [of for of, _ in wrong],
                "dice": _rounded([p.true.pdc for p in pairs]),
                "pdc": _rounded([p.pseudo.pdc for p in pairs]),
                "repeats": _rounded([p.repeats for p in pairs]),
            }
            progress.show(number, kind)
    return {
        "true_masks": _true_masks(images),
        "wrong_masks": {kind: asdict(row) for kind, row in rows.items()},
        "images": [{name: asdict(p) for name, p in image.items()} for image in images],
        "masks": masks,
    }


def _about(path: Path, state: checkpoint.State, control: QualityControl) -> dict[str, object]:
    """Which autoencoder it is: its file, settings, parameters, and steps of all its runs."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    network = control.reconstructor.network
    return {
        "sha256": digest,
        "parameters": count_parameters(network),
        "latent": network.config.latent,
        "training": state["preset"],
    }


def _pair(control: QualityControl, mask: Array, sample: Sample) -> Pair:
    wanted = {DECISIVE: STRUCTURES[DECISIVE]}
    again = control.reconstructor.labels(mask)
    given, true = (np.isin(labels, wanted[DECISIVE]) for labels in (mask, sample.label))
    return Pair(
        Pseudo(dice(given, true), hausdorff_mm(given, true, sample.spacing_mm)),
        pseudo_measures(mask, again, sample.spacing_mm, wanted)[DECISIVE],
        repeated_errors(mask, sample.label, again),
    )


def _true_masks(images: Sequence[Mapping[str, Pseudo]]) -> dict[str, dict[str, list[float]]]:
    """Mean and deviation of Dice and HD between true masks and their reconstructions."""
    rows = {}
    for name in STRUCTURES:
        dc, hd = ([getattr(f[name], key) for f in images] for key in ("pdc", "phd_mm"))
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


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _numbers(names: Sequence[str]) -> list[int]:
    """Numbers in place of names, the same for the same."""
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return [known[name] for name in names]


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 5) for value in values]
