"""Trained networks at work on prepared images."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from cmrseg.bundle import Bundle
from cmrseg.errors import CmrsegError, MemoryLimitError, WeightsError
from cmrseg.imaging.volume import Array, Volume
from cmrseg.networks.fused import fuse, repeated
from cmrseg.networks.unet import Execution, UNet, UNetConfig, pad_to_multiple
from cmrseg.runtime import Precision, autocast, fastest_precision

MIRRORS = ((False, False), (False, True), (True, False), (True, True))
"""Whether y and x are mirrored, in the order in which mirror images are added."""
PROBE = np.s_[:, :, :2, :128, :128]
"""The piece of an image on which precisions are compared: enough to tell, quick to compute."""
SLICES_AT_ONCE = 16
"""2-D networks see this many slices at a time: memory stays flat however long the stack."""


@dataclass(slots=True)
class Segmenter:
    """An ensemble of one recipe's networks, loaded once for all cases.

    Attributes:
        networks: in evaluation mode.
        device: where they compute.
        precision: the fastest here, measured at the first image.
        network_s: seconds spent in networks since :meth:`reset_clock`.
        warnings: what had to be done differently, in words, since then.
    """

    networks: list[UNet]
    device: torch.device
    precision: Precision | None = None
    network_s: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def from_bundle(cls, bundle: Bundle, recipe: str, device: torch.device) -> Segmenter:
        """All networks of a recipe in a bundle (none is allowed: see ``networks``).

        Raises:
            WeightsError: a network's weights do not fit the shape the manifest gives it.
        """
        networks = []
        for entry in bundle.networks:
            if entry["recipe"] != recipe:
                continue
            execution: Execution = "native" if device.type == "cuda" else "folded"
            try:
                network = UNet(UNetConfig.from_dict(entry["config"]), execution)
                network.load_state_dict(bundle.tensors(entry["file"]))
            except (TypeError, ValueError, RuntimeError) as error:
                raise WeightsError(
                    f"the weights in {entry['file']} do not fit this cmrseg's networks",
                    "use the cmrseg that packed the bundle, or pack it anew",
                ) from error
            networks.append(fuse(network.eval()).to(device))
        return cls(networks, device)

    def reset_clock(self) -> None:
        """Start a new case."""
        self.network_s, self.warnings = 0.0, []

    def mirrored(self, image: Volume, mirrors: int = 4) -> Array:
        """One pass a network and mirror image, dropout off.

        Args:
            image: prepared, (z, y, x).
            mirrors: 1 (none), 2 (x) or 4 (x, y and both).

        Returns:
            (networks * mirrors, C, z, y, x) class probabilities, float32.
        """
        flips = MIRRORS[:mirrors]
        return np.concatenate(
            [self._run(network, image, flip) for network in self.networks for flip in flips]
        )

    def dropout_samples(self, image: Volume, samples: int, seed: int = 0) -> Array:
        """Monte-Carlo dropout: ``samples`` passes a network with dropout on, reproducible by seed.

        Returns:
            (networks * samples, C, z, y, x) class probabilities, float32.
        """
        drawn = []
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            for network in self.networks:
                dropouts = [m for m in network.modules() if isinstance(m, torch.nn.Dropout)]
                for layer in dropouts:
                    layer.train()
                drawn.append(self._run(network, image, (False, False), samples))
                for layer in dropouts:
                    layer.eval()
        return np.concatenate(drawn)

    def _run(self, network: UNet, image: Volume, flip: tuple[bool, bool], passes: int = 1) -> Array:
        """Class probabilities (passes, C, z, y, x); fp32 again if they are not finite."""
        started = time.perf_counter()
        x = torch.from_numpy(image.array)[None, None].to(self.device)
        axes = [axis for axis, on in zip((-2, -1), flip, strict=True) if on]
        x = pad_to_multiple(x.flip(axes), network.config.multiple)
        if self.precision is None:
            self.precision = fastest_precision(
                lambda p: self._logits(network, x[PROBE], p), self.device
            )
        logits = self._logits(network, x, self.precision, passes)
        if not torch.isfinite(logits).all():
            self._say("a network's output was not finite in half precision: computed in fp32")
            logits = self._logits(network, x, "fp32", passes)
            if not torch.isfinite(logits).all():
                raise CmrsegError("a network's output is not finite", "check the weights")
        height, width = image.array.shape[1:]
        probabilities = logits[..., :height, :width].softmax(dim=1).flip(axes)
        self.network_s += time.perf_counter() - started
        return probabilities.cpu().numpy()

    @torch.inference_mode()
    def _logits(self, network: UNet, x: Tensor, precision: Precision, passes: int = 1) -> Tensor:
        """(passes, C, z, y, x) logits in fp32; a 2-D network takes a long stack piece by piece."""
        pieces = [x] if any(network.config.across) else list(torch.split(x, SLICES_AT_ONCE, dim=2))
        try:
            with autocast(self.device, precision):
                return torch.cat(
                    [repeated(network, piece, passes).float() for piece in pieces], dim=2
                )
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            raise MemoryLimitError(
                "the image does not fit the memory", "give the process more memory"
            ) from error

    def _say(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory; on the CPU it says so in words only."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
