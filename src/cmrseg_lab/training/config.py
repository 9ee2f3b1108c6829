"""What a training run is, in one frozen object that travels with the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from cmrseg.models.unet import UNetConfig

GreyGroup = Literal["field-of-view", "noise", "resolution", "contrast", "intensity", "artefacts"]
GREY_GROUPS: tuple[GreyGroup, ...] = get_args(GreyGroup)
"""What grey-scale augmentation consists of (:mod:`cmrseg_lab.training.augment`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """One network's training.

    Attributes:
        recipe: ``emidec``, ``mnms2-sa`` or ``mnms2-la``.
        network: shape of the U-Net.
        patch: (z, y, x) voxels a sample has.
        batch: samples a step.
        steps: optimiser steps in all.
        optimiser: ``sgd`` (Nesterov 0.99, arega2021 section 2.3), ``adam`` or ``adamw``.
        learning_rate: initial.
        schedule: ``poly``: the rate falls to zero over all steps; ``exponential``: by one factor
            an epoch.
        decay: exponent of ``poly``; factor of ``exponential``.
        epochs: equal parts of all steps, for ``exponential``.
        weight_decay: of the optimiser.
        dice: ``soft``: mean of the foreground classes; ``generalised``: Sudre 2017, as galati2021
            Eq. 1 has it.
        gradient_clip: largest gradient norm.
        augmentation: ``ours``, with grey scales as ``scanners`` and ``slice_contrast`` say, or
            ``nnunet``: placed and augmented as nnU-Net does, which asks neither.
        on_heart: share of patches centred near the heart (``nnunet``: on a voxel of a random
            class); the others lie anywhere.
        scanners: ``many``: grey-scale augmentation far beyond what one centre shows; ``one``: the
            usual one (much as nnU-Net's), which learns faster where all hearts are of one centre.
        grey: instead of ``scanners``, the groups that are as strong as for many; the others are as
            for one. ``()``: none is, and fields of view stay as they are. ``None``: ``scanners``.
        slice_contrast: strength of grey-scale jumps between slices of a stack.
        upside_down: show half of the stacks from apex to base: not every file begins at the base.
        alone: share of steps whose slices are shown without their neighbours to a network that
            looks across: it has to serve single slices as well, as refinement rehearses.
        samples: Monte-Carlo dropout passes a step (N of arega2021 Eq. 1); 1 is the baseline.
        alpha: weight of the uncertainty in the loss (Eq. 5); 3 with 5 samples in the paper.
        averaged: share of the steps, the last ones, whose weights are averaged (stochastic weight
            averaging, Izmailov et al. 2018): what is scored, kept and packed is the mean.
        seed: everything random follows from it.
        keep: how many snapshots to keep, the best of all looks at patients set aside for choosing
            (m_best of galati2021 section 2.2); 0 sets nobody aside and keeps the last weights only.
        validate_every: steps between looks at the patients to choose by, or at the held-out fold.
        checkpoint_every_s: seconds between checkpoints.
    """

    recipe: str
    network: UNetConfig
    patch: tuple[int, int, int]
    batch: int
    steps: int
    optimiser: Literal["sgd", "adam", "adamw"] = "adamw"
    learning_rate: float = 2e-3
    schedule: Literal["poly", "exponential"] = "poly"
    decay: float = 0.9
    epochs: int = 1
    weight_decay: float = 1e-2
    dice: Literal["soft", "generalised"] = "soft"
    gradient_clip: float = 12.0
    augmentation: Literal["ours", "nnunet"] = "ours"
    on_heart: float = 0.8
    scanners: Literal["one", "many"] = "many"
    grey: tuple[GreyGroup, ...] | None = None
    slice_contrast: float = 0.0
    upside_down: bool = False
    alone: float = 0.0
    samples: int = 1
    alpha: float = 0.0
    averaged: float = 0.0
    seed: int = 0
    keep: int = 0
    validate_every: int = 500
    checkpoint_every_s: float = 180.0

    def __post_init__(self) -> None:
        multiple = self.network.multiple
        if self.patch[1] % multiple or self.patch[2] % multiple:
            raise ValueError(f"patch {self.patch} is no multiple of {multiple} in y and x")
        if self.samples < 1 or self.alpha < 0:
            raise ValueError("samples must be one or more and alpha not negative")
        if not 0 <= self.averaged <= 1:
            raise ValueError("averaged is a share, 0 to 1")
        if self.augmentation == "nnunet" and (self.slice_contrast or self.grey is not None):
            raise ValueError("nnU-Net's augmentation has no slice_contrast and no groups")
        if unknown := set(self.grey or ()) - set(GREY_GROUPS):
            raise ValueError(f"no group of grey-scale augmentation: {', '.join(sorted(unknown))}")
        if self.keep < 0 or self.epochs < 1:
            raise ValueError("epochs must be one or more and keep not negative")

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if self.schedule == "exponential":
            return float(self.learning_rate * self.decay ** (step * self.epochs // self.steps))
        return float(self.learning_rate * (1 - step / self.steps) ** self.decay)

    def averages(self, step: int) -> bool:
        """Whether the weights after so many steps count for the mean."""
        return step > self.steps - round(self.averaged * self.steps)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, the inverse of :meth:`from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingConfig:
        """From a checkpoint's or manifest's JSON."""
        network = UNetConfig.from_dict(values["network"])
        grey = None if values.get("grey") is None else tuple(values["grey"])
        return cls(**{**values, "network": network, "patch": tuple(values["patch"]), "grey": grey})
