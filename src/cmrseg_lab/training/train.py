"""One network from a cache: which patients it is trained on, and the loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cmrseg.runtime import use_device
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg_lab.training import cache
from cmrseg_lab.training.cache import Patient
from cmrseg_lab.training.checkpoint import TrainedOn
from cmrseg_lab.training.held_out import deal
from cmrseg_lab.training.loop import Task, fit
from cmrseg_lab.training.preset import AutoencoderPreset, SegmenterPreset
from cmrseg_lab.training.sources import is_synthetic, patients_of
from cmrseg_lab.training.start import Start


def train(
    preset: SegmenterPreset | AutoencoderPreset,
    cache_dir: Path,
    out: Path,
    *,
    fold: int | None = 0,
    without: str | None = None,
    seed: int = 0,
    device: str = "auto",
    workers: int = 1,
    start: Start | None = None,
) -> Path:
    """Fit one network and return its checkpoint; given again after a stop it goes on.

    Args:
        preset: the whole training.
        cache_dir: made by :func:`cmrseg_lab.training.prepare.prepare_cache`.
        out: checkpoint and log go here.
        fold: the fold held out; None holds nobody out.
        without: instead of a fold, the source or vendor that is left out.
        seed: everything random follows from it.
        device: where to compute.
        workers: processes that make samples.
        start: a trained network of the preset's shape to begin with.

    Raises:
        InputError: no cache, or nobody in it to learn from.
        UsageError: there is no such fold, or ``out`` holds another training.
        TrainingStoppedError: on SIGTERM, after the checkpoint is safe.
    """
    if fold is not None and not 0 <= fold < preset.folds:
        raise UsageError(
            f"--fold {fold}: there is no such fold", f"Use 0 to {preset.folds - 1}, or all"
        )
    patients = cache.read_index(cache_dir, preset.recipe.removesuffix("-qc"))
    training, held = split(patients, fold, preset.folds, without)
    if not training:
        raise InputError(f"the cache in {cache_dir} leaves nobody to train on", "Add data")
    about: TrainedOn = {
        "fold": None if without else fold,
        "without": without,
        "seed": seed,
        "patients": [[p.source, p.patient] for p in training],
    }
    if start:
        about["started_from"] = start.told
    return fit(
        _task(preset, cache_dir, training, held),
        out,
        seed=seed,
        device=use_device(device),
        about=about,
        workers=workers,
        start=start.weights if start else None,
    )


def split(
    patients: Sequence[Patient], fold: int | None, folds: int, without: str | None = None
) -> tuple[list[Patient], list[Patient]]:
    """Whom a network is trained on, and who is held out.

    Folds are dealt among persons: what was made of a patient's images is held out with them.
    Beside patients, synthetic hearts are never held out.
    """
    person = {p.file: f"{patients_of(p.source) or p.source}/{p.patient}" for p in patients}
    alone = all(is_synthetic(p.source) for p in patients)
    dealt = deal(
        {person[p.file]: p.group for p in patients if alone or not is_synthetic(p.source)}, folds
    )

    def held(one: Patient) -> bool:
        if without:
            return without in (one.source, patients_of(one.source), one.vendor)
        return fold is not None and dealt.get(person[one.file]) == fold

    return [p for p in patients if not held(p)], [p for p in patients if held(p)]


def _task(
    preset: SegmenterPreset | AutoencoderPreset,
    cache_dir: Path,
    training: Sequence[Patient],
    held: Sequence[Patient],
) -> Task:
    learned, shown = ([cache.load_patient(cache_dir, p) for p in some] for some in (training, held))
    if isinstance(preset, SegmenterPreset):
        from cmrseg_lab.training.segmenter import Segmenters

        often = [preset.often.get(p.source, 1) for p in training]
        learned = [one for one, times in zip(learned, often, strict=True) for _ in range(times)]
        return Segmenters(preset, learned, shown)
    from cmrseg_lab.training.autoencoder import Autoencoders

    stacks = [
        [s.label for p in some for s in p.values() if not s.partial] for some in (learned, shown)
    ]
    return Autoencoders(preset, *stacks)
