"""Augmented stacks of slices for training, from a seed and an index alone.

All is done on a few whole tensors: one bilinear and one nearest resampling cut the patch out of the
volume, turned and scaled, and grey values are changed in a handful of operations. Resuming is exact
because sample ``index`` is the same in every process and every run.
"""

from __future__ import annotations

from math import exp, pi
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cmrseg_lab.training.cache import UNKNOWN, Sample
from cmrseg_lab.training.preset import Augmentation, SegmenterPreset
from cmrseg_lab.training.random_contrast import Noise, curve, non_linear, tissues

Rng = np.random.Generator


class Stacks(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Endless augmented stacks.

    Args:
        patients: by image, in memory.
        preset: their size, how many, and how far they are changed.
        seed: everything follows from it and the index.
    """

    def __init__(
        self, patients: list[dict[str, Sample]], preset: SegmenterPreset, seed: int
    ) -> None:
        self.patients, self.patch, self.channels = patients, preset.patch, preset.channels
        self.augmentation, self.seed = preset.augmentation, seed
        self.length = preset.steps * preset.batch
        self.hearts = [{n: _heart(p.label) for n, p in one.items()} for one in patients]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """``image`` (channels, z, y, x) float32 and ``label`` (z, y, x) int64."""
        rng = np.random.default_rng([self.seed, index])
        chosen = int(rng.integers(len(self.patients)))
        patient = self.patients[chosen]
        name = str(rng.choice(sorted(patient)))
        shown = patient[name]
        seen = rng.random() < self.augmentation.other_phase
        other = other_phase(patient, name) if seen and self.channels > 1 else None
        thin = rng.random() < self.augmentation.thin
        pick = _slices(rng, shown.image.shape[0], self.patch[0], thin)
        theta = self._placed(rng, self.hearts[chosen][name], shown.image.shape, len(pick))
        grid = F.affine_grid(theta, [len(pick), 1, *self.patch[1:]], align_corners=False)
        channels = [shown.image] if other is None else [shown.image, other.image]
        stack = torch.from_numpy(np.stack([c[pick] for c in channels], 1).astype(np.float32))
        image = F.grid_sample(stack, grid, padding_mode="border", align_corners=False)
        label = torch.from_numpy(shown.label[pick].astype(np.float32))[:, None]
        label = F.grid_sample(
            label, grid, mode="nearest", padding_mode="zeros", align_corners=False
        )
        image = grey(image, label, rng, self.augmentation)
        if other is None and self.channels > 1:
            image = torch.cat([image, torch.zeros_like(image)], 1)
        return {"image": image.transpose(0, 1), "label": label[:, 0].long()}

    def _placed(
        self, rng: Rng, heart: tuple[Any, Any], shape: tuple[int, ...], slices: int
    ) -> Tensor:
        """(slices, 2, 3) maps from a patch's coordinates in -1..1 to the volume's."""
        low, high = heart
        if rng.random() >= self.augmentation.on_heart:
            low, high = np.zeros(2), np.array(shape[1:]) - 1
        centre = rng.uniform(low, high)
        angle = rng.uniform(-pi / 4, pi / 4) if rng.random() < 0.8 else 0.0
        if rng.random() < self.augmentation.turned:
            angle += pi / 2 * int(rng.integers(1, 4))
        zoom = np.exp(rng.uniform(np.log(0.75), np.log(1.33)) + rng.uniform(-0.08, 0.08, 2))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shear = np.array([[1.0, rng.uniform(-0.1, 0.1)], [0.0, 1.0]])
        flips = np.diag(rng.choice([-1.0, 1.0], 2))
        pixels = turn @ shear @ np.diag(zoom) @ flips  # (y, x) patch pixels to volume pixels
        shifts = np.zeros((slices, 2))
        if rng.random() < self.augmentation.shifted_slices:
            shifts = rng.normal(0, 1.5, (slices, 2))
        return _theta(pixels, centre + shifts, self.patch[1:], shape[1:])


def _theta(pixels: Any, centres: Any, patch: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """PyTorch's (x, y) maps in -1..1 from a (y, x) matrix in pixels and the slices' centres."""
    size, whole = np.array(patch, float), np.array(shape, float)
    matrix = pixels * size[None, :] / whole[:, None]
    offset = (2 * centres + 1) / whole - 1
    theta = np.concatenate([np.broadcast_to(matrix, (len(centres), 2, 2)), offset[..., None]], 2)
    theta = theta[:, ::-1][:, :, [1, 0, 2]]
    return torch.from_numpy(np.ascontiguousarray(theta)).float()


def other_phase(patient: dict[str, Sample], name: str) -> Sample | None:
    """The other phase, where it lies on the same voxels."""
    others = [p for n, p in patient.items() if n != name]
    same = [p for p in others if p.image.shape == patient[name].image.shape]
    return same[0] if same else None


def _slices(rng: Rng, have: int, want: int, thin: bool = False) -> Any:
    """Which slices: neighbours, in either order; the last one is repeated where there are few.
    Thin slices are neighbours of which each is shown twice.

    The ends of the stack, where it is hard to say what is still a ventricle, are drawn as often as
    the middle: the window may start anywhere that leaves it full, and half of the windows are
    moved to one of the ends.
    """
    if thin:
        return np.repeat(_slices(rng, have, -(-want // 2)), 2)[:want]
    spare = max(have - want, 0)
    first = int(rng.integers(spare + 1)) if rng.random() < 0.5 else int(rng.choice([0, spare]))
    pick = np.clip(np.arange(first, first + want), 0, have - 1)
    return pick[::-1] if rng.random() < 0.5 else pick


def _heart(label: Any) -> tuple[Any, Any]:
    """(y, x) bounds of patch centres on the heart: the inner half of its bounding box."""
    inside = np.argwhere(((label > 0) & (label != UNKNOWN)).any(axis=0))
    if not len(inside):
        middle = (np.array(label.shape[1:]) - 1) / 2
        return middle, middle
    low, high = inside.min(axis=0), inside.max(axis=0)
    return low + (high - low) / 4, high - (high - low) / 4


def grey(image: Tensor, label: Tensor, rng: Rng, augmentation: Augmentation) -> Tensor:
    """Another scanner's grey values for (slices, channels, y, x), on a common scale again.

    Args:
        image: grey values.
        label: (slices, 1, y, x) of the first channel.
        rng: all randomness.
        augmentation: how often each change is made.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))

    def noise(size: Any) -> Tensor:
        return torch.randn(size, generator=generator)

    def happens(share: float) -> bool:
        return bool(rng.random() < share * augmentation.grey)

    image = _contrast(image, label, rng, augmentation, noise)
    if happens(augmentation.non_linear):
        image = non_linear(image, rng, noise)
    if happens(0.35):
        image = _gamma(image, exp(rng.uniform(-0.7, 0.7)))
    if happens(0.3):
        image = image + rng.uniform(0, 0.35) * noise(image.shape)
    if happens(0.45):
        coarser = rng.random() < 0.55
        image = _coarser(image, rng.uniform(0.4, 1)) if coarser else _blurred(image, rng)
    if happens(0.3):
        image = _shaded(image, noise)
    if happens(augmentation.slice_contrast):  # slices of different scale
        each = (len(image), 1, 1, 1)
        image = image * (1 + 0.2 * noise(each)) + 0.2 * noise(each)
    if happens(0.3):
        image = image + rng.uniform(0, 0.25) * noise(image.shape)
    share = float(rng.choice([1.0, rng.uniform(0.5, 1.0)], p=[0.4, 0.6]))
    image = rescaled(image, share)
    return image * exp(rng.normal(0, 0.1)) + rng.normal(0, 0.1)


