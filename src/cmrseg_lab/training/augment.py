"""Patches out of volumes, augmented so that other scanners' images work too.

In-plane transforms treat the slices of a stack as channels, so all slices of a patch turn, scale
and mirror together, and the same list serves single slices and stacks. MONAI supplies the
transforms; a sample depends on (seed, index) alone, which is what makes resuming exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any

import monai.data
import monai.transforms as mt
import numpy as np
import torch
from torch import Tensor

from cmrseg.imaging.volume import Array
from cmrseg_lab.training import nnunet
from cmrseg_lab.training.cache import Sample
from cmrseg_lab.training.config import GreyGroup, TrainingConfig

MARGIN = 1.5
"""How much larger than the patch the crop is that gets turned and scaled."""


def augmentation(config: TrainingConfig) -> mt.Compose:
    """The random transforms of a patch: keys ``image`` and ``label``, each (z, y, x).

    arega2021 names none; ``nnunet`` is that of the framework it builds on. Ours is a choice of our
    own: in plane four patches in five are turned by up to 45 degrees, sheared by up to 0.1 and
    scaled by 0.75 to 1.35; three in ten are turned by quarter turns as well, and each axis is
    mirrored in half of them. nnU-Net turns by any angle and scales by 0.7 to 1.4, each in one patch
    of five, and never shears. Grey scales follow ``config.scanners`` or the groups of
    ``config.grey``, after jumps between slices where ``slice_contrast`` asks for them.
    """
    monai.data.set_track_meta(False)
    if config.augmentation == "nnunet":
        return mt.Compose(nnunet.transforms(config.patch[1:]))
    return mt.Compose([*_spatial(config.patch[1:]), *_grey(config)])


def _spatial(plane: tuple[int, ...]) -> list[mt.Transform]:
    both = ["image", "label"]
    return [
        mt.RandAffined(
            both,
            prob=0.8,
            rotate_range=pi / 4,
            shear_range=0.1,
            scale_range=(-0.25, 0.35),
            spatial_size=plane,
            mode=("bilinear", "nearest"),
            padding_mode="border",
        ),
        mt.RandRotate90d(both, prob=0.3),
        mt.RandFlipd(both, prob=0.5, spatial_axis=0),
        mt.RandFlipd(both, prob=0.5, spatial_axis=1),
    ]


def _grey(config: TrainingConfig) -> list[mt.Transform]:
    image = ["image"]
    grey = _chosen(config)
    if config.slice_contrast:
        per_slice = mt.RandScaleIntensityd(
            image, prob=0.3, factors=config.slice_contrast, channel_wise=True
        )
        shifts = mt.RandStdShiftIntensityd(
            image, prob=0.3, factors=config.slice_contrast, channel_wise=True
        )
        grey = [per_slice, shifts, *grey]
    return grey


def _chosen(config: TrainingConfig) -> list[mt.Transform]:
    """Those of ``config.grey`` or, without it, of ``config.scanners``, in the order applied."""
    kinds = _kinds()
    if config.grey is not None:
        both = ((k.strong if k.group in config.grey else k.usual) for k in kinds.values())
        return [transform for transform in both if transform]
    if config.scanners == "many":
        return [k.strong for k in kinds.values() if k.group != "field-of-view"]
    # In the order that committed weights learned with: from another one other draws follow.
    usual = (kinds[name].usual for name in ("noise", "blur", "scale", "pixels", "gamma", "light"))
    return [kinds["field of view"].strong, *usual]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One transform: its group, how one scanner has it (``None``: never), and how many do."""

    group: GreyGroup
    usual: mt.Transform | None
    strong: mt.Transform


def _kinds() -> dict[str, _Kind]:
    """Every transform of grey scales, in an order that scanners could have.

    Usual, for networks that stay at the centre they learned from: noise, blur, brightness, low
    resolution and gamma as strong and as frequent as nnU-Net's, but neither its contrast nor its
    inverted gamma; uneven light and fields of view are ours. Even at one centre fields of view
    differ, and with them what the grey scale is taken from.

    Strong: contrast, noise, unevenness, resolution and artefacts far beyond nnU-Net's, since unseen
    scanners are where networks trained on one centre fail.
    """
    image = ["image"]
    noise, gamma = mt.RandGaussianNoised, mt.RandAdjustContrastd
    blur, pixels = mt.RandGaussianSmoothd, mt.RandSimulateLowResolutiond
    inverted = {"invert_image": True, "retain_stats": True}
    return {
        "field of view": _Kind("field-of-view", None, RandFieldOfViewd(image, prob=0.5)),
        # Noise comes before what scanners do to it: blur, contrast curves, uneven light.
        "noise": _Kind("noise", noise(image, prob=0.1, std=0.3), noise(image, prob=0.3, std=0.6)),
        "pixels": _Kind(
            "resolution",
            pixels(image, prob=0.25, zoom_range=(0.5, 1.0)),
            pixels(image, prob=0.25, zoom_range=(0.4, 1.0)),
        ),
        "blur": _Kind(
            "resolution",
            blur(image, prob=0.2, sigma_x=(0.5, 1.0), sigma_y=(0.5, 1.0)),
            blur(image, prob=0.2, sigma_x=(0.4, 1.2), sigma_y=(0.4, 1.2)),
        ),
        "ringing": _Kind("artefacts", None, mt.RandGibbsNoised(image, prob=0.1, alpha=(0.2, 0.6))),
        "gamma": _Kind(
            "contrast",
            gamma(image, prob=0.3, gamma=(0.7, 1.5), retain_stats=True),
            gamma(image, prob=0.4, gamma=(0.5, 2.0), retain_stats=True),
        ),
        "inverted gamma": _Kind(
            "contrast", None, gamma(image, prob=0.1, gamma=(0.7, 1.5), **inverted)
        ),
        "histogram": _Kind(
            "contrast", None, mt.RandHistogramShiftd(image, prob=0.2, num_control_points=(4, 8))
        ),
        "light": _Kind(
            "artefacts",
            mt.RandBiasFieldd(image, prob=0.15, degree=2, coeff_range=(-0.3, 0.3)),
            mt.RandBiasFieldd(image, prob=0.35, degree=2, coeff_range=(-0.6, 0.6)),
        ),
        "scale": _Kind(
            "intensity",
            mt.RandScaleIntensityd(image, prob=0.15, factors=0.25),
            mt.RandScaleIntensityd(image, prob=0.4, factors=(-0.6, 0.8)),
        ),
        "shift": _Kind("intensity", None, mt.RandShiftIntensityd(image, prob=0.3, offsets=0.5)),
        "noise on top": _Kind("noise", None, noise(image, prob=0.3, std=0.3)),
    }


