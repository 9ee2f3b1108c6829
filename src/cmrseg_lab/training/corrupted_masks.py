"""Wrong masks to judge autoencoders by: made errors, and a segmenter's on spoiled images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from scipy import ndimage

from cmrseg.imaging.postprocess import largest
from cmrseg.imaging.volume import Array
from cmrseg.models.unet import UNet
from cmrseg.quality.borrow import class_probabilities, most_probable
from cmrseg.runtime import Progress
from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.artefacts import IMAGE
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.cache import Sample
from cmrseg_lab.training.corruptions import BLUNDERS, ERRORS, corrupt
from cmrseg_lab.training.held_out import digests
from cmrseg_lab.training.preset import SegmenterPreset, of_values

MIXED = "all kinds, mixed"
SPOILED = "a segmenter on spoiled images"

Wrong = list[tuple[int, Array]]
"""Wrong masks, each with the number of the sample it should be."""


def made(
    samples: Sequence[Sample], errors: int, alone: int, seed: int
) -> Iterator[tuple[str, Wrong]]:
    """Kind of error -> masks made wrong by it; kinds that these samples have no place for are not.

    Args:
        samples: with the true masks.
        errors: wrong masks a sample with kinds mixed.
        alone: wrong masks a sample and kind by itself.
        seed: decides everything.
    """
    kinds = {**ERRORS, **BLUNDERS}
    for index, kind in enumerate((MIXED, *kinds)):
        rng = np.random.default_rng([seed, index])
        wrong: Wrong = []
        for number, sample in enumerate(samples):
            for _ in range(errors if kind == MIXED else alone):
                if kind == MIXED:
                    mask = corrupt(sample.label, rng)
                else:
                    mask = sample.label.copy()
                    kinds[kind](mask, rng)
                wrong.append((number, mask))
        if any((mask != samples[number].label).any() for number, mask in wrong):
            yield kind, wrong


def segmented(
    path: Path,
    recipe: str,
    patients: set[str],
    samples: Sequence[Sample],
    errors: int,
    seed: int,
    device: torch.device,
    work: Path | None = None,
) -> Wrong:
    """What a segmenter makes of spoiled images, the heart in one piece.

    Args:
        path: its checkpoint.
        recipe: of the autoencoder to judge.
        patients: digests of those at hand.
        samples: images of those.
        errors: spoiled images a sample.
        seed: decides how they are spoiled.
        device: where to compute.
        work: folder where the masks are kept for the next autoencoder; None keeps none.

    Raises:
        InputError: a segmenter that learned from the patients at hand or belongs to another cache.
    """
    network = _segmenter(path, recipe, patients).to(device)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    kept = work / f"{recipe}-{digest}-{errors}-{seed}.npz" if work else None
    if kept and kept.exists():
        with np.load(kept) as file:
            return [(int(name.split("_")[0]), file[name]) for name in file.files]
    wrong = _segment(network, samples, errors, seed, device)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        named = {f"{number}_{index}": mask for index, (number, mask) in enumerate(wrong)}
        np.savez_compressed(kept, **named)  # type: ignore[arg-type]
    return wrong


@torch.inference_mode()
def _segment(
    network: UNet, samples: Sequence[Sample], errors: int, seed: int, device: torch.device
) -> Wrong:
    rng = np.random.default_rng(seed)
    wrong: Wrong = []
    with Progress(len(samples) * errors, "spoiled images") as progress:
        for number, sample in enumerate(samples):
            for _ in range(errors):
                x = torch.from_numpy(spoil(sample.image, rng))[None, None].to(device)
                found = most_probable(class_probabilities(network, x)[0].cpu().numpy())
                heart = largest(found > 0)
                wrong.append((number, np.where(heart, found, 0).astype(np.uint8)))
                progress.show(len(wrong))
    return wrong


def _segmenter(path: Path, recipe: str, patients: set[str]) -> UNet:
    """The segmenter of a checkpoint, if the patients at hand are new to it too."""
    state = checkpoint.read_state(path)
    preset = cast(SegmenterPreset, of_values(state["preset"]))
    met = patients & set(digests((one[0], one[1]) for one in state["about"]["patients"]))
    if f"{preset.recipe}-qc" != recipe or met:
        raise InputError(
            "the segmenter is of another recipe or was trained on these patients",
            "give one trained on the same cache and fold",
        )
    network = UNet(preset.network)
    network.load_state_dict(checkpoint.network_weights(path))
    return network.eval()


def spoil(image: Array, rng: np.random.Generator) -> Array:
    """A copy with an artefact, blur, noise and another contrast, of strengths drawn at random.

    Args:
        image: (z, y, x) float32, robust z-score.
        rng: decides everything; slices have their artefacts in common, but not their noise.
    """
    strength = float(rng.uniform(0.3, 1.0))
    name = sorted(IMAGE)[int(rng.integers(len(IMAGE)))]
    spoiled = np.stack([IMAGE[name](s, strength, rng) for s in image.astype(np.float32)])
    if rng.random() < 0.5:
        sigma = rng.uniform(0, 3) * strength
        spoiled = ndimage.gaussian_filter(spoiled, (0, sigma, sigma))
    low, high = float(spoiled.min()), float(spoiled.max())
    share = (spoiled - low) / max(high - low, 1e-6)
    if rng.random() < 0.2 * strength:
        share = 1 - share  # blood dark, as no cine has it
    spoiled = low + (high - low) * share ** np.exp(strength * rng.uniform(-1, 1))
    noisy = spoiled + strength * rng.uniform(0, 1.5) * rng.standard_normal(spoiled.shape)
    return np.asarray(noisy, np.float32)
