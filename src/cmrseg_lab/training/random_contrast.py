"""Contrast of any kind: other grey values for the same anatomy.

Late enhancement has no contrast of its own: inversion time, window and weight of contrast agent
decide how bright blood, muscle and scar are. Networks that shall know the anatomy in all of them
must not learn what is brighter than what. All functions take (slices, channels, y, x).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Rng = np.random.Generator
Noise = Callable[[Any], Tensor]
"""Normal random numbers of a size."""
KNOTS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)
"""Quantiles of the image whose grey values a curve moves."""
FLAT = 0.25
"""How often two neighbouring knots of a rising curve get one value, as beyond a window's ends."""
EDGE = (0.25, 0.5, 0.25)
"""Across a tissue's border its new grey value fades like this, in pixels."""


def curve(image: Tensor, rng: Rng, rises: bool = True) -> Tensor:
    """One random curve of grey values for the whole image.

    Args:
        image: grey values.
        rng: all randomness.
        rises: whether what was brighter stays so (or becomes equal).
    """
    grey = image.numpy()
    knots = np.quantile(grey[..., ::3, ::3], KNOTS)
    if rises:
        steps = rng.exponential(1.0, len(KNOTS) - 1) * (rng.random(len(KNOTS) - 1) >= FLAT)
        values = np.concatenate([[0.0], np.cumsum(steps + 1e-3)])
    else:
        values = rng.uniform(0, 1, len(KNOTS))
    bent = torch.from_numpy(np.interp(grey, knots, values).astype(np.float32))
    return (bent - bent.mean()) / bent.std().clamp_min(1e-3)


def tissues(image: Tensor, label: Tensor, noise: Noise) -> Tensor:
    """Labelled tissues brighter or darker, each by itself; their texture stays.

    SynthSeg's idea (Billot et al., Medical Image Analysis 86, 2023) on real images.

    Args:
        image: grey values, deviation about 1.
        label: (slices, 1, y, x) class indices.
        noise: normal random numbers.
    """
    shifts = 0.7 * noise((int(label.max()) + 1,))
    shifts[0] = 0
    shift = shifts[label.long()]
    kernel = torch.tensor(EDGE)
    shift = F.conv2d(shift, kernel.view(1, 1, -1, 1), padding=(1, 0))
    return image + F.conv2d(shift, kernel.view(1, 1, 1, -1), padding=(0, 1))


def non_linear(image: Tensor, rng: Rng, noise: Noise) -> Tensor:
    """Global intensity non-linear augmentation (Ouyang et al., IEEE TMI 42(4), 2023).

    A random shallow network of 1x1 and 3x3 convolutions gives every tissue another grey value;
    the result is mixed with the image by a random share and keeps the image's norm.
    """
    slices, channels = image.shape[:2]
    x = image.reshape(slices * channels, 1, *image.shape[2:])
    widths = (1, 2, 2, 2, 1)
    for at, (cin, cout) in enumerate(pairwise(widths)):
        size = int(rng.choice([1, 3]))
        x = F.conv2d(x, noise((cout, cin, size, size)), noise((cout,)), padding=size // 2)
        if at < len(widths) - 2:
            x = F.leaky_relu(x, 0.01)
    share = rng.uniform(0, 1)
    mixed = share * x.reshape(image.shape) + (1 - share) * image
    kept: Tensor = mixed * (image.norm() / mixed.norm().clamp_min(1e-6))
    return kept
