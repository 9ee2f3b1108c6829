"""Equations 1, 2 and 4 with a gradient: by hand, against the measures, and where all is tiny."""

import math

import numpy as np
import pytest
import torch

from cmrseg.quality.uncertainty.loss import log_mean, uncertainty_loss
from cmrseg.quality.uncertainty.measures import image_uncertainty, mean_and_variance


def samples(seed=0, shape=(4, 1, 3, 2, 3, 4)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).softmax(dim=2)


def test_uncertainty_by_hand():
    """0.9 and 0.7: variance 0.01; 0.6 and 0.2: 0.04; twice 0.2: none. Both classes alike."""
    foreground = torch.tensor([[0.9, 0.6, 0.2], [0.7, 0.2, 0.2]], dtype=torch.float64)
    drawn = torch.stack([1 - foreground, foreground], dim=1)[:, None, :, None, None, :]
    assert float(uncertainty_loss(drawn)) == pytest.approx((0.01 + 0.04) / 3)


def test_one_image_has_the_uncertainty_that_is_measured_of_it():
    drawn = samples()
    measured = image_uncertainty(mean_and_variance(drawn[:, 0].numpy())[1])
    assert float(uncertainty_loss(drawn)) == pytest.approx(measured, rel=1e-12)


def test_a_batch_has_the_mean_of_its_images():
    batch = samples(shape=(4, 2, 3, 2, 3, 4))
    each = [float(uncertainty_loss(batch[:, i : i + 1])) for i in range(2)]
    assert float(uncertainty_loss(batch)) == pytest.approx(np.mean(each), rel=1e-12)


def test_samples_that_agree_and_a_single_one_have_none():
    assert float(uncertainty_loss(samples()[:1].repeat(3, 1, 1, 1, 1, 1))) == pytest.approx(0)
    assert float(uncertainty_loss(samples()[:1])) == 0


def test_its_gradient_pulls_samples_together():
    """d/dp_n of the mean of (p - mean)^2 is 2 (p_n - mean) over the number of values."""
    drawn = samples().requires_grad_()
    uncertainty_loss(drawn).backward()
    expected = 2 * (drawn - drawn.mean(dim=0)) / drawn.numel()
    torch.testing.assert_close(drawn.grad, expected.detach(), rtol=1e-10, atol=1e-15)


def test_the_mean_is_taken_of_probabilities_not_of_logarithms():
    log = torch.tensor([0.8, 0.2], dtype=torch.float64).log()
    assert float(log_mean(log).exp()) == pytest.approx(0.5)
    tiny = torch.tensor([-2000.0, -2000.0 + math.log(3)])
    assert float(log_mean(tiny)) == pytest.approx(-2000 + math.log(2))
