"""Masks as the autoencoder knows them: R of galati2021 section 2.1 at work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from cmrseg.imaging.volume import Array
from cmrseg.models.autoencoder import Autoencoder
from cmrseg.quality.mask_window import centre, cut_window, one_hot, paste

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

    @torch.inference_mode()
    def labels(self, mask: Array) -> Array:
        """The reconstruction's most probable class by voxel; background outside the window.

        Args:
            mask: (z, y, x) labels on the recipe's grid.

        Returns:
            (z, y, x) uint8.
        """
        config = self.network.config
        at = centre(mask)
        x = one_hot(cut_window(mask, at, config.size), config.classes, config.slices)
        pieces = [self.network(part.to(self.device)) for part in torch.split(x, SLICES_AT_ONCE)]
        seen = torch.cat(pieces).argmax(dim=1).to(torch.uint8).cpu().numpy()
        return paste(seen, at, np.zeros(mask.shape, np.uint8))
