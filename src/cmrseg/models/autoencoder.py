"""The convolutional autoencoder of segmentation masks (galati2021 section 2.1, QC module R).

No skip connections: all the decoder knows of a mask has passed the latent, so what does not look
like a heart cannot be reproduced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

PAPER_LAYERS = (
    (32, 2),
    (32, 2),
    (32, 2),
    (32, 1),
    (64, 2),
    (64, 1),
    (128, 2),
    (64, 1),
    (32, 1),
    (100, 2),
)
"""The authors' encoder, 4 x 256 x 256 to 100 x 4 x 4; 779 k parameters with its decoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig:
    """Shape of an autoencoder.

    Attributes:
        classes: of the masks, background included.
        slices: how many slices are seen: the one to reconstruct and as many on either side.
        size: in-plane voxels of the square window.
        layers: (channels, stride) of the encoder's convolutions, the latent's last; the decoder
            mirrors them. Kernels are 4 x 4 with stride 2 and 3 x 3 with stride 1.
        dropout: rate in every block.
    """

    classes: int = 4
    slices: int = 1
    size: int = 256
    layers: tuple[tuple[int, int], ...] = PAPER_LAYERS
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.slices % 2 == 0:
            raise ValueError("slices must be odd: one to reconstruct, as many on either side")
        if any(stride not in (1, 2) for _, stride in self.layers):
            raise ValueError("strides must be 1 or 2")
        if self.size % self.reduction:
            raise ValueError(f"a window of {self.size} is no multiple of {self.reduction}")

    @property
    def reduction(self) -> int:
        """How many voxels one latent position stands for, along y and along x."""
        return int(2 ** sum(stride == 2 for _, stride in self.layers))

    @property
    def latent(self) -> tuple[int, int, int]:
        """Channels, height and width of the latent."""
        side = self.size // self.reduction
        return self.layers[-1][0], side, side

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, the inverse of :meth:`from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AutoencoderConfig:
        """From a manifest's or checkpoint's JSON."""
        layers = tuple((int(channels), int(stride)) for channels, stride in values["layers"])
        return cls(**{**values, "layers": layers})


class Autoencoder(nn.Module):
    """Encoder, bare latent, mirrored decoder."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        *inner, (latent, last_stride) = config.layers
        widths = [config.slices * config.classes, *(channels for channels, _ in inner)]
        down: list[nn.Module] = [
            _block(_conv(cin, cout, stride), cout, config.dropout)
            for cin, (cout, stride) in zip(widths, inner, strict=False)
        ]
        up: list[nn.Module] = [
            _block(_conv_back(cin, cout, stride), cout, config.dropout)
            for cin, cout, (_, stride) in zip(
                [latent, *widths[:1:-1]], widths[:0:-1], config.layers[::-1], strict=False
            )
        ]
        self.encoder = nn.Sequential(*down, _conv(widths[-1], latent, last_stride))
        first_width, first_stride = config.layers[0]
        self.decoder = nn.Sequential(*up, _conv_back(first_width, config.classes, first_stride))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes, size, size) of the reconstructed slices.

        Args:
            x: (N, slices * classes, size, size) one-hot masks, slice by slice.
        """
        logits: Tensor = self.decoder(self.encoder(x.contiguous(memory_format=torch.channels_last)))
        return logits


def _block(conv: nn.Module, channels: int, dropout: float) -> nn.Module:
    """Convolution, batch norm, LeakyReLU(0.2), dropout."""
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.LeakyReLU(0.2), nn.Dropout(dropout))


def _conv(cin: int, cout: int, stride: int) -> nn.Module:
    return nn.Conv2d(cin, cout, 4 if stride == 2 else 3, stride, 1)


def _conv_back(cin: int, cout: int, stride: int) -> nn.Module:
    """What mirrors :func:`_conv`: it doubles the size where that one halves it."""
    if stride == 2:
        return nn.ConvTranspose2d(cin, cout, 4, 2, 1)
    return nn.Conv2d(cin, cout, 3, 1, 1)
