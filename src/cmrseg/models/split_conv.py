"""Where a decoder stage begins, taken apart: what comes from below and what from the skip.

A stage begins with ``conv(cat(up(x), skip))``, and all of that is linear. So it is the sum of a
share of ``x`` and a share of ``skip``, each computed when and as often as its input changes; and
up-sampling and convolution of ``x`` are one transposed convolution, which costs less than the two.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmrseg.models.layers import UpConv, beside, convolve


class Join(nn.Module):
    """``conv(cat(up(x), skip))`` as ``below(x) + aside(skip)``.

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
        flat_lift = None if lift is None else lift.permute(2, 0, 1, 3, 4).flatten(0, 1)
        self.register_buffer("lift", flat_lift)

    def below(self, x: Tensor, depth: int | None) -> Tensor:
        """The share of the coarser activations ``x``."""
        if self.lift is None or depth is None:
            return convolve(self.up(x, depth), self.below_weight, None, 1, depth)
        sides = beside(x, depth, self.below_weight.shape[2])
        return F.conv_transpose2d(sides, self.lift, stride=2, padding=1)

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
