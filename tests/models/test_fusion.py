from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from cmrseg.models.fusion import FusedBlock, fuse, repeated
from cmrseg.models.layers import Block
from cmrseg.models.unet import UNet, UNetConfig
from cmrseg.runtime import autocast

STACK = UNetConfig(
    classes=3, features=(4, 6, 8, 8), across=(False, False, True, True), dropout=(0, 0, 0.3, 0.3)
)
PLANE = replace(STACK, across=(False,) * 4, dropout=(0.0,) * 4)
POOLED = replace(STACK, pooling="max", dropout=(0, 0.3, 0.3, 0), dropout_at="seams")


def trained(config, execution="folded"):
    """A network whose norms have statistics, scales and shifts of their own."""
    torch.manual_seed(0)
    net = UNet(config, execution)
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm3d)):
        nn.init.uniform_(norm.weight, 0.5, 2.0)
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.2, 3.0)
    return net.eval()


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("execution", ["native", "folded"])
@pytest.mark.parametrize("config", [STACK, PLANE, POOLED])
@pytest.mark.parametrize("slices", [1, 2, 5])
def test_a_fused_network_is_the_same_function(execution, config, slices):
    net = trained(config, execution).double()
    x = noise(2, 1, slices, 16, 24).double()
    with torch.inference_mode():
        expected = net(x)[0]
        found = fuse(net)(x)[0]
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_the_number_of_threads_changes_no_bit(precision):
    net = fuse(trained(replace(STACK, features=(16, 32, 64, 64), dropout=(0.0,) * 4)))
    x, threads, found = noise(1, 1, 4, 96, 64), torch.get_num_threads(), []
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            with torch.inference_mode(), autocast(torch.device("cpu"), precision):
                found.append(net(x)[0])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[1], found[0])
    assert torch.equal(found[2], found[0])


def test_fusing_takes_the_norms_away():
    net = fuse(trained(STACK))
    assert not any(isinstance(m, nn.BatchNorm3d) for m in net.modules())
    # Four encoder and three decoder stages of two; where decoder stages begin is taken apart.
    assert sum(isinstance(m, FusedBlock) for m in net.modules()) == 14 - 3
    assert len(net.joins) == 3


def test_the_input_is_left_alone():
    net, x = fuse(trained(STACK)), noise(1, 1, 3, 16, 16)
    before = x.clone()
    with torch.inference_mode():
        net(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("execution", ["native", "folded"])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("config", [STACK, POOLED])
def test_repeated_passes_draw_the_same_dropout_as_separate_ones(config, execution, fused):
    net = trained(config, execution).double()
    if fused:
        net = fuse(net)
    for layer in (m for m in net.modules() if isinstance(m, nn.Dropout)):
        layer.train()
    x = noise(1, 1, 3, 16, 16).double()
    with torch.inference_mode():
        torch.manual_seed(7)
        separate = torch.cat([net(x)[0] for _ in range(3)])
        torch.manual_seed(7)
        together = repeated(net, x, 3)
    torch.testing.assert_close(together, separate, rtol=1e-9, atol=1e-9)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_dropout_in_the_first_stage_leaves_nothing_to_share():
    net = fuse(trained(replace(STACK, dropout=(0.2,) * 4)))
    x = noise(1, 1, 2, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(repeated(net, x, 2)[1], net(x)[0][0])


def test_a_block_without_statistics_cannot_be_fused():
    block = Block(1, 2, (1, 3, 3))
    block.norm = copy.deepcopy(block.norm)
    block.norm.running_mean = block.norm.running_var = None
    with pytest.raises(ValueError, match="statistics"):
        FusedBlock(block, folded=True)
