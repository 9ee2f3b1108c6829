from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cmrseg.models.fusion import fuse
from cmrseg.models.unet import UNet, UNetConfig
from cmrseg.quality.borrow import borrowed, class_probabilities, most_probable

CONFIG = UNetConfig(
    classes=4, features=(4, 6, 8), across=(False,) * 3, dropout=(0.5,) * 3, deep_supervision=1
)


def test_our_unet_gives_class_probabilities_of_any_size():
    torch.manual_seed(0)
    network, x = UNet(CONFIG).eval(), torch.randn(1, 1, 3, 10, 13)
    found = class_probabilities(network, x)
    assert found.shape == (1, 4, 3, 10, 13)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(1, 3, 10, 13))
    padded = nn.functional.pad(x, (0, 3, 0, 2, 0, 0), mode="replicate")
    torch.testing.assert_close(found, network(padded)[0].softmax(dim=1)[..., :10, :13])


def test_a_network_of_two_channels_knows_zeros_as_no_other_phase():
    torch.manual_seed(0)
    network, x = UNet(replace(CONFIG, in_channels=2)).eval(), torch.randn(1, 1, 3, 8, 8)
    alone = class_probabilities(network, x)
    torch.testing.assert_close(alone, class_probabilities(network, torch.cat([x, 0 * x], 1)))
    assert not torch.equal(alone, class_probabilities(network, torch.cat([x, x], 1)))


def test_any_other_network_is_taken_at_its_word():
    x = torch.rand(1, 4, 1, 2, 2)
    assert class_probabilities(nn.Identity(), x) is x


def test_most_probable_class():
    probabilities = np.zeros((4, 1, 1, 2), np.float32)
    probabilities[3, ..., 0] = probabilities[1, ..., 1] = 1
    found = most_probable(probabilities)
    assert found.dtype == np.uint8
    assert found.tolist() == [[[3, 1]]]


def spoil(network):
    before = network.heads[0].weight.detach().clone()
    with borrowed(network):
        assert not any(m.training for m in network.modules())
        assert all(p.requires_grad for p in network.parameters())
        class_probabilities(network, torch.randn(1, 1, 1, 8, 8))[:, 3].mean().backward()
        torch.optim.SGD(network.parameters(), 10.0).step()
        assert not torch.equal(network.heads[0].weight, before)
        raise KeyError


def test_a_borrowed_network_comes_back_as_it_was():
    torch.manual_seed(0)
    network = UNet(CONFIG).train()
    network.encoder[0].eval()
    network.heads.requires_grad_(False)
    weights = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(KeyError):
        spoil(network)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    assert network.training
    assert not network.encoder[0].training
    assert not any(p.requires_grad for p in network.heads.parameters())
    assert all(p.requires_grad for p in network.encoder.parameters())
    assert all(p.grad is None for p in network.parameters())


def test_a_fused_network_is_refused():
    fused = fuse(UNet(CONFIG).eval())
    bare = nn.Sequential(*fused.encoder)
    with pytest.raises(ValueError, match="unfused"), borrowed(bare):
        pass
