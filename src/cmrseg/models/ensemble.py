"""Trained networks at work on prepared images, within the memory and the time there is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """What an ensemble made of one image.

    Attributes:
        maps: (passes, C, z, y, x) class probabilities, float32, network by network; each network's
            mirror images follow each other.
        networks: how many made them.
        counts: mirror images a network saw, and dropout samples made or, after mirror images, that
            there is time for.
        first_s: seconds of the first pass.
        seconds: of all of them.
        warnings: what had to be done differently, in words.
    """

    maps: Array
    networks: int
    counts: PassCounts
    first_s: float
    seconds: float
    warnings: tuple[str, ...] = ()

    def after(self, seconds: float, warnings: tuple[str, ...]) -> Passes:
        """With what came before them: seconds and warnings."""
        said = tuple(dict.fromkeys((*warnings, *self.warnings)))
        return replace(self, seconds=seconds + self.seconds, warnings=said)

    @property
    def candidates(self) -> Array:
        """(networks, C, z, y, x) class probabilities: each network's mean over mirror images."""
        by_network = self.maps.reshape(self.networks, -1, *self.maps.shape[1:])
        means: Array = by_network.mean(axis=1)
        return means


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
        at: where they compute now: on the CPU once the device's memory did not suffice.
    """

    networks: list[UNet]
    device: torch.device
    precision: Precision | None = None
    budget: Budget = field(default_factory=Budget)
    bundle: str | None = None
    preparation: Preparation = "nonzero"
    least: int = 0
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

    def begin(self) -> None:
        """A new case: on the device again, its memory may suffice for this one."""
        self._move(self.device)

    def computed(self, counts: PassCounts) -> Computed:
        """How a case was computed.

        Args:
            counts: the least that was computed of any of its images.
        """
        return {
            "device": str(self.at),
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "mirrors": counts.mirrors,
            "samples": counts.samples,
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
    ) -> Passes:
        """One pass a network and mirror image, dropout off.

        The first pass is timed; where the case's time is short, fewer mirror images and dropout
        samples follow (:mod:`cmrseg.runtime.budget`), and ``counts`` says how many.

        Args:
            image: prepared, (z, y, x).
            mirrors: 1 (none), 2 (x) or 4 (x, y and both).
            samples: dropout samples that are to follow, of all networks together.
            share: of the time left, what this image may take.
            companion: (z, y, x) of the patient's other phase on the same voxels, for networks of
                two channels; ``None`` where there is none.
        """
        asked = PassCounts(mirrors=mirrors, samples=samples)
        log = _Log()
        first = self._run(log, self.networks[0], image, MIRRORS[0], companion=companion)
        further = self.budget.further_passes(log.first_s, share)
        counts = asked.within(further, len(self.networks))
        log.tell_of_less(asked, counts)
        passes = list(product(self.networks, MIRRORS[: counts.mirrors]))
        found = room_for_maps((len(passes), *first.shape[1:]))
        found[0] = first[0]
        for place, (network, flip) in zip(found[1:], passes[1:], strict=True):
            place[:] = self._run(log, network, image, flip, companion=companion)[0]
        return self._passes(found, counts, log)

    def look(self, image: Volume, companion: Array | None = None) -> Passes:
        """Where things are: one pass a network, in whatever time."""
        log = _Log()
        runs = [
            self._run(log, network, image, MIRRORS[0], companion=companion)[0]
            for network in self.networks
        ]
        return self._passes(np.stack(runs), PassCounts(mirrors=1), log)

    def dropout_samples(self, image: Volume, samples: int, seed: int = 0) -> Passes:
        """Monte-Carlo dropout: passes with dropout on, shared out among the networks.

        Args:
            image: prepared, (z, y, x).
            samples: how many in all; the first networks give one more where they do not divide.
            seed: the same one draws the same samples.
        """
        log = _Log()
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
                drawn[start : start + own] = self._run(log, network, image, MIRRORS[0], own)
                start += own
                for layer in dropouts:
                    layer.eval()
        return self._passes(drawn, PassCounts(mirrors=0, samples=samples), log)

    def shares(self, samples: int) -> list[int]:
        """How many of so many samples each network gives; the first give one more."""
        each, more = divmod(samples, len(self.networks))
        return [each + (number < more) for number in range(len(self.networks))]

    def _passes(self, maps: Array, counts: PassCounts, log: _Log) -> Passes:
        return Passes(
            maps=maps,
            networks=len(self.networks),
            counts=counts,
            first_s=log.first_s,
            seconds=log.seconds,
            warnings=tuple(log.warnings),
        )

    def _run(
        self,
        log: _Log,
        network: UNet,
        image: Volume,
        flip: tuple[bool, bool],
        passes: int = 1,
        companion: Array | None = None,
    ) -> Array:
        """Class probabilities (passes, C, z, y, x)."""
        started = time.perf_counter()
        axes = [axis for axis, on in zip((-2, -1), flip, strict=True) if on]
        while True:
            try:
                x = _channels(network, image, companion).to(self.at).flip(axes)
                padded = pad_to_multiple(x, network.config.multiple, self.least)
                logits = self._finite(log, network, padded, passes)
                height, width = image.array.shape[1:]
                found = logits[..., :height, :width].softmax(dim=1).flip(axes).cpu().numpy()
                break
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if self.at == CPU:
                    raise too_little("the image does not fit the memory") from error
            log.say(f"the memory of {self.at} does not suffice: computed on the CPU")
            self._move(CPU)
        log.took(time.perf_counter() - started)
        return found

    def _finite(self, log: _Log, network: UNet, x: Tensor, passes: int) -> Tensor:
        """Logits (passes, C, z, y, x); in fp32 again if they are not finite in half precision."""
        # What pays on another device need not pay here.
        usual: Precision = self.precision or "fp32" if self.at == self.device else "fp32"
        for precision in dict.fromkeys((usual, "fp32")):
            slices = slices_that_fit(network.config, x, precision, passes)
            logits = in_pieces(network, x, precision, passes, slices)
            if torch.isfinite(logits).all():
                return logits
            if precision != "fp32":
                log.say("a network's output was not finite in half precision: computed in fp32")
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


@dataclass(slots=True)
class _Log:
    """Seconds of the first pass and of all so far, and what had to be done differently."""

    first_s: float = 0.0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def took(self, seconds: float) -> None:
        self.first_s = self.first_s or seconds
        self.seconds += seconds

    def say(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    def tell_of_less(self, asked: PassCounts, counts: PassCounts) -> None:
        if counts != asked:
            fewer = [f"{counts.mirrors} of {asked.mirrors} mirror images"]
            fewer += [f"{counts.samples} of {asked.samples} samples"] if asked.samples else []
            self.say(f"the time budget is short: {', '.join(fewer)}")


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
