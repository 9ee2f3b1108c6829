"""Batch normalisation with the statistics of all processes' patches.

One implementation for CPUs and GPUs: torch's own SyncBatchNorm knows GPUs alone.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from cmrseg.models.layers import Block, SliceNorm
from cmrseg.models.unet import UNet
from cmrseg_lab.training.distributed import Group


def share_norms(network: UNet, group: Group) -> None:
    """Let every block's norm see all processes' patches; parameters and names stay what they are.

    Every process has to pass something through the network as often as the others do.
    """
    for module in network.modules():
        if isinstance(module, Block):
            module.norm = SharedNorm(module.norm, group)


class SharedNorm(SliceNorm):
    """A :class:`~cmrseg.models.layers.SliceNorm` over the shares of a batch.

    Args:
        norm: whose parameters and running statistics to go on with.
        group: the processes.
    """

    def __init__(self, norm: SliceNorm, group: Group) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, ...); in evaluation mode with the running statistics."""
        if not self.training:
            return super().forward(x)
        out, mean, variance = cast(
            "tuple[Tensor, Tensor, Tensor]",
            _Normalise.apply(x, self.weight, self.bias, self.eps, self.group),  # type: ignore[no-untyped-call]
        )
        self._follow(mean, variance)
        return out

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as batch norm does."""
        for running, seen in ((self.running_mean, mean), (self.running_var, variance)):
            cast(Tensor, running).lerp_(seen, cast(float, self.momentum))
        cast(Tensor, self.num_batches_tracked).add_(1)


class _Normalise(torch.autograd.Function):
    """Output, mean and unbiased variance; the gradients of weight and bias are the own share's."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, group: Group
    ) -> tuple[Tensor, Tensor, Tensor]:
        variance, mean = (v.double() for v in torch.var_mean(x.float(), _axes(x), correction=0))
        number = torch.full_like(mean, x.numel() // x.shape[1])
        # In double precision: the variance is a small difference of these.
        sums = group.sum(torch.stack([number, number * mean, number * (variance + mean.square())]))
        number, mean = sums[0], sums[1] / sums[0]
        variance = sums[2] / number - mean.square()
        unbiased = variance * number / (number - 1)
        mean, variance, unbiased = mean.float(), variance.float(), unbiased.float()
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps))
        ctx.group, ctx.number = group, number.float()
        ctx.mark_non_differentiable(mean, unbiased)
        return F.batch_norm(x, mean, variance, weight, bias, eps=eps), mean, unbiased

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        axes, gradient = _axes(x), gradients[0].float()
        normal = (x.float() - _wide(mean, x)) * _wide(scale, x)
        own = torch.stack([gradient.sum(axes), (gradient * normal).sum(axes)])
        through_mean, through_scale = ctx.group.sum(own.clone()) / ctx.number
        # The statistics depend on x too, on every process's.
        gradient = gradient - _wide(through_mean, x) - normal * _wide(through_scale, x)
        return (gradient * _wide(weight * scale, x)).to(x.dtype), own[1], own[0], None, None


def _axes(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.dim()))


def _wide(values: Tensor, x: Tensor) -> Tensor:
    """(C,) laid along the channels of (B, C, ...)."""
    return values.reshape(-1, *(1,) * (x.dim() - 2))
