"""A segmenter on loan: any network that makes class probabilities of images."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cmrseg.imaging.volume import Array
from cmrseg.models.unet import UNet, pad_to_multiple

Forward = Callable[[nn.Module, Tensor], Tensor]
"""(network, (B, channels, Z, Y, X)) to (B, C, Z, Y, X) class probabilities, with a gradient."""
Label = Callable[[Array], Array]
"""(C, z, y, x) class probabilities to the (z, y, x) labels that would be written."""

Weights = dict[str, Tensor]
"""A network's state, by name."""
SLICES_AT_ONCE = 24
"""A network sees so many slices at a time: memory stays flat however long the stack."""


def class_probabilities(network: nn.Module, x: Tensor, least: int = 0) -> Tensor:
    """Our U-Net's softmax, or the output of any other network as it is.

    Args:
        network: in any mode.
        x: (B, channels, Z, Y, X); a channel that is not there is shown as zeros.
        least: voxels that images are grown to in plane, as in training.
    """
    if not isinstance(network, UNet):
        out: Tensor = network(x)
        return out
    missing = network.config.in_channels - x.shape[1]
    if missing:  # the other phase: networks of two channels know zeros as "there is none"
        x = torch.cat([x, x.new_zeros((len(x), missing, *x.shape[2:]))], 1)
    logits: Tensor = network(pad_to_multiple(x, network.config.multiple, least))[0]
    probabilities: Tensor = logits[..., : x.shape[-2], : x.shape[-1]].float().softmax(dim=1)
    return probabilities


def most_probable(probabilities: Array) -> Array:
    """The most probable class by voxel, uint8."""
    found: Array = probabilities.argmax(axis=0).astype(np.uint8)
    return found


def probabilities(
    network: nn.Module,
    image: Array,
    flips: Sequence[tuple[int, ...]],
    device: torch.device,
    forward: Forward = class_probabilities,
    before_each: Callable[[], None] = lambda: None,
) -> Array:
    """A network's mean over mirror images of one image, (C, z, y, x).

    Args:
        network: in evaluation mode.
        image: (channels, z, y, x) float32, prepared.
        flips: in-plane axes of each mirror image.
        device: where it computes.
        forward: what makes class probabilities.
        before_each: called before each pass.
    """
    whole = torch.from_numpy(image)[None]
    found = []
    for part in torch.split(whole, SLICES_AT_ONCE, dim=2):
        total: Tensor | float = 0.0
        for axes in flips:
            before_each()
            with torch.no_grad():
                total = total + forward(network, part.to(device).flip(axes)).flip(axes)
        found.append(total[0] / len(flips))  # type: ignore[index]
    return torch.cat(found, dim=1).cpu().numpy()


def copied(network: nn.Module) -> Weights:
    """A network's weights as they are now."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@contextlib.contextmanager
def borrowed(network: nn.Module) -> Iterator[None]:
    """In evaluation mode (batch-norm statistics frozen), trainable; afterwards as it was."""
    parameters = list(network.parameters())
    if not parameters:
        raise ValueError("a network without parameters cannot be refined: load it unfused")
    weights = copied(network)
    modes = [(module, module.training) for module in network.modules()]
    trainable = [parameter.requires_grad for parameter in parameters]
    try:
        network.eval().requires_grad_(True)
        yield
    finally:
        network.load_state_dict(weights)
        for module, training in modes:
            module.training = training
        for parameter, was in zip(parameters, trainable, strict=True):
            parameter.requires_grad_(was)
            parameter.grad = None
