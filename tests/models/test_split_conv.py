"""A decoder stage's beginning taken apart is the concatenation it stands for."""

import pytest
import torch

from cmrseg.models.layers import SliceConv, UpConv, fold, unfold
from cmrseg.models.mc_dropout import Join, compose

CLOSE = {"rtol": 0, "atol": 1e-12}


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def parts(kz, bias):
    torch.manual_seed(0)
    up, conv = UpConv(6, 4).double(), SliceConv(8, 5, (kz, 3, 3), bias=bias).double()
    torch.nn.init.normal_(up.bias)
    if bias:
        torch.nn.init.normal_(conv.bias)
    return up, conv


@pytest.mark.parametrize("composed", [True, False])
@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("kz", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_the_shares_add_up_in_values_and_gradients(kz, folded, composed, bias):
    up, conv = parts(kz, bias)
    leaves = [*up.parameters(), *conv.parameters()]
    x = noise(2, 6, 3, 4, 5, seed=1).requires_grad_()
    skip = noise(2, 4, 3, 8, 10, seed=2).requires_grad_()
    expected = conv(torch.cat([up(x, None), skip], dim=1), None)
    wanted = torch.autograd.grad((expected * expected.sin()).sum(), [x, skip, *leaves])

    join = Join(up, conv.weight, conv.bias, composed=composed)
    if folded:
        found = unfold(join.below(fold(x), 3, join.aside(fold(skip), 3)), 3)
    else:
        found = join.below(x, None, join.aside(skip, None))
    torch.testing.assert_close(found, expected, **CLOSE)
    as_one = join.whole(torch.cat([up(x, None), skip], dim=1), None)
    torch.testing.assert_close(as_one, expected, **CLOSE)
    gradients = torch.autograd.grad((found * found.sin()).sum(), [x, skip, *leaves])
    for a, b in zip(gradients, wanted, strict=True):
        assert b.abs().max() > 0
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)


def test_one_kernel_by_hand():
    """One pixel up-sampled to 1 2 / 3 4 and convolved with a kernel that looks up and to the left.

    The kernel's one weight, 10, sits at its upper left: all values move down and right by one.
    """
    up = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 1, 2, 2)
    weight = torch.zeros(1, 1, 1, 3, 3)
    weight[..., 0, 0] = 10
    kernel = compose(up, weight)[0, 0, 0]
    assert kernel.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 10, 20], [0, 0, 30, 40]]


def test_it_has_no_weights_of_its_own():
    up, conv = parts(3, False)
    join = Join(up, conv.weight, None, composed=True)
    assert {id(p) for p in join.parameters()} == {id(p) for p in up.parameters()}


def test_half_precision_rounds_the_composed_kernel_once():
    up, conv = (part.float() for part in parts(3, False))
    exact = compose(up.weight, conv.weight[:, :4])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = compose(up.weight, conv.weight[:, :4])
    assert found.dtype == torch.float32
    assert torch.equal(found, exact)
