"""Trains one network from a preset and a cache, start to finish. Read :func:`fit`.

It stops at any minute (a checkpoint every few minutes and on SIGTERM) and goes on exactly where it
stood. What is evaluated and packed in the end is the moving average of the weights.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cmrseg.models.layers import fold, unfold
from cmrseg.models.unet import UNet, UNetConfig, count_parameters, pad_to_multiple
from cmrseg.runtime.device import usual_precision
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.cine_cache import (
    PHASES,
    UNKNOWN,
    Patient,
    Phase,
    folds,
    load,
    read_index,
)
from cmrseg_lab.training.cine_patches import Augmentation, Stacks, other_phase

PRESETS = Path(__file__).with_name("presets")
CHECKPOINT_EVERY_S = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A whole training, as its file says it.

    Attributes:
        recipe: what the network is for, ``mnms2-sa`` or ``mnms2-la``.
        classes: output classes, background included.
        channels: input channels.
        features: channels by stage, finest first.
        across: by stage, whether kernels are three slices deep.
        presence: whether a head learns which classes each slice shows.
        patch: (z, y, x) voxels of a stack.
        batch: stacks a step.
        steps: optimiser steps.
        learning_rate: of AdamW at the start; it falls to zero as (1 - step / steps) ** 0.9.
        weight_decay: of AdamW.
        presence_weight: of the presence head's cross-entropy in the loss.
        average_decay: of the exponential moving average of the weights.
        average_from: share of the steps after which that average begins.
        folds: how many parts patients are dealt into.
        augmentation: how far training images are changed.
    """

    recipe: str
    classes: int
    channels: int
    features: tuple[int, ...]
    across: tuple[bool, ...]
    presence: bool
    patch: tuple[int, int, int]
    batch: int
    steps: int
    learning_rate: float
    weight_decay: float
    presence_weight: float
    average_decay: float
    average_from: float
    folds: int
    augmentation: Augmentation

    @classmethod
    def read(cls, name: str, **changed: Any) -> Preset:
        """The preset of that name, or in that file, with some values changed."""
        path = Path(name) if name.endswith(".toml") else PRESETS / f"{name}.toml"
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) | changed
        return cls.of(values)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Preset:
        """From what a preset's file or a checkpoint says."""
        kept: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        kept["augmentation"] = Augmentation(**kept["augmentation"])
        return cls(**kept)

    @property
    def network(self) -> UNetConfig:
        """The network's shape."""
        return UNetConfig(
            in_channels=self.channels,
            classes=self.classes,
            features=self.features,
            across=self.across,
            dropout=(0.0,) * len(self.features),
            deep_supervision=3,
            presence=self.presence,
        )


