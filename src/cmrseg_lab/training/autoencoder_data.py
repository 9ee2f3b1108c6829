"""What an autoencoder learns from: true masks, and the same with errors.

An example depends on (seed, index) alone, which is what makes resuming exact.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from cmrseg.imaging.volume import Array
from cmrseg.quality.mask_window import centre, cut, one_hot
from cmrseg_lab.training.autoencoder_config import AutoencoderTraining
from cmrseg_lab.training.corruptions import blunder, corrupt

MARGIN = 48
"""Voxels beyond the window that turning and misplacing may bring into it."""


def batches(
    config: AutoencoderTraining, stacks: list[Array], done: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """What is given and what is true, from step ``done`` on: (N, slices * C, Y, X), (N, Y, X)."""
    for number in range(done, config.steps):
        pairs = [
            example(stacks, config, number * config.batch + index) for index in range(config.batch)
        ]
        yield torch.cat([given for given, _ in pairs]), torch.cat([truth for _, truth in pairs])


def example(stacks: list[Array], config: AutoencoderTraining, index: int) -> tuple[Tensor, Tensor]:
    """All slices of one stack, the same in every run: what is given and what is true."""
    rng = np.random.default_rng([config.seed, index])
    stack = stacks[int(rng.integers(len(stacks)))]
    truth = _turned(stack, config, rng)
    mask = corrupt(truth, rng) if rng.random() < config.corrupted else truth
    if rng.random() < config.blunders:
        mask = blunder(mask, rng)
    at, network = centre(mask), config.network
    given = one_hot(cut(mask, at, network.size), network.classes, network.slices)
    return given, torch.from_numpy(cut(truth, at, network.size)).long()


def _turned(stack: Array, config: AutoencoderTraining, rng: np.random.Generator) -> Array:
    """The stack around its heart, mirrored, and often turned, scaled and sheared in the plane."""
    if config.corrupted == config.turned == 0:
        return stack
    size = config.network.size + 2 * MARGIN
    around = cut(stack, centre(stack), size)
    for axis in (1, 2):
        if rng.random() < 0.5:
            around = np.flip(around, axis)
    around = np.rot90(around, int(rng.integers(4)), (1, 2))
    if rng.random() > config.turned:
        return np.ascontiguousarray(around)
    angle, shear = rng.uniform(-np.pi / 4, np.pi / 4), rng.uniform(-0.1, 0.1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, shear], [0, 1]]) / rng.uniform(0.8, 1.25, size=2)
    middle = np.full(2, (size - 1) / 2)
    offset = middle - matrix @ middle
    return np.stack([ndimage.affine_transform(s, matrix, offset, order=0) for s in around])
