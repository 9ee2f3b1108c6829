"""Other contrasts keep the anatomy."""

import numpy as np
import pytest
import torch

from cmrseg_lab.training.random_contrast import curve, non_linear, tissues


def image():
    generator = torch.Generator().manual_seed(3)
    return torch.randn((2, 1, 48, 40), generator=generator)


def noise(size):
    return torch.randn(size, generator=torch.Generator().manual_seed(6))


@pytest.mark.parametrize("seed", range(5))
def test_a_rising_curve_keeps_the_order_of_grey_values(seed):
    before = image()
    after = curve(before, np.random.default_rng(seed))
    order = before.flatten().argsort()
    assert (after.flatten()[order].diff() >= -1e-5).all()
    assert not torch.allclose(after, before, atol=0.1)
    assert float(after.std()) == pytest.approx(1, abs=0.01)


def test_any_other_curve_does_not():
    before = image()
    order = before.flatten().argsort()
    bent = [curve(before, np.random.default_rng(seed), rises=False) for seed in range(5)]
    assert all((one.flatten()[order].diff() < 0).any() for one in bent)


def test_tissues_are_shifted_each_by_itself_and_the_background_is_not():
    before, label = image(), torch.zeros((2, 1, 48, 40))
    label[:, :, 10:20], label[:, :, 30:40] = 1, 2
    moved = tissues(before, label, noise) - before
    assert not moved[:, :, :9].any()
    inside = [moved[:, :, a:b] for a, b in ((11, 19), (31, 39))]
    first, second = (float(one[..., 1:-1].mean()) for one in inside)
    assert all(float(one[..., 1:-1].std()) < 1e-5 for one in inside)
    assert abs(first - second) > 0.05


def test_a_random_network_keeps_the_norm():
    before = image()
    after = non_linear(before, np.random.default_rng(0), noise)
    assert after.shape == before.shape
    assert float(after.norm()) == pytest.approx(float(before.norm()), rel=1e-3)