def fit(
    preset: Preset,
    training: list[dict[str, Phase]],
    held_out: list[dict[str, Phase]],
    out: Path,
    *,
    seed: int,
    device: torch.device,
    about: dict[str, Any],
    workers: int = 1,
) -> None:
    """Train, from the checkpoint in ``out`` if there is one, and leave the final one there."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = UNet(preset.network).to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), preset.learning_rate, weight_decay=preset.weight_decay, foreach=True
    )
    moving = get_ema_multi_avg_fn(preset.average_decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(network, multi_avg_fn=moving, use_buffers=True)
    path = out / "checkpoint.safetensors"
    state: dict[str, Any] = {"step": 0, "preset": asdict(preset), "about": about, "seconds": 0.0}
    if path.exists():
        state = checkpoint.restore(path, network, optimiser)
        checkpoint.restore_average(path, average)
        if state["preset"] != json.loads(json.dumps(asdict(preset))) or state["about"] != about:
            raise SystemExit(f"{path} is another training's: use another folder.")
    print(
        f"{preset.recipe}: {count_parameters(network) / 1e6:.1f} M parameters, "
        f"{len(training)} patients, from step {state['step']}",
        flush=True,
    )
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    saved = started = time.monotonic()
    for batch in _batches(preset, training, state["step"], seed, workers):
        parts = _step(network, optimiser, batch, preset, state["step"], device)
        if state["step"] >= preset.average_from * preset.steps:
            average.update_parameters(network)
        state["step"] += 1
        now = time.monotonic()
        if state["step"] % 50 == 0:
            each = (now - started) / 50
            started = now
            left = each * (preset.steps - state["step"]) / 60
            told = " ".join(f"{k} {v:.3f}" for k, v in parts.items())
            print(f"step {state['step']} {told} {each:.2f} s ({left:.0f} min left)", flush=True)
        done = state["step"] == preset.steps
        if stopping or done or now - saved > CHECKPOINT_EVERY_S:
            checkpoint.save(path, network, optimiser, state, average)
            saved = now
        if state["step"] % 1500 == 0 or done:
            best = average.module if average.n_averaged else network
            for told, some in (("held out", held_out), ("trained on", training)):
                part = some if done and some is held_out else some[:: max(1, len(some) // 16)]
                scores = evaluate(best, part, device)
                print(f"step {state['step']} {told} {json.dumps(scores)}", flush=True)
            started = time.monotonic()
        if stopping:
            raise SystemExit(143)


def _batches(
    preset: Preset, patients: list[dict[str, Phase]], done: int, seed: int, workers: int
) -> torch.utils.data.DataLoader[dict[str, Tensor]]:
    length = preset.steps * preset.batch
    changed, channels = preset.augmentation, preset.channels
    stacks = Stacks(patients, preset.patch, changed, seed, length, channels)
    firsts = range(done * preset.batch, len(stacks), preset.batch)
    return torch.utils.data.DataLoader(
        stacks,
        batch_sampler=[list(range(f, f + preset.batch)) for f in firsts],
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_ignore_signals,
        # Without one of its own the loader would draw from the global random numbers.
        generator=torch.Generator(),
    )


def _ignore_signals(worker: int) -> None:
    """Signals to the whole group are the parent's to answer: it still needs its batch."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _step(
    network: UNet,
    optimiser: torch.optim.Optimizer,
    batch: dict[str, Tensor],
    preset: Preset,
    at: int,
    device: torch.device,
) -> dict[str, float]:
    warm = min(1.0, (at + 1) / 200)
    for group in optimiser.param_groups:
        group["lr"] = warm * preset.learning_rate * (1 - at / preset.steps) ** 0.9
    network.train()
    image, label = batch["image"].to(device), batch["label"].to(device)
    depth = image.shape[2]
    with autocast(device):
        skips = network.encode(fold(image), depth)
        heads = [unfold(head, depth) for head in network.decode(skips, depth)]
        presence = network.present(skips[-1]) if preset.presence else None
    loss, parts = _loss(heads, presence, label, preset)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0, foreach=True)
    optimiser.step()
    return parts


def _loss(
    heads: list[Tensor], presence: Tensor | None, label: Tensor, preset: Preset
) -> tuple[Tensor, dict[str, float]]:
    """Dice and cross-entropy at every head (weights 1, 1/2, 1/4, normalised), and presence."""
    total = heads[0].new_zeros(())
    weights = [0.5**at for at in range(len(heads))]
    first = {"dice": 0.0, "ce": 0.0}
    for at, (head, weight) in enumerate(zip(heads, weights, strict=True)):
        truth = label[..., :: 2**at, :: 2**at]
        dice, entropy = dice_by_volume(head, truth), cross_entropy(head, truth)
        total = total + weight / sum(weights) * (dice + entropy)
        if at == 0:
            first = {"dice": float(dice.detach()), "ce": float(entropy.detach())}
    if presence is not None:
        onehot = F.one_hot(label, preset.classes)[..., 1:].amax((2, 3)).flatten(0, 1).float()
        told = F.binary_cross_entropy_with_logits(presence.float(), onehot)
        total = total + preset.presence_weight * told
        first["presence"] = float(told.detach())
    return total, first


def dice_by_volume(logits: Tensor, truth: Tensor) -> Tensor:
    """One minus the mean soft Dice of the foreground classes of each volume.

    By volume, not by batch: a small heart at end-systole counts as much as a large one. Where only
    the LV is known it alone counts.

    Args:
        logits: (B, C, Z, Y, X).
        truth: (B, Z, Y, X) class indices, or UNKNOWN.
    """
    unknown = truth == UNKNOWN
    truth = truth.where(~unknown, 0)
    probabilities = logits.float().softmax(1)
    onehot = F.one_hot(truth, logits.shape[1]).movedim(-1, 1)
    overlap = (probabilities * onehot).sum((2, 3, 4))
    total = probabilities.sum((2, 3, 4)) + onehot.sum((2, 3, 4))
    # A class that is not there gives no gradient worth having: one voxel of leeway.
    dice = ((2 * overlap + 1) / (total + 1))[:, 1:]
    counts = torch.ones_like(dice)
    counts[unknown.flatten(1).any(1), 1:] = 0
    return 1 - ((dice * counts).sum(1) / counts.sum(1)).mean()


def cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean cross-entropy; of a voxel that is only known not to be LV, that of all the others' sum.

    Args:
        logits: (B, C, Z, Y, X).
        truth: (B, Z, Y, X) class indices, or UNKNOWN.
    """
    logged = logits.float().log_softmax(1)
    unknown = truth == UNKNOWN
    told = logged.gather(1, truth.where(~unknown, 0)[:, None])[:, 0]
    if unknown.any():
        others = torch.cat([logged[:, :1], logged[:, 2:]], 1).logsumexp(1)
        told = told.where(~unknown, others)
    return -told.mean()


def autocast(device: torch.device) -> torch.autocast:
    """bf16 where the processor has matrix units for it; elsewhere it would be slower."""
    return torch.autocast(device.type, torch.bfloat16, enabled=usual_precision(device) == "bf16")


@torch.inference_mode()
def evaluate(
    network: torch.nn.Module, patients: list[dict[str, Phase]], device: torch.device
) -> dict[str, float]:
    """Mean Dice on whole prepared images, by structure and phase; no post-processing."""
    network.eval()
    scores: dict[str, list[float]] = {}
    for patient in patients:
        for name, phase in patient.items():
            found = predict(network, patient, name, device)
            partial = bool((phase.label == UNKNOWN).any())
            for c, structure in ((1, "LV"), (2, "MYO"), (3, "RV"))[: 1 if partial else 3]:
                a, b = found == c, torch.from_numpy(phase.label) == c
                total = int(a.sum() + b.sum())
                dice = 2 * int((a & b).sum()) / total if total else 1.0
                shown = name if name in PHASES else "drawn alone" if partial else "other cuts"
                scores.setdefault(f"{structure} {shown}", []).append(dice)
    return {k: round(sum(v) / len(v), 4) for k, v in sorted(scores.items())}


def predict(
    network: torch.nn.Module, patient: dict[str, Phase], name: str, device: torch.device
) -> Tensor:
    """(z, y, x) labels of one phase, the other one shown beside it where network and file allow."""
    image = torch.from_numpy(patient[name].image).float()
    channels = [image]
    config = cast("UNet", network).config
    if config.in_channels > 1:
        other = other_phase(patient, name)
        channels.append(torch.from_numpy(other.image).float() if other else 0 * image)
    x = torch.stack(channels)[None].to(device)
    with autocast(device):
        logits = network(pad_to_multiple(x, config.multiple))[0]
    found: Tensor = logits[0, :, :, : image.shape[1], : image.shape[2]].float().argmax(0).cpu()
    return found


def main() -> None:
    """``python -m cmrseg_lab.training.cine_loop PRESET CACHE OUT --fold 0``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("preset")
    parser.add_argument("cache", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fold", type=int, help="train on all others; default: on everyone")
    parser.add_argument("--without", help="leave this vendor out: acdc, SIEMENS or PHILIPS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    preset = Preset.read(args.preset, **({"steps": args.steps} if args.steps else {}))
    patients = read_index(args.cache)
    dealt = folds(patients, preset.folds)

    def held(one: Patient) -> bool:
        if args.without:
            return bool(args.without == (one.source if one.source == "acdc" else one.vendor))
        return bool(dealt[one.source, one.patient] == args.fold)

    about = {
        "fold": args.fold,
        "without": args.without,
        "seed": args.seed,
        "patients": sorted(p.file for p in patients if not held(p)),
    }
    fit(
        preset,
        [load(args.cache, p) for p in patients if not held(p)],
        [load(args.cache, p) for p in patients if held(p)],
        args.out,
        seed=args.seed,
        device=torch.device(args.device),
        about=about,
    )


if __name__ == "__main__":
    main()
