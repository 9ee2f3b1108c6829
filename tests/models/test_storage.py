"""Weights on disk."""

from __future__ import annotations

import torch

from cmrseg.models import storage
from cmrseg.models.unet import UNet, UNetConfig


def test_large_kernels_take_a_byte_a_weight_and_lose_at_most_half_a_step() -> None:
    weight = torch.randn(32, 16, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    weight[5] *= 1000  # each row has a scale of its own
    stored = storage.shrink({"conv.weight": weight})
    assert stored["conv.weight"].dtype == torch.int8
    assert stored["conv.weight.scale"].shape == (32,)
    found = storage.unshrunk(stored)
    assert set(found) == {"conv.weight"}
    step = weight.flatten(1).abs().amax(dim=1) / 127
    error = (found["conv.weight"] - weight).flatten(1).abs().amax(dim=1)
    assert (error <= step * 0.5001).all()


def test_small_kernels_vectors_and_counters_keep_their_kind() -> None:
    weights = {
        "head.weight": torch.randn(4, 16, 1, 1, 1),
        "norm.running_var": torch.tensor([1e6, 2.0]),  # more than half precision holds
        "norm.num_batches_tracked": torch.tensor(70_000),
    }
    stored = storage.shrink(weights)
    assert [v.dtype for v in stored.values()] == [torch.float16, torch.float32, torch.int64]
    found = storage.unshrunk(stored)
    assert torch.equal(found["norm.running_var"], weights["norm.running_var"])
    assert torch.equal(found["norm.num_batches_tracked"], weights["norm.num_batches_tracked"])
    assert found["head.weight"].dtype == torch.float32


def test_a_row_of_zeros_comes_back_as_zeros() -> None:
    weight = torch.zeros(64, 64, 1, 1, 1)
    found = storage.unshrunk(storage.shrink({"w": weight}))
    assert torch.equal(found["w"], weight)


def test_a_number_that_is_not_finite_is_seen_after_storing() -> None:
    weight = torch.ones(64, 64, 1, 1, 1)
    weight[3, 4] = float("nan")
    stored = storage.shrink({"w": weight})
    assert not all(v.isfinite().all() for v in stored.values() if v.is_floating_point())


def test_a_network_says_nearly_the_same_from_stored_weights() -> None:
    torch.manual_seed(1)
    config = UNetConfig(
        classes=4,
        features=(16, 32, 64),
        across=(False, True, True),
        dropout=(0.0, 0.0, 0.0),
        deep_supervision=2,
    )
    network = UNet(config).eval()
    image = torch.randn(1, 1, 4, 64, 64)
    with torch.no_grad():
        before = network(image)[0].softmax(dim=1)
        network.load_state_dict(storage.unshrunk(storage.shrink(network.state_dict())))
        after = network(image)[0].softmax(dim=1)
    assert (before - after).abs().max() < 0.03
    assert (before - after).abs().mean() < 0.005
