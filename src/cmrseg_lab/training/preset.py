"""A whole training as one file says it: presets/*.toml, or a file of your own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from cmrseg.models.autoencoder import AutoencoderConfig
from cmrseg.models.unet import UNetConfig
from cmrseg.runtime.errors import InputError

PRESETS = Path(__file__).with_name("presets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What every training has.

    Attributes:
        recipe: what the network is for: ``emidec``, ``mnms2-sa``, ``mnms2-la``, or an autoencoder
            of masks, ``mnms2-sa-qc``, ``mnms2-la-qc``.
        batch: samples a step.
        steps: optimiser steps.
        optimiser: ``adamw``, ``adam`` (L2), or ``sgd`` (Nesterov, 0.99; arega2021 section 2.3).
        learning_rate: at the start; it falls to zero as (1 - step / steps) ** decay.
        decay: that exponent; 0 leaves the rate as it is.
        warm_up: steps over which the rate rises to its start.
        weight_decay: of the optimiser.
        gradient_clip: largest gradient norm.
        average_decay: of the exponential moving average of the weights.
        average_from: share of the steps after which that average begins; 1 for never.
        look_every: steps between looks at held-out patients.
        folds: how many parts patients are dealt into.
    """

    recipe: str
    batch: int
    steps: int
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float
    decay: float = 0.9
    warm_up: int = 200
    weight_decay: float
    gradient_clip: float = 12.0
    average_decay: float = 0.998
    average_from: float = 1.0
    look_every: int = 1500
    folds: int

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / max(self.warm_up, 1))
        return warm * self.learning_rate * float((1 - step / self.steps) ** self.decay)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From what a preset's file or a checkpoint says."""
        return cls(**{k: _frozen(v) for k, v in values.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far training images are changed.

    Attributes:
        on_heart: share of patches centred near the heart; the others lie anywhere.
        other_phase: share in which the other phase of the patient is shown as a second channel.
        non_linear: share given global intensity non-linear augmentation (Ouyang et al. 2022).
        shifted_slices: share whose slices are shifted against each other, as breath-holds do.
        turned: share turned by a quarter, a half or three quarters.
        grey: factor on how often each change of grey values is made.
        slice_contrast: share of stacks whose slices have grey scales of their own.
        curves: share given another curve of grey values, as another window or inversion time does.
        arbitrary: share of those curves that may fall as well as rise.
        tissues: share whose labelled tissues are made brighter or darker, each by itself.
        thin: share shown as slices of half the distance, each twice.
    """

    on_heart: float = 0.9
    other_phase: float = 0.6
    non_linear: float = 0.25
    shifted_slices: float = 0.2
    turned: float = 0.3
    grey: float = 1.0
    slice_contrast: float = 0.2
    curves: float = 0.0
    arbitrary: float = 0.0
    tissues: float = 0.0
    thin: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterPreset(Preset):
    """A segmenter's training.

    Attributes:
        classes: output classes, background included.
        channels: 1, or 2 with the patient's other phase.
        features: channels by stage, finest first.
        across: by stage, whether kernels are three slices deep.
        dropout: by stage; empty for none.
        deep_supervision: heads that learn.
        presence: whether a head learns which classes each slice shows.
        presence_weight: of that head's cross-entropy in the loss.
        patch: (z, y, x) voxels of a stack.
        dice: ``volume``: mean over volumes and classes; ``generalised``: galati2021 Eq. 1.
        samples: Monte-Carlo dropout passes a step (N of arega2021 Eq. 1).
        alpha: weight of their variance in the loss (Eq. 5).
        samples_from: share of the steps after which there are samples; one pass before.
        often: by source, how many times as often as another's its patients are drawn.
        augmentation: how far training images are changed.
    """

    classes: int
    channels: int = 1
    features: tuple[int, ...]
    across: tuple[bool, ...]
    dropout: tuple[float, ...] = ()
    deep_supervision: int = 3
    presence: bool = False
    presence_weight: float = 0.0
    patch: tuple[int, int, int]
    dice: Literal["volume", "generalised"] = "volume"
    samples: int = 1
    alpha: float = 0.0
    samples_from: float = 0.0
    often: dict[str, int] = field(default_factory=dict)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        multiple = self.network.multiple
        if self.patch[1] % multiple or self.patch[2] % multiple:
            raise ValueError(f"patch {self.patch} is no multiple of {multiple} in y and x")
        if self.samples < 1 or self.alpha < 0 or (self.alpha and self.samples == 1):
            raise ValueError("alpha weighs how far two or more samples differ")
        if self.presence and self.samples > 1:
            raise ValueError("the head for presence has no samples")

    @property
    def network(self) -> UNetConfig:
        """The network's shape."""
        return UNetConfig(
            in_channels=self.channels,
            classes=self.classes,
            features=self.features,
            across=self.across,
            dropout=self.dropout or (0.0,) * len(self.features),
            deep_supervision=self.deep_supervision,
            presence=self.presence,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderPreset(Preset):
    """An autoencoder's training.

    Attributes:
        slices: seen at once, odd.
        size: in-plane voxels of the window.
        layers: (channels, stride) of the encoder's convolutions.
        dropout: rate in every block.
        corrupted: share of stacks that are given with errors; 0 trains on true masks alone.
        blunders: share given with a gross error, whatever else they have.
        turned: share turned, scaled and sheared; all are mirrored at random.
    """

    slices: int
    size: int
    layers: tuple[tuple[int, int], ...]
    dropout: float = 0.0
    corrupted: float = 0.7
    blunders: float = 0.0
    turned: float = 0.7

    @property
    def network(self) -> AutoencoderConfig:
        """The network's shape."""
        return AutoencoderConfig(
            slices=self.slices, size=self.size, layers=self.layers, dropout=self.dropout
        )


def of_values(values: Mapping[str, Any]) -> SegmenterPreset | AutoencoderPreset:
    """A preset from what its file or a checkpoint says.

    Raises:
        InputError: it is not a preset.
    """
    try:
        if str(values["recipe"]).endswith("-qc"):
            return AutoencoderPreset.of(values)
        values = {**values, "augmentation": Augmentation(**values.get("augmentation", {}))}
        return SegmenterPreset.of(values)
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(
            f"the preset is not right: {error}", "Compare it with a shipped one"
        ) from error


def read_preset(name: str, **changed: Any) -> SegmenterPreset | AutoencoderPreset:
    """The preset of that name, or in that file, with some values changed.

    Raises:
        InputError: there is none, or it is not right.
    """
    path = Path(name) if name.endswith(".toml") else PRESETS / f"{name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"no preset {name}", f"Use {', '.join(names())}, or a file of your own.toml"
        ) from error
    return of_values(values | changed)


def names() -> list[str]:
    """The shipped presets."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def as_values(preset: Preset) -> dict[str, Any]:
    """JSON-ready, the inverse of :func:`of_values`."""
    return asdict(preset)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
