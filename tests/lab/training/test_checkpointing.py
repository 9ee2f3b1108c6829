"""Looks at volumes; what a training keeps, and when, is in ``test_fit`` and ``test_snapshots``."""

import numpy as np
import torch

from cmrseg_lab.training.cache import Sample
from cmrseg_lab.training.checkpointing import validate
from tiny import network_config

CPU = torch.device("cpu")


def test_validation_by_hand():
    """A network that sees bright voxels as class 1: half of one heart, nothing where none is."""

    class Bright(torch.nn.Module):
        config = network_config("mnms2-sa", classes=3)

        def forward(self, x):
            return [torch.cat([0.5 - x, x, torch.full_like(x, -9.0)], dim=1)]

    image = np.zeros((1, 6, 6), np.float32)
    image[:, :2, :2] = 1
    label = np.zeros((1, 6, 6), np.uint8)
    label[:, :2, :6] = 1
    hearts = [Sample(image, label, (1.0, 1.0, 1.0)), Sample(0 * image, 0 * label, (1.0, 1.0, 1.0))]
    assert validate(Bright(), hearts, CPU, "fp32") == {"1": 0.75, "2": 1.0}