def _contrast(
    image: Tensor, label: Tensor, rng: Rng, augmentation: Augmentation, noise: Noise
) -> Tensor:
    """Perhaps another curve of grey values, perhaps other tissues."""
    if rng.random() < augmentation.curves:
        image = curve(image, rng, rises=rng.random() >= augmentation.arbitrary)
    if rng.random() < augmentation.tissues:
        image = tissues(image, label, noise)
    return image


def rescaled(image: Tensor, share: float) -> Tensor:
    """The grey scale of an image that shows only so much, in y and x, around the patch's middle.

    Networks see the scale of whatever field of view an image has, and later that of a box around
    the heart (:mod:`cmrseg.models.roi_crop`).
    """
    height, width = image.shape[-2:]
    rows, columns = (round(n * (1 - share) / 2) for n in (height, width))
    scale = image[..., rows : height - rows, columns : width - columns]
    mean = scale.mean((0, 2, 3), keepdim=True)
    deviation = scale.std((0, 2, 3), keepdim=True).clamp_min(1e-3)
    return ((image - mean) / deviation).clamp(-5, 5)


def _gamma(image: Tensor, power: float) -> Tensor:
    low, high = image.amin(), image.amax()
    span = (high - low).clamp_min(1e-6)
    bent = ((image - low) / span) ** power
    return (bent - bent.mean()) / bent.std().clamp_min(1e-6)


def _coarser(image: Tensor, zoom: float) -> Tensor:
    """The image as one of fewer pixels would show it."""
    coarse = F.interpolate(image, scale_factor=zoom, mode="area")
    return F.interpolate(coarse, size=image.shape[-2:], mode="bicubic")


def _shaded(image: Tensor, noise: Any) -> Tensor:
    """A coil's bias field."""
    field = F.interpolate(0.3 * noise((1, 1, 4, 4)), size=image.shape[-2:], mode="bicubic")
    low = image.amin()
    return (image - low) * field.exp() + low


def _blurred(image: Tensor, rng: Rng) -> Tensor:
    sigma = rng.uniform(0.4, 1.2)
    at = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    flat = image.reshape(-1, 1, *image.shape[2:])
    flat = F.conv2d(flat, kernel.view(1, 1, -1, 1), padding=(3, 0))
    return F.conv2d(flat, kernel.view(1, 1, 1, -1), padding=(0, 3)).reshape(image.shape)