class RandFieldOfViewd(mt.RandomizableTransform, mt.MapTransform):  # type: ignore[misc]
    """The grey scale that an image would have, had it been cut closer to the heart, or wider.

    The z-score is taken from the whole image: with less dark lung and air in it the same heart
    comes out darker and flatter. A random step from the image's mean and deviation towards those
    of the patch, or half as far away from them.

    Args:
        keys: what to scale.
        prob: how often.
    """

    def __init__(self, keys: list[str], prob: float) -> None:
        mt.MapTransform.__init__(self, keys)
        mt.RandomizableTransform.__init__(self, prob)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """One share for all keys."""
        self.randomize(None)
        share = self.R.uniform(-0.5, 1.0)
        if not self._do_transform:
            return data
        return {**data, **{key: _rescaled(data[key], share) for key in self.key_iterator(data)}}


def _rescaled(image: Tensor, share: float) -> Tensor:
    # A patch beyond the heart may be nothing but air.
    deviation = max(float(image.std()), 0.3)
    rescaled: Tensor = (image - share * image.mean()) / deviation**share
    return rescaled


class Patches(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Endless augmented patches; item ``index`` is the same in every process and every run."""

    def __init__(self, samples: list[Sample], config: TrainingConfig) -> None:
        self.samples, self.config = samples, config
        self.transform = augmentation(config)
        self.hearts = [_heart(sample.label) for sample in samples]

    def __len__(self) -> int:
        return self.config.steps * self.config.batch

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([self.config.seed, index])
        chosen = int(rng.integers(len(self.samples)))
        sample, heart = self.samples[chosen], self.hearts[chosen]
        centre = self._centre(rng, sample, heart)
        size = (
            self.config.patch[0],
            *(int(n * MARGIN) for n in self.config.patch[1:]),
        )
        order = -1 if self.config.upside_down and rng.random() < 0.5 else 1
        shown, truth = (crop(a, centre, size)[::order] for a in (sample.image, sample.label))
        data: dict[str, Any] = {
            "image": torch.from_numpy(np.ascontiguousarray(shown)),
            "label": torch.from_numpy(truth.astype(np.float32)),
        }
        self.transform.set_random_state(seed=int(rng.integers(2**31)))
        data = self.transform(data)
        # RandAffine leaves the crop at its size in the draws it does nothing: cut the patch out.
        image, label = (_middle(data[key], self.config.patch) for key in ("image", "label"))
        return {"image": image[None].float(), "label": label.round().long()}

    def _centre(
        self, rng: np.random.Generator, sample: Sample, heart: tuple[Array, Array]
    ) -> tuple[int, int, int]:
        if self.config.augmentation == "nnunet":
            return nnunet.centre(rng, sample.label, self.config.patch, self.config.on_heart)
        shape, depth = sample.image.shape, self.config.patch[0]
        # Inside the stack where that has slices enough: its ends look like ends.
        spare = shape[0] - depth
        z = int(rng.integers(spare + 1)) + depth // 2 if spare > 0 else shape[0] // 2
        low, high = heart
        if rng.random() < self.config.on_heart:
            y, x = (int(rng.integers(a, b + 1)) for a, b in zip(low, high, strict=True))
            return z, y, x
        return z, int(rng.integers(shape[1])), int(rng.integers(shape[2]))


def _heart(label: Array) -> tuple[Array, Array]:
    """Where patch centres on the heart lie: the inner half of the labels' bounding box."""
    inside = np.argwhere(label.any(axis=0))
    if not len(inside):
        middle = np.array(label.shape[1:]) // 2
        return middle, middle
    low, high = inside.min(axis=0), inside.max(axis=0)
    quarter = (high - low) // 4
    return low + quarter, high - quarter


def crop(array: Array, centre: tuple[int, int, int], size: tuple[int, ...]) -> Array:
    """A box of ``size`` around ``centre``; beyond the volume the edge value goes on."""
    start = [c - n // 2 for c, n in zip(centre, size, strict=True)]
    picks = [
        np.clip(np.arange(s, s + n), 0, total - 1)
        for s, n, total in zip(start, size, array.shape, strict=True)
    ]
    return array[np.ix_(*picks)].copy()


def _middle(patch: Tensor, size: tuple[int, int, int]) -> Tensor:
    top = [(have - want) // 2 for have, want in zip(patch.shape, size, strict=True)]
    z, y, x = (slice(t, t + n) for t, n in zip(top, size, strict=True))
    return torch.as_tensor(patch)[z, y, x]
