"""Shared norms against batch norm itself; with two processes in ``test_parallel``."""

import copy

import pytest
import torch

from cmrseg.models.layers import Block, SliceNorm
from cmrseg.models.unet import UNet
from cmrseg_lab.training.distributed import ALONE
from cmrseg_lab.training.sync_batchnorm import SharedNorm, share_norms
from tiny import network_config


def norms():
    """Batch norm of three channels that has seen something, and the shared one made of it."""
    torch.manual_seed(0)
    usual = SliceNorm(3)
    torch.nn.init.normal_(usual.weight)
    torch.nn.init.normal_(usual.bias)
    usual(torch.randn(2, 3, 4, 5, 6))
    return usual, SharedNorm(copy.deepcopy(usual), ALONE)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 6), (8, 3, 5, 6)])
def test_alone_it_is_batch_norm(shape):
    """Values far from zero, as an activation without a norm of its own would be."""
    usual, shared = norms()
    given = [(torch.randn(shape) * 2 + 30).requires_grad_() for _ in range(2)]
    given[1].data.copy_(given[0].data)
    weights = torch.randn(shape)
    outs = [norm(x) for norm, x in zip((usual, shared), given, strict=True)]
    for out in outs:
        (out * weights).sum().backward()
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(outs[1], outs[0], **close)
    torch.testing.assert_close(given[1].grad, given[0].grad, **close)
    for name, value in usual.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value, msg=name)
    torch.testing.assert_close(shared.weight.grad, usual.weight.grad, **close)
    torch.testing.assert_close(shared.bias.grad, usual.bias.grad, **close)


def test_half_precision_comes_out_as_it_went_in():
    usual, shared = norms()
    x = torch.randn(2, 3, 4, 5, 6).bfloat16().requires_grad_()
    out = shared(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, usual(x), rtol=2e-2, atol=2e-2)
    out.float().square().sum().backward()
    assert x.grad.dtype == torch.bfloat16
    assert shared.weight.grad.dtype == torch.float32


def test_in_evaluation_the_running_statistics_count():
    usual, shared = (norm.eval() for norm in norms())
    x = torch.randn(2, 3, 4, 5, 6)
    assert torch.equal(shared(x), usual(x))


def test_a_network_keeps_its_names_and_parameters():
    network = UNet(network_config("emidec"))
    before, parameters = network.state_dict(), list(network.parameters())
    share_norms(network, ALONE)
    assert all(isinstance(m.norm, SharedNorm) for m in network.modules() if isinstance(m, Block))
    assert list(network.state_dict()) == list(before)
    # optimisers' states in checkpoints go by the order of parameters
    for kept, parameter in zip(network.parameters(), parameters, strict=True):
        assert kept is parameter
