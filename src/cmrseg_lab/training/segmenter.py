"""Training a segmenter: what a step learns by, and how held-out patients are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmrseg.imaging.overlap import dice
from cmrseg.models.layers import fold, unfold, usual_execution
from cmrseg.models.unet import UNet, pad_to_multiple
from cmrseg.runtime import Precision, autocast, usual_precision
from cmrseg_lab.training.cache import PHASES, Sample
from cmrseg_lab.training.loop import Batch, Scores
from cmrseg_lab.training.losses import LV, deep_supervision
from cmrseg_lab.training.patches import Stacks, other_phase
from cmrseg_lab.training.preset import SegmenterPreset

Images = dict[str, Sample]
"""A patient's images by name."""
SOME = 16
"""So many patients are looked at while a training goes on."""


class Trainee(nn.Module):
    """A U-Net as a step calls it.

    Args:
        unet: the network.
        precision: to compute in; None for what suits the device.
    """

    def __init__(self, unet: UNet, precision: Precision | None = None) -> None:
        super().__init__()
        self.unet, self.precision = unet, precision

    def forward(self, image: Tensor, samples: int) -> tuple[list[Tensor], Tensor | None]:
        """Logits by head, finest first, and of the head for presence if there is one."""
        unet = self.unet
        with autocast(image.device, self.precision or precision(image.device)):
            if unet.presence is None:
                return unet(image, samples), None
            depth = image.shape[2] if unet.execution == "folded" else None
            skips = unet.encode(fold(image) if depth else image, depth)
            present = unet.present(skips[-1] if depth else fold(skips[-1]))
            heads = unet.decode(skips, depth)
            if depth:
                heads = [unfold(h, depth) for h in heads]
            return heads, present


def precision(device: torch.device) -> Precision:
    """bf16 where the device has matrix units for it; elsewhere it would be slower."""
    return "bf16" if usual_precision(device) == "bf16" else "fp32"


@dataclass(frozen=True, slots=True)
class Segmenters:
    """One segmenter's training (:class:`cmrseg_lab.training.loop.Task`).

    Attributes:
        preset: what to train.
        training: patients to learn from.
        held_out: patients to look at; nothing is chosen by them.
    """

    preset: SegmenterPreset
    training: list[Images]
    held_out: list[Images]

    def network(self, device: torch.device) -> nn.Module:
        """A U-Net with random weights."""
        return UNet(self.preset.network, usual_execution(device)).to(device)

    def trainee(self, network: nn.Module) -> nn.Module:
        """The U-Net behind one call."""
        return Trainee(cast(UNet, network))

    def samples(self, seed: int) -> torch.utils.data.Dataset[Batch]:
        """Augmented stacks."""
        return Stacks(self.training, self.preset, seed)

    def loss(self, trainee: nn.Module, batch: Batch, step: int) -> Tensor:
        """Dice, cross-entropy and what the preset adds to them."""
        preset = self.preset
        device = next(trainee.parameters()).device
        image = batch["image"].to(device, non_blocking=True)
        label = batch["label"].to(device, non_blocking=True)
        samples = preset.samples if step >= preset.samples_from * preset.steps else 1
        alpha = preset.alpha if samples > 1 else 0.0
        heads, presence = trainee(image, samples)
        loss = deep_supervision(heads, label, samples, alpha, preset.dice)
        if presence is None:
            return loss
        shown = F.one_hot(label, preset.classes)[..., 1:].amax((2, 3)).flatten(0, 1).float()
        told = F.binary_cross_entropy_with_logits(presence.float(), shown)
        return loss + preset.presence_weight * told

    def look(self, network: nn.Module, device: torch.device, whole: bool) -> dict[str, Scores]:
        """Mean Dice of held-out patients, and beside them of some that were trained on."""
        groups = {"held out": self.held_out, "trained on": self.training}
        return {
            who: validation_dice(cast(UNet, network), some, device)
            for who, own in groups.items()
            if (some := own if whole and who == "held out" else own[:: max(1, len(own) // SOME)])
        }


@torch.inference_mode()
def validation_dice(network: UNet, patients: list[Images], device: torch.device) -> Scores:
    """Mean Dice on whole prepared images, by class and phase; no post-processing."""
    network.eval()
    scores: dict[str, list[float]] = {}
    for patient in patients:
        for name, sample in patient.items():
            found = labels_of_image(network, patient, name, device).numpy()
            known = [LV] if sample.partial else range(1, network.config.classes)
            shown = (
                name if name in (*PHASES, "LGE") else "drawn alone" if sample.partial else "cuts"
            )
            for c in known:
                score = dice(found == c, sample.label == c)
                scores.setdefault(f"{c} {shown}", []).append(score)
    return {k: round(sum(v) / len(v), 4) for k, v in sorted(scores.items())}


def labels_of_image(network: UNet, patient: Images, name: str, device: torch.device) -> Tensor:
    """(z, y, x) labels of one image, the other phase beside it where network and file allow."""
    image = torch.from_numpy(patient[name].image).float()
    channels = [image]
    if network.config.in_channels > 1:
        other = other_phase(patient, name)
        channels.append(torch.from_numpy(other.image).float() if other else 0 * image)
    x = torch.stack(channels)[None].to(device)
    with autocast(device, precision(device)):
        logits = network(pad_to_multiple(x, network.config.multiple))[0]
    found: Tensor = logits[0, :, :, : image.shape[1], : image.shape[2]].float().argmax(0).cpu()
    return found
