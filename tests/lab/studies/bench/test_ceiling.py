from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.models.ensemble import Segmenter
from cmrseg.models.unet import UNet, UNetConfig
from cmrseg_lab.studies.bench import ceiling
from cmrseg_lab.studies.bench.ceiling import count_flops, race

CONFIG = UNetConfig(
    classes=3, features=(4, 8), across=(False, True), dropout=(0.0, 0.0), deep_supervision=1
)


def test_flops_of_a_known_convolution() -> None:
    layer = torch.nn.Conv2d(3, 5, kernel_size=3, padding=1)
    image = torch.zeros(2, 3, 8, 10)
    # one multiplication and one addition for each weight at each of 2 x 8 x 10 places
    assert count_flops(lambda: layer(image)) == 2 * (3 * 3 * 3 * 5) * (2 * 8 * 10)


def test_flops_are_counted_in_inference_mode_too() -> None:
    a = torch.zeros(7, 11)
    with torch.inference_mode():
        assert count_flops(lambda: a @ a.T) == 2 * 7 * 11 * 7


def test_flops_of_a_whole_network_by_hand() -> None:
    image = Volume(np.zeros((2, 8, 12), np.float32), Geometry((2, 8, 12), (10.0, 1.5, 1.5)))
    segmenter = Segmenter([UNet(CONFIG).eval()], torch.device("cpu"), "fp32")
    fine, coarse = 2 * 8 * 12, 2 * 4 * 6
    weights = (
        fine * 9 * (1 * 4 + 4 * 4)  # encoder, 1 x 3 x 3
        + coarse * 27 * (4 * 8 + 8 * 8)  # bottleneck, 3 x 3 x 3
        + coarse * (8 * 4) * 4  # each coarse voxel makes 2 x 2 finer ones
        + fine * 9 * (8 * 4 + 4 * 4)  # decoder
        + fine * 4 * 3  # head
    )
    assert count_flops(lambda: segmenter.mirrored(image, 1)) == 2 * weights


def test_race(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceiling.SIDES, "cpu", 64)
    shape = (2, 16, 16)
    image = Volume(np.zeros(shape, np.float32), Geometry(shape, (10.0, 1.5, 1.5)))
    segmenter = Segmenter([UNet(replace(CONFIG, classes=2)).eval()], torch.device("cpu"))
    found = race(segmenter, image, rounds=3)
    assert [one.precision for one in found] == ["fp32", "bf16"]
    assert [one.precision for one in found if one.chosen] == [segmenter.precision]
    for one in found:
        assert one.flops > 0
        assert len(one.network_s.values) == len(one.ceiling_s.values) == 3
        pairs = zip(one.network_s.values, one.ceiling_s.values, strict=True)
        assert one.ratio.values == tuple(network / product for network, product in pairs)


def test_the_ceiling_is_scaled_to_the_network_flops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products that take 1 s each make the ceiling flops / (2 side^3) s."""
    monkeypatch.setitem(ceiling.SIDES, "cpu", 32)
    monkeypatch.setattr(ceiling._Product, "seconds", lambda self: 1.0)
    shape = (1, 8, 8)
    image = Volume(np.zeros(shape, np.float32), Geometry(shape, (10.0, 1.5, 1.5)))
    segmenter = Segmenter([UNet(CONFIG).eval()], torch.device("cpu"), "fp32")
    for one in race(segmenter, image, rounds=1):
        assert one.ceiling_s.median == pytest.approx(one.flops / (2 * 32**3))
