"""Trained networks at work on prepared images, within the memory and the time there is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import product
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from cmrseg.imaging.prepare import Preparation
from cmrseg.imaging.room import room_for_maps
from cmrseg.imaging.volume import Array, Volume
from cmrseg.models.bundle import Bundle
from cmrseg.models.fusion import fuse
from cmrseg.models.layers import usual_execution
from cmrseg.models.tiling import in_pieces, out_of_memory, slices_that_fit
from cmrseg.models.unet import UNet, UNetConfig, pad_to_multiple
from cmrseg.runtime import Budget, PassCounts, Precision, usual_precision
from cmrseg.runtime.errors import CmrsegError, WeightsError
from cmrseg.runtime.memory import too_little

MIRRORS = ((False, False), (False, True), (True, False), (True, True))
"""Whether y and x are mirrored, in the order in which mirror images are added."""
CPU = torch.device("cpu")


class Computed(TypedDict):
    """How a case was computed: for the record that goes with its result."""

    device: str
    precision: str | None
    threads: int
    mirrors: int
    samples: int
    bundle: str | None


@dataclass(slots=True)
class Segmenter:
    """An ensemble of one recipe's networks, loaded once for all cases.

    Attributes:
        networks: in evaluation mode.
        preparation: how images are brought to the networks' grey scale.
        least: voxels that an image is grown to in plane, its edges repeated, as patches that reach
            beyond an image were in training.
        device: where they compute, as long as its memory suffices.
        precision: as asked for; None for the device's usual one.
        budget: the time a case may take, shared by all segmenters of a recipe.
        bundle: SHA-256 of the bundle they came from.
        network_s: seconds spent in networks since :meth:`reset_clock`.
        warnings: what had to be done differently, in words, since then.
        effort: the least computed of any image since then.
        last: what was computed of the latest image.
        pass_s: seconds of the latest image's first pass.
        at: where they compute now.
    """

    networks: list[UNet]
    device: torch.device
    precision: Precision | None = None
    budget: Budget = field(default_factory=Budget)
    bundle: str | None = None
    preparation: Preparation = "nonzero"
    least: int = 0
    network_s: float = 0.0
    warnings: list[str] = field(default_factory=list)
    effort: PassCounts | None = None
    last: PassCounts = field(default_factory=lambda: PassCounts(mirrors=1))
    pass_s: float = 0.0
    at: torch.device = field(init=False)

    def __post_init__(self) -> None:
        self.at = self.device
        self.precision = self.precision or usual_precision(self.device)

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        recipe: str,
        device: torch.device,
        *,
        precision: Precision | None = None,
        budget: Budget | None = None,
    ) -> Segmenter:
        """All networks of a recipe in a bundle (none is allowed: see ``networks``).

        Raises:
            WeightsError: a network's weights do not fit the shape the manifest gives it.
        """
        networks = [fuse(one).to(device) for one in load_networks(bundle, recipe, device)]
        return cls(
            networks,
            device,
            precision,
            budget or Budget(),
            bundle.digest,
            _preparation(bundle, recipe),
            patch_side(bundle, recipe),
        )

    def reset_clock(self) -> None:
        """Start a new case."""
        self.network_s, self.warnings, self.effort = 0.0, [], None
        self._move(self.device)

    def computed(self) -> Computed:
        """How this case was computed."""
        effort = self.effort or PassCounts(mirrors=0)
        return {
            "device": str(self.at),
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "mirrors": effort.mirrors,
            "samples": effort.samples,
            "bundle": self.bundle,
        }

    def mirrored(
        self,
        image: Volume,
        mirrors: int = 4,
        *,
        samples: int = 0,
        share: float = 1.0,
        companion: Array | None = None,
    ) -> Array:
        """One pass a network and mirror image, dropout off.

        The first pass is timed; where the case's time is short, fewer mirror images and dropout
        samples follow (:mod:`cmrseg.runtime.budget`), and ``last`` says how many.

        Args:
            image: prepared, (z, y, x).
            mirrors: 1 (none), 2 (x) or 4 (x, y and both).
            samples: dropout samples that are to follow, of all networks together.
            share: of the time left, what this image may take.
            companion: (z, y, x) of the patient's other phase on the same voxels, for networks of
                two channels; ``None`` where there is none.

        Returns:
            (networks * mirrors, C, z, y, x) class probabilities, float32; each network's
            ``last.mirrors`` mirror images follow each other.
        """
        asked = PassCounts(mirrors=mirrors, samples=samples)
        first, seconds = self._run(self.networks[0], image, MIRRORS[0], companion=companion)
        self.pass_s = seconds
        further = self.budget.further_passes(seconds, share)
        self._settle(asked, asked.within(further, len(self.networks)))
        passes = list(product(self.networks, MIRRORS[: self.last.mirrors]))
        found = room_for_maps((len(passes), *first.shape[1:]))
        found[0] = first[0]
        for place, (network, flip) in zip(found[1:], passes[1:], strict=True):
            place[:] = self._run(network, image, flip, companion=companion)[0][0]
        return found

    def look(self, image: Volume, companion: Array | None = None) -> Array:
        """Where things are: the networks' mean over one pass each, which is no effort to tell of.

        Returns:
            (C, z, y, x) class probabilities, float32.
        """
        passes = [self._run(n, image, MIRRORS[0], companion=companion) for n in self.networks]
        found: Array = np.mean([maps[0] for maps, _ in passes], 0)
        return found

    def candidates(self, samples: Array) -> Array:
        """Each network's mean over its mirror images.

        Args:
            samples: (networks * mirrors, C, z, y, x), from :meth:`mirrored`.

        Returns:
            (networks, C, z, y, x) class probabilities, float32.
        """
        by_network = samples.reshape(len(self.networks), -1, *samples.shape[1:])
        means: Array = by_network.mean(axis=1)
        return means

    def dropout_samples(self, image: Volume, samples: int, seed: int = 0) -> Array:
        """Monte-Carlo dropout: passes with dropout on, shared out among the networks.

        Args:
            image: prepared, (z, y, x).
            samples: how many in all; the first networks give one more where they do not divide.
            seed: the same one draws the same samples.

        Returns:
            (samples, C, z, y, x) class probabilities, float32, network by network.
        """
        drawn = room_for_maps((samples, self.networks[0].config.classes, *image.array.shape))
        start = 0
        with torch.random.fork_rng(devices=[self.at] if self.at.type == "cuda" else []):
            torch.manual_seed(seed)
            for network, own in zip(self.networks, self.shares(samples), strict=True):
                if not own:
                    break
                dropouts = [m for m in network.modules() if isinstance(m, torch.nn.Dropout)]
                for layer in dropouts:
                    layer.train()
                drawn[start : start + own] = self._run(network, image, (False, False), own)[0]
                start += own
                for layer in dropouts:
                    layer.eval()
        return drawn

    def shares(self, samples: int) -> list[int]:
        """How many of so many samples each network gives; the first give one more."""
        each, more = divmod(samples, len(self.networks))
        return [each + (number < more) for number in range(len(self.networks))]

    def _settle(self, asked: PassCounts, effort: PassCounts) -> None:
        """Note, and tell, what will be computed of an image."""
        self.last = effort
        least = self.effort or effort
        self.effort = PassCounts(
            mirrors=min(least.mirrors, effort.mirrors), samples=min(least.samples, effort.samples)
        )
        if effort != asked:
            fewer = [f"{effort.mirrors} of {asked.mirrors} mirror images"]
            fewer += [f"{effort.samples} of {asked.samples} samples"] if asked.samples else []
            self._say(f"the time budget is short: {', '.join(fewer)}")

    def _run(
        self,
        network: UNet,
        image: Volume,
        flip: tuple[bool, bool],
        passes: int = 1,
        companion: Array | None = None,
    ) -> tuple[Array, float]:
        """Class probabilities (passes, C, z, y, x), and the seconds that took."""
        started = time.perf_counter()
        axes = [axis for axis, on in zip((-2, -1), flip, strict=True) if on]
        while True:
            try:
                x = _channels(network, image, companion).to(self.at).flip(axes)
                padded = pad_to_multiple(x, network.config.multiple, self.least)
                logits = self._finite(network, padded, passes)
                height, width = image.array.shape[1:]
                found = logits[..., :height, :width].softmax(dim=1).flip(axes).cpu().numpy()
                break
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if self.at == CPU:
                    raise too_little("the image does not fit the memory") from error
            self._say(f"the memory of {self.at} does not suffice: computed on the CPU")
            self._move(CPU)
        seconds = time.perf_counter() - started
        self.network_s += seconds
        return found, seconds

    def _finite(self, network: UNet, x: Tensor, passes: int) -> Tensor:
        """Logits (passes, C, z, y, x); in fp32 again if they are not finite in half precision."""
        # What pays on another device need not pay here.
        usual: Precision = self.precision or "fp32" if self.at == self.device else "fp32"
        for precision in dict.fromkeys((usual, "fp32")):
            slices = slices_that_fit(network.config, x, precision, passes)
            logits = in_pieces(network, x, precision, passes, slices)
            if torch.isfinite(logits).all():
                return logits
            if precision != "fp32":
                self._say("a network's output was not finite in half precision: computed in fp32")
        raise CmrsegError("a network's output is not finite", "check the weights")

    def _move(self, device: torch.device) -> None:
        """Bring the networks to a device, and free the one they leave."""
        if self.at == device:
            return
        for network in self.networks:
            network.to(device)
        self.at = device
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _say(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)


def _channels(network: UNet, image: Volume, companion: Array | None) -> Tensor:
    """(1, C, z, y, x): the image and, for networks of two channels, the other phase or zeros."""
    shown = [image.array]
    if network.config.in_channels > 1:
        shown.append(np.zeros_like(image.array) if companion is None else companion)
    return torch.from_numpy(np.stack(shown))[None]


def _preparation(bundle: Bundle, recipe: str) -> Preparation:
    """How a recipe's networks were shown their images; all of one bundle alike.

    Raises:
        WeightsError: they differ.
    """
    found: set[Preparation] = {one.get("preparation", "nonzero") for one in bundle.of(recipe)}
    if len(found) > 1:
        raise WeightsError(
            f"The networks of {recipe} were trained on different grey scales",
            "pack networks of one preset together",
        )
    return found.pop() if found else "nonzero"


def patch_side(bundle: Bundle, recipe: str) -> int:
    """The shorter in-plane side of the largest patches that a recipe's networks were trained on.

    Networks of the first bundles are shown images of any size as they are.
    """
    patches = [one["training"]["patch"] for one in bundle.of(recipe) if "preparation" in one]
    return max((min(patch[1:]) for patch in patches), default=0)


def load_networks(bundle: Bundle, recipe: str, device: torch.device) -> list[UNet]:
    """A recipe's networks in a bundle, in evaluation mode, each still trainable.

    Raises:
        WeightsError: a network's weights do not fit the shape the manifest gives it.
    """
    networks = []
    for entry in bundle.of(recipe):
        try:
            config = UNetConfig.from_dict(entry["config"])
            network = UNet(config, usual_execution(device))
            network.load_state_dict(bundle.tensors(entry["file"]))
        except (TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(
                f"the weights in {entry['file']} do not fit this cmrseg's networks",
                "use the cmrseg that packed the bundle, or pack it anew",
            ) from error
        networks.append(network.eval().to(device))
    return networks
