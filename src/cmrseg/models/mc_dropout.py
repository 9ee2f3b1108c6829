"""Several dropout passes of one network over one batch, for less than several passes' work.

Outputs, gradients and running statistics are those of as many separate calls with the same dropout
masks. Passes differ from the first dropout on, so what comes before it is computed once; and where
the decoder convolves skip connections from up there, their share is computed once as well and added
to each pass's own (:class:`Join`). Batch norm, activation and dropout are not linear: they follow
the sum, pass by pass. Where dropout itself comes before a stage's first convolution, nothing of
that stage is shared.

Libraries sum transposed convolutions in an order that depends on the number of threads, and plain
ones not. So a :class:`Join` computes its own as a plain one, with channels for each pixel of 2 x 2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmrseg.models.layers import SliceNorm, UpConv, beside, convolve, fold, unfold

if TYPE_CHECKING:
    from cmrseg.models.unet import UNet


class Join(nn.Module):
    """``conv(cat(up(x), skip))`` as ``below(x, aside(skip))``.

    It has no parameters of its own: gradients flow to those it was made of.

    Args:
        up: what doubles the activations from below.
        weight: the convolution's, (out, 2*mid, kz, 3, 3), up-sampled channels first.
        bias: the convolution's, (out,) or None.
        composed: make one of up-sampling and convolution; for folded activations.
    """

    below_weight: Tensor
    aside_weight: Tensor
    lift: Tensor | None
    bias: Tensor | None

    def __init__(self, up: UpConv, weight: Tensor, bias: Tensor | None, *, composed: bool) -> None:
        super().__init__()
        middle = up.weight.shape[1]
        self.up = up
        self.register_buffer("below_weight", weight[:, :middle])
        self.register_buffer("aside_weight", weight[:, middle:])
        self.register_buffer("bias", bias)
        lift = compose(up.weight, self.below_weight) if composed else None
        self.register_buffer("lift", None if lift is None else quartered(lift))

    def below(self, x: Tensor, depth: int | None, aside: Tensor) -> Tensor:
        """The share of the coarser activations ``x``, and ``aside`` with it."""
        if self.lift is None or depth is None:
            return convolve(self.up(x, depth), self.below_weight, None, 1, depth) + aside
        sides = beside(x, depth, self.below_weight.shape[2])
        quarters = F.conv2d(sides, self.lift, padding=1).permute(0, 2, 3, 1).contiguous()
        n, height, width, channels = quarters.shape
        out = channels // 4
        slices, rows, columns, _ = quarters.stride()
        # Each pixel of 2 x 2 has channels of its own, and lies where its window began.
        doubled = quarters.as_strided(
            (n, height - 1, 2, width - 1, 2, out),
            (slices, rows, rows + 2 * out, columns, columns + out, 1),
        )
        last = aside.permute(0, 2, 3, 1)
        return (doubled + last.reshape(doubled.shape)).reshape(last.shape).permute(0, 3, 1, 2)

    def aside(self, skip: Tensor, depth: int | None) -> Tensor:
        """The share of the skip connection, and of whatever is constant."""
        share = convolve(skip, self.aside_weight, self.bias, 1, depth)
        if self.lift is None or depth is None:
            return share
        stacks = share.reshape(-1, depth, *share.shape[1:])
        return (stacks + self._edge(stacks).to(share.dtype)).flatten(0, 1)

    def whole(self, joined: Tensor, depth: int | None) -> Tensor:
        """Both at once, where the up-sampled ``x`` and the skip are one tensor already."""
        weight = torch.cat([self.below_weight, self.aside_weight], dim=1)
        return convolve(joined, weight, self.bias, 1, depth)

    def _edge(self, stacks: Tensor) -> Tensor:
        """What the convolution makes of the up-sampling's bias, for (B, Z, out, Y, X).

        A constant but for the border, beyond which lie zeros.
        """
        with torch.autocast(stacks.device.type, enabled=False):
            kernel = torch.einsum("omzyx,m->ozyx", self.below_weight, self.up.bias)[:, None]
            depth, height, width = (stacks.shape[i] for i in (1, 3, 4))
            edge = convolve(kernel.new_ones((depth, 1, height, width)), kernel, None, 1, depth)
            return edge.contiguous(memory_format=torch.channels_last)


def compose(up: Tensor, weight: Tensor) -> Tensor:
    """Kernel of the transposed convolution that up-samples and then convolves.

    It doubles y and x with a padding of one. Across slices it is laid out as the convolution's
    kernel is, not mirrored.

    Args:
        up: (in, mid, 1, 2, 2), of a transposed convolution of stride 2.
        weight: (out, mid, kz, 3, 3), of a same-padded convolution.

    Returns:
        (in, out, kz, 4, 4).
    """
    with torch.autocast(up.device.type, enabled=False):
        parts = torch.einsum("imyx,omzkl->yxiozkl", up[:, :, 0], weight.flip((3, 4)))
    placed = [F.pad(parts[y, x], (x, 1 - x, y, 1 - y)) for y in (0, 1) for x in (0, 1)]
    return torch.stack(placed).sum(dim=0)


def quartered(lift: Tensor) -> Tensor:
    """A :func:`compose`'d kernel as a plain one of 2 x 2 on a padded image.

    Args:
        lift: (in, out, kz, 4, 4).

    Returns:
        (4*out, kz*in, 2, 2): upper left pixels' channels, upper right, lower left, lower right.
    """
    taps = ([3, 1], [2, 0])
    parts = [lift[..., rows, :][..., columns] for rows in taps for columns in taps]
    laid = torch.stack(parts).permute(0, 2, 3, 1, 4, 5).flatten(2, 3).flatten(0, 1)
    return laid.contiguous(memory_format=torch.channels_last)


def sampled(network: UNet, x: Tensor, passes: int) -> list[Tensor]:
    """Logits of several passes over one batch, one after the other.

    Args:
        network: training, or in evaluation mode with its dropout layers on.
        x: (B, in_channels, Z, Y, X).
        passes: how many.

    Returns:
        By head, finest first: (passes*B, classes, Z, Y, X), pass by pass.
    """
    prefix = Prefix.of(network, x, passes)
    decoder = Decoder.of(network, prefix)
    parts = zip(*(decoder.decode(prefix.encode(network)) for _ in range(passes)), strict=True)
    heads = [torch.cat(head) for head in parts]
    return heads if prefix.depth is None else [unfold(head, prefix.depth) for head in heads]


@dataclass(frozen=True, slots=True)
class Prefix:
    """What comes before the first dropout.

    Attributes:
        settled: activations of the encoder stages before the first dropout, finest first.
        begun: the next stage's way up to its dropout; None if nothing drops out.
        depth: slices of the folded layout, None for the native one.
    """

    settled: list[Tensor]
    begun: Tensor | None
    depth: int | None

    @classmethod
    def of(cls, network: UNet, x: Tensor, passes: int) -> Prefix:
        """Compute it for ``passes`` passes over a batch (B, in_channels, Z, Y, X)."""
        depth = x.shape[2] if network.execution == "folded" else None
        x = x if depth is None else fold(x)
        encoder = network.stages()[0]
        first = _first_dropout(network)
        begins = encoder[first : first + 1]
        at_seam = any(stage.seam is not None for stage in begins)
        settled: list[Tensor] = []
        with counting([*encoder[:first], *([] if at_seam else [s.first for s in begins])], passes):
            for stage in encoder[:first]:
                x = stage(x, depth)
                settled.append(x)
            for stage in begins:
                x = stage.pool(x)
                x = x if at_seam else stage.first.activate(stage.first.conv(x, depth))
        return cls(settled, x if begins else None, depth)

    def encode(self, network: UNet) -> list[Tensor]:
        """Activations by encoder stage of one pass."""
        if self.begun is None:
            return self.settled
        stage, *deeper = network.stages()[0][len(self.settled) :]
        if stage.seam is None:
            x = stage.first.dropout(self.begun)
        else:
            x = stage.first(stage.enter(self.begun), self.depth)
        skips = [*self.settled, stage.second(x, self.depth)]
        for stage in deeper:
            skips.append(stage(skips[-1], self.depth))
        return skips


@dataclass(frozen=True, slots=True)
class Decoder:
    """The decoder with what it makes of settled skip connections.

    Attributes:
        network: whose decoder.
        joins: by stage, its first convolution taken apart.
        shares: by stage, a settled skip connection's share of that convolution, as far as no
            dropout comes between.
        depth: slices of the folded layout, None for the native one.
    """

    network: UNet
    joins: list[Join]
    shares: list[Tensor]
    depth: int | None

    @classmethod
    def of(cls, network: UNet, prefix: Prefix) -> Decoder:
        """Convolve the skip connections that passes have in common."""
        joins, decoder = [network.join(s) for s in range(len(network.up))], network.stages()[1]
        triples = zip(joins, decoder, prefix.settled, strict=False)  # later ones are not settled
        # If dropout comes between anywhere here, then in the last: the first that has a rate.
        shares = [j.aside(x, prefix.depth) for j, stage, x in triples if not stage.seam_drops]
        return cls(network, joins, shares, prefix.depth)

    def decode(self, skips: list[Tensor]) -> list[Tensor]:
        """Logits by head of one pass, in the layout computed in."""
        stages, heads = self.network.stages()[1], self.network.heads
        x = skips[-1]
        logits: list[Tensor] = []
        for s in reversed(range(len(stages))):
            block, join = stages[s].first, self.joins[s]
            if stages[s].seam_drops:
                both = torch.cat([join.up(x, self.depth), skips[s]], dim=1)
                x = join.whole(stages[s].enter(both), self.depth)
            else:
                settled = s < len(self.shares)
                aside = self.shares[s] if settled else join.aside(skips[s], self.depth)
                x = join.below(x, self.depth, aside)
            x = block.dropout(block.activate(x))
            x = stages[s].second(x, self.depth)
            if s == 0 or (self.network.training and s < len(heads)):
                logits.insert(0, heads[s](x, self.depth))
        return logits


def _first_dropout(network: UNet) -> int:
    """The encoder stage with the first dropout; their number if there is none."""
    config, below = network.config, int(network.config.dropout_at == "seams")
    drops = (s + below for s, rate in enumerate(config.dropout) if rate)
    return next(drops, len(config.dropout))


@contextlib.contextmanager
def counting(modules: list[nn.Module], passes: int) -> Iterator[None]:
    """Let one batch move running statistics as far as ``passes`` equal batches would.

    N updates r <- (1 - m) r + m s with the same batch statistics s are one update with the momentum
    1 - (1 - m)^N.
    """
    norms = [m for top in modules for m in top.modules() if isinstance(m, SliceNorm)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        if norm.momentum is not None:  # None is a plain mean over all batches: nothing to change
            norm.momentum = 1 - (1 - norm.momentum) ** passes
    try:
        yield
    finally:
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum
            if norm.training and norm.num_batches_tracked is not None:
                norm.num_batches_tracked += passes - 1
