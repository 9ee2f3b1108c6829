"""Which of a U-Net's two executions (:mod:`cmrseg.models.layers`) is used on a device."""

from __future__ import annotations

from typing import Literal

import torch

Execution = Literal["native", "folded"]


def usual_execution(device: torch.device) -> Execution:
    """Native 3-D kernels on GPUs; on CPUs slices folded into the batch, several times quicker.

    Decided by the device alone: the two round differently, and one image gets one answer.
    """
    return "native" if device.type == "cuda" else "folded"
