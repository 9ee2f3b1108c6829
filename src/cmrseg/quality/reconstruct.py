"""Masks as the autoencoder knows them: R of galati2021 section 2.1 at work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from cmrseg.imaging.volume import Array
from cmrseg.networks.autoencoder import Autoencoder
from cmrseg.quality.window import centre, cut, one_hot, paste

SLICES_AT_ONCE = 32
"""Memory stays flat however long the stack."""


@dataclass(frozen=True, slots=True)
class Reconstructor:
    """A trained autoencoder of one view; it works in fp32, on masks of the recipe's grid.

    Attributes:
        network: in evaluation mode.
        device: where it computes.
    """

    network: Autoencoder
    device: torch.device

    def probabilities(self, mask: Array) -> Array:
        """The reconstruction of a whole mask.

        Args:
            mask: (z, y, x) labels on the recipe's grid.

        Returns:
            (C, z, y, x) float32 class probabilities; background outside the window.
        """
        seen, at = self._seen(mask)
        whole = np.zeros((self.network.config.classes, *mask.shape), np.float32)
        whole[0] = 1
        return paste(seen, at, whole)

    def labels(self, mask: Array) -> Array:
        """The reconstruction's most probable class by voxel, (z, y, x) uint8."""
        seen, at = self._seen(mask)
        return paste(seen.argmax(axis=0).astype(np.uint8), at, np.zeros(mask.shape, np.uint8))

    @torch.inference_mode()
    def _seen(self, mask: Array) -> tuple[Array, tuple[int, int]]:
        """Class probabilities (C, z, size, size) in the window, and where it is."""
        config = self.network.config
        at = centre(mask)
        x = one_hot(cut(mask, at, config.size), config.classes, config.slices)
        pieces = [self.network(part.to(self.device)) for part in torch.split(x, SLICES_AT_ONCE)]
        return torch.cat(pieces).softmax(dim=1).transpose(0, 1).cpu().numpy(), at
