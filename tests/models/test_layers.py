"""One set of weights, two executions: both are the convolutions that torch and MONAI know."""

import pytest
import torch
from monai.networks.blocks import Convolution
from monai.networks.layers import Norm

from cmrseg.models.layers import (
    Block,
    SliceConv,
    SliceNorm,
    UpConv,
    beside,
    fold,
    unfold,
    usual_execution,
)

KERNELS = [(1, 3, 3), (3, 3, 3), (1, 1, 1), (5, 3, 3)]


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def folded(layer, x):
    return unfold(layer(fold(x), x.shape[2]), x.shape[2])


def test_fold_lays_slices_of_one_volume_side_by_side():
    x = noise(2, 3, 5, 4, 6)
    y = fold(x)
    assert y.shape == (10, 3, 4, 6)
    assert torch.equal(y[7], x[1, :, 2])
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(unfold(y, 5), x)


def test_beside_shows_neighbours_of_the_same_volume_only():
    x = torch.arange(1.0, 7).reshape(6, 1, 1, 1)
    seen = beside(x, depth=3, taps=3)[:, :, 0, 0]
    assert seen.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 0], [0, 4, 5], [4, 5, 6], [5, 6, 0]]
    assert beside(x, depth=3, taps=1) is x


@pytest.mark.parametrize("taps", [1, 3, 5])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_without_a_gradient_the_same_lies_beside(taps, depth):
    x = noise(2 * depth, 3, 4, 5)
    with torch.inference_mode():
        found = beside(x, depth, taps)
    assert torch.equal(found, beside(x, depth, taps))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("stride", [1, 2])
def test_both_executions_are_torchs_conv3d(kernel, stride):
    layer = SliceConv(3, 4, kernel, stride, bias=True).double()
    torch.nn.init.normal_(layer.bias)
    oracle = torch.nn.Conv3d(
        3, 4, kernel, (1, stride, stride), tuple(k // 2 for k in kernel), dtype=torch.float64
    )
    oracle.load_state_dict(layer.state_dict())
    x = noise(2, 3, 5, 8, 6)
    torch.testing.assert_close(layer(x, None), oracle(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(folded(layer, x), oracle(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_is_monais_convolution(stride):
    block = Block(3, 4, (3, 3, 3), stride).double().train()
    oracle = Convolution(
        3,
        3,
        4,
        strides=(1, stride, stride),
        kernel_size=3,
        act=("leakyrelu", {"negative_slope": 0.01}),
        norm=Norm.BATCH,
        adn_ordering="NAD",
        bias=False,
    ).double()
    oracle.load_state_dict(
        {
            "conv.weight": block.conv.weight,
            **{f"adn.N.{k}": v.clone() for k, v in block.norm.state_dict().items()},
        }
    )
    x = noise(2, 3, 4, 8, 8)
    torch.testing.assert_close(folded(block, x), oracle(x), rtol=0, atol=1e-12)


def test_up_convolution_is_torchs():
    layer = UpConv(3, 2).double()
    torch.nn.init.normal_(layer.bias)
    oracle = torch.nn.ConvTranspose3d(3, 2, (1, 2, 2), (1, 2, 2), dtype=torch.float64)
    oracle.load_state_dict(layer.state_dict())
    x = noise(2, 3, 4, 5, 6)
    assert layer(x, None).shape == (2, 2, 4, 10, 12)
    torch.testing.assert_close(layer(x, None), oracle(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(folded(layer, x), oracle(x), rtol=0, atol=1e-12)


def test_norm_takes_the_same_statistics_from_either_layout():
    native, flat = SliceNorm(3).double(), SliceNorm(3).double()
    x = noise(2, 3, 4, 5, 6) * 3 + 1
    torch.testing.assert_close(native(x), unfold(flat(fold(x)), 4), rtol=0, atol=1e-12)
    torch.testing.assert_close(native.running_mean, flat.running_mean, rtol=0, atol=1e-14)
    torch.testing.assert_close(native.running_var, flat.running_var, rtol=0, atol=1e-14)
    expected = x.transpose(0, 1).flatten(1).var(dim=1, unbiased=True)
    torch.testing.assert_close(native.running_var, 0.9 + 0.1 * expected, rtol=1e-12, atol=0)
    with pytest.raises(ValueError, match="3-D"):
        native(x[0, 0])


@pytest.mark.parametrize(("device", "execution"), [("cpu", "folded"), ("cuda:1", "native")])
def test_the_device_decides(device, execution):
    assert usual_execution(torch.device(device)) == execution
