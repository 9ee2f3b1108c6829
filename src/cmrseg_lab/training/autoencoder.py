"""Training the masks' autoencoder from the labels of the cache that its segmenter learns from.

The paper's is trained on true masks alone (galati2021 section 2.2 and the authors' code). Ours is
given wrong masks and has to answer with the right ones: what it cannot be talked into reproducing
shows the more clearly. An example depends on (seed, index) alone, which makes resuming exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from cmrseg.imaging.overlap import dice
from cmrseg.imaging.volume import Array
from cmrseg.models.autoencoder import Autoencoder
from cmrseg.quality.control import Reconstructor
from cmrseg.quality.losses import reconstruction_loss
from cmrseg.quality.mask_window import centre, cut_window, one_hot
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.corruptions import blunder, corrupt
from cmrseg_lab.training.loop import Batch, Scores
from cmrseg_lab.training.preset import AutoencoderPreset, of_values

MARGIN = 48
"""Voxels beyond the window that turning and misplacing may bring into it."""


@dataclass(frozen=True, slots=True)
class Autoencoders:
    """One autoencoder's training (:class:`cmrseg_lab.training.loop.Task`).

    Attributes:
        preset: what to train.
        training: (z, y, x) uint8 label stacks to learn from.
        held_out: label stacks to look at; nothing is chosen by them.
    """

    preset: AutoencoderPreset
    training: list[Array]
    held_out: list[Array]

    def network(self, device: torch.device) -> nn.Module:
        """An autoencoder with random weights."""
        return Autoencoder(self.preset.network).to(device)

    def trainee(self, network: nn.Module) -> nn.Module:
        """The same."""
        return network

    def samples(self, seed: int) -> torch.utils.data.Dataset[Batch]:
        """What is given and what is true."""
        return Masks(self.training, self.preset, seed)

    def loss(self, trainee: nn.Module, batch: Batch, step: int) -> Tensor:
        """L^R of galati2021, over all slices of the stacks."""
        device = next(trainee.parameters()).device
        given, truth = batch["given"].flatten(0, 1), batch["truth"].flatten(0, 1)
        return reconstruction_loss(trainee(given.to(device)), truth.to(device))

    def look(self, network: nn.Module, device: torch.device, whole: bool) -> dict[str, Scores]:
        """Mean Dice of each class between true masks and their reconstructions."""
        reconstructor = Reconstructor(cast(Autoencoder, network.eval()), device)
        return (
            {"held out": reconstruction_dice(reconstructor, self.held_out)} if self.held_out else {}
        )


class Masks(torch.utils.data.Dataset[Batch]):
    """Endless stacks of masks, with errors and without.

    Args:
        stacks: (z, y, x) uint8 labels.
        preset: the window, how many, and how often with which errors.
        seed: everything follows from it and the index.
    """

    def __init__(self, stacks: Sequence[Array], preset: AutoencoderPreset, seed: int) -> None:
        # Stacks of one batch are laid side by side: all get the slices of the deepest.
        self.stacks, self.preset, self.seed = stacks, preset, seed
        self.depth = max(map(len, stacks))

    def __len__(self) -> int:
        return self.preset.steps * self.preset.batch

    def __getitem__(self, index: int) -> Batch:
        """``given`` (z, slices * C, y, x) float32 and ``truth`` (z, y, x) int64."""
        preset, rng = self.preset, np.random.default_rng([self.seed, index])
        stack = self.stacks[int(rng.integers(len(self.stacks)))]
        pick = np.sort(np.arange(self.depth) % len(stack))
        truth = self._turned(stack, rng)
        mask = corrupt(truth, rng) if rng.random() < preset.corrupted else truth
        if rng.random() < preset.blunders:
            mask = blunder(mask, rng)
        at, network = centre(mask), preset.network
        given = one_hot(cut_window(mask, at, network.size), network.classes, network.slices)
        true = torch.from_numpy(cut_window(truth, at, network.size)).long()
        return {"given": given[pick], "truth": true[pick]}

    def _turned(self, stack: Array, rng: np.random.Generator) -> Array:
        """The stack around its heart, mirrored, and often turned, scaled and sheared."""
        preset = self.preset
        if preset.corrupted == preset.turned == 0:
            return stack
        size = preset.size + 2 * MARGIN
        around = cut_window(stack, centre(stack), size)
        for axis in (1, 2):
            if rng.random() < 0.5:
                around = np.flip(around, axis)
        around = np.rot90(around, int(rng.integers(4)), (1, 2))
        if rng.random() > preset.turned:
            return np.ascontiguousarray(around)
        angle, shear = rng.uniform(-np.pi / 4, np.pi / 4), rng.uniform(-0.1, 0.1)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turn @ np.array([[1, shear], [0, 1]]) / rng.uniform(0.8, 1.25, size=2)
        middle = np.full(2, (size - 1) / 2)
        offset = middle - matrix @ middle
        return np.stack([ndimage.affine_transform(s, matrix, offset, order=0) for s in around])


def reconstruction_dice(reconstructor: Reconstructor, stacks: Sequence[Array]) -> Scores:
    """Mean 3-D Dice of each class between true masks and their reconstructions."""
    classes = range(1, reconstructor.network.config.classes)
    pairs = [(stack, reconstructor.labels(stack)) for stack in stacks]
    rows = [[dice(stack == c, found == c) for c in classes] for stack, found in pairs]
    means = np.mean(rows, axis=0)
    return {str(c): round(float(mean), 4) for c, mean in zip(classes, means, strict=True)}


def load_autoencoder(path: Path) -> Autoencoder:
    """The trained network of a checkpoint, in evaluation mode.

    Raises:
        InputError: no checkpoint of ours.
    """
    preset = cast(AutoencoderPreset, of_values(checkpoint.read_state(path)["preset"]))
    network = Autoencoder(preset.network)
    network.load_state_dict(checkpoint.network_weights(path))
    return network.eval()
