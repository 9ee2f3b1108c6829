"""The U-Net of both recipes: 3-D where kernels look across slices, 2-D where none does.

arega2021 section 2.2 (3-D U-Net of the nnU-Net family, dropout in the middle layers) and galati2021
section 3.1 (2-D U-Nets: BN1 of the nnU-Net family, BN2 of the ACDC winner, which pools by maximum)
differ only in their :class:`UNetConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmrseg.models.layers import Block, Execution, SliceConv, UpConv, fold, halved, unfold
from cmrseg.models.mc_dropout import Join, sampled

Pooling = Literal["stride", "max"]
DropoutAt = Literal["blocks", "seams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetConfig:
    """Shape of a U-Net whose pooling is (1, 2, 2) at every stage.

    Attributes:
        in_channels: image channels.
        classes: output classes, background included.
        features: channels by stage, finest first; the last is the bottleneck.
        across: by stage, whether the 3x3 kernels are 3 slices deep.
        dropout: by stage, the dropout rate of its encoder and its decoder.
        deep_supervision: how many of the finest decoder stages carry a segmentation head.
        pooling: how a stage halves y and x: ``stride`` of its first convolution, or the largest of
            2 x 2 values before it.
        dropout_at: ``blocks``: after every block of a stage; ``seams``: what goes down from a
            stage's encoder once pooled, and what its decoder is given (the up-sampled and the skip
            connection together), as the ACDC winner has it.
        presence: whether a head tells, for each slice, which classes are in it.
    """

    in_channels: int = 1
    classes: int
    features: tuple[int, ...]
    across: tuple[bool, ...]
    dropout: tuple[float, ...]
    deep_supervision: int = 3
    pooling: Pooling = "stride"
    dropout_at: DropoutAt = "blocks"
    presence: bool = False

    def __post_init__(self) -> None:
        stages = len(self.features)
        if not stages == len(self.across) == len(self.dropout):
            raise ValueError("features, across and dropout must name the same number of stages")
        if not 1 <= self.deep_supervision < stages:
            raise ValueError(f"deep_supervision must be 1..{stages - 1}")
        if self.dropout_at == "seams" and self.dropout[-1]:
            raise ValueError("nothing goes down from the bottleneck: its dropout must be 0")

    @property
    def multiple(self) -> int:
        """In-plane sizes must be a multiple of this."""
        return int(2 ** (len(self.features) - 1))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, the inverse of :meth:`from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> UNetConfig:
        """From a manifest's or checkpoint's JSON."""
        kept: Mapping[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**kept)


class Stage(nn.Module):
    """Two blocks, and what an activation meets before them.

    Args:
        cin: channels given.
        cout: channels of both blocks.
        across: whether the kernels are 3 slices deep.
        halves: how the stage halves y and x; None leaves them.
        dropout: rate after each block.
        seam: dropout rate before the first block.
    """

    first: Block
    second: Block

    def __init__(
        self,
        cin: int,
        cout: int,
        across: bool,
        halves: Pooling | None,
        dropout: float,
        seam: float,
    ) -> None:
        super().__init__()
        kernel = (3 if across else 1, 3, 3)
        self.pools = halves == "max"
        self.seam = nn.Dropout(seam) if seam else None
        self.first = Block(cin, cout, kernel, 2 if halves == "stride" else 1, dropout)
        self.second = Block(cout, cout, kernel, 1, dropout)

    def forward(self, x: Tensor, depth: int | None) -> Tensor:
        """Activations in the layout of ``x``."""
        out: Tensor = self.second(self.first(self.enter(self.pool(x)), depth), depth)
        return out

    def pool(self, x: Tensor) -> Tensor:
        """Half the size in y and x, if pooling does it here."""
        return halved(x) if self.pools else x

    def enter(self, x: Tensor) -> Tensor:
        """Dropout, if it sits before the first block."""
        return x if self.seam is None else cast(Tensor, self.seam(x))

    @property
    def seam_drops(self) -> bool:
        """Whether :meth:`enter` changes anything at present."""
        return self.seam is not None and self.seam.training


class UNet(nn.Module):
    """Encoder and decoder with skip connections and heads for deep supervision."""

    def __init__(self, config: UNetConfig, execution: Execution = "folded") -> None:
        super().__init__()
        self.config = config
        self.execution: Execution = execution
        widths, stages = config.features, range(len(config.features))
        none = (0.0,) * len(widths)
        blocks, seams = (
            (config.dropout, none) if config.dropout_at == "blocks" else (none, config.dropout)
        )
        inputs, entries = (config.in_channels, *widths[:-1]), (0.0, *seams[:-1])
        halves = (None, *(config.pooling for _ in stages[1:]))
        self.encoder = nn.ModuleList(
            Stage(inputs[s], widths[s], config.across[s], halves[s], blocks[s], entries[s])
            for s in stages
        )
        self.up = nn.ModuleList(UpConv(widths[s + 1], widths[s]) for s in stages[:-1])
        self.decoder = nn.ModuleList(
            Stage(2 * widths[s], widths[s], config.across[s], None, blocks[s], seams[s])
            for s in stages[:-1]
        )
        self.joins: nn.ModuleList | None = None  # made once where weights no longer change
        self.heads = nn.ModuleList(
            SliceConv(widths[s], config.classes, (1, 1, 1), bias=True)
            for s in range(config.deep_supervision)
        )
        self.presence = nn.Linear(widths[-1], config.classes - 1) if config.presence else None

    def encode(self, x: Tensor, depth: int | None) -> list[Tensor]:
        """Activations by stage, finest first."""
        skips = []
        for stage in self.encoder:
            x = stage(x, depth)
            skips.append(x)
        return skips

    def decode(self, skips: list[Tensor], depth: int | None) -> list[Tensor]:
        """Logits by head, finest first; coarser heads only while training."""
        x = skips[-1]
        logits: list[Tensor] = []
        for s in reversed(range(len(self.up))):
            x = self.up[s](x, depth)
            x = self.decoder[s](torch.cat([x, skips[s]], dim=1), depth)
            if s == 0 or (self.training and s < len(self.heads)):
                logits.insert(0, self.heads[s](x, depth))
        return logits

    def present(self, bottleneck: Tensor) -> Tensor:
        """Logits (B*Z, classes - 1) that a slice shows each foreground class.

        Args:
            bottleneck: the coarsest of :meth:`encode`'s activations, folded (B*Z, C, Y, X).
        """
        if self.presence is None:
            raise ValueError("the network has no head for presence")
        return cast(Tensor, self.presence(bottleneck.float().amax((2, 3))))

    def stages(self) -> tuple[list[Stage], list[Stage]]:
        """Those of the encoder and of the decoder, finest first."""
        return cast("list[Stage]", list(self.encoder)), cast("list[Stage]", list(self.decoder))

    def join(self, s: int) -> Join:
        """The first convolution of decoder stage ``s``, taken apart."""
        if self.joins is not None:
            return cast(Join, self.joins[s])
        weight = self.stages()[1][s].first.conv.weight
        # Composing up-sampling and convolution was measured to pay folded, and not measured native.
        return Join(cast(UpConv, self.up[s]), weight, None, composed=self.execution == "folded")

    def forward(self, x: Tensor, passes: int = 1) -> list[Tensor]:
        """Logits (passes*B, classes, Z, Y, X), one tensor a head, each coarser one half in y and x.

        Args:
            x: (B, in_channels, Z, Y, X); y and x multiples of ``config.multiple``.
            passes: how often, with dropout masks of their own; the result holds pass by pass.
        """
        if passes > 1 or self.joins is not None:
            return sampled(self, x, passes)
        if self.execution == "native":
            return self.decode(self.encode(x, None), None)
        depth = x.shape[2]
        return [unfold(y, depth) for y in self.decode(self.encode(fold(x), depth), depth)]


def pad_to_multiple(image: Tensor, multiple: int, least: int = 0) -> Tensor:
    """Grow y and x of (B, C, Z, Y, X) at their far ends to multiples, repeating the edge.

    Args:
        image: to grow.
        multiple: of which y and x shall be.
        least: they are at least this long then.
    """
    right, below = (
        max(least - n, 0) + -max(n, least) % multiple for n in (image.shape[-1], image.shape[-2])
    )
    return F.pad(image, (0, right, 0, below, 0, 0), mode="replicate")


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
