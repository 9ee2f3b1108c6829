"""Losses by hand and against MONAI."""

import math

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss

from cmrseg.quality.losses import generalised_dice
from cmrseg.quality.uncertainty.measures import image_uncertainty, mean_and_variance
from cmrseg_lab.training.cache import UNKNOWN
from cmrseg_lab.training.losses import (
    deep_supervision,
    log_likelihood,
    log_mean,
    total_loss,
    uncertainty_loss,
    volume_dice,
)


def logits(seed=0, shape=(2, 4, 3, 8, 6)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def truth(seed=0, shape=(2, 3, 8, 6), classes=4):
    return torch.randint(classes, shape, generator=torch.Generator().manual_seed(seed))


def test_dice_by_hand():
    """Class 1: overlap 0.8 + 0.4, sums 0.8 + 0.4 + 0.3 and 2; class 2: overlap 0.6, sums 0.9, 1."""
    probabilities = torch.tensor(
        [[[0.2, 0.4, 0.1], [0.8, 0.4, 0.3], [0.0, 0.2, 0.6]]], dtype=torch.float64
    ).reshape(1, 3, 1, 1, 3)
    labels = torch.tensor([1, 1, 2]).reshape(1, 1, 1, 3)
    first = (2 * 1.2 + 1) / (1.5 + 2 + 1)
    second = (2 * 0.6 + 1) / (0.8 + 1 + 1)
    loss = volume_dice(probabilities, labels)
    assert float(loss) == pytest.approx(1 - (first + second) / 2, rel=1e-6)


def test_dice_of_a_perfect_an_absent_and_a_missed_class():
    labels = torch.zeros(1, 1, 2, 2, dtype=torch.long)
    labels[..., 0] = 1

    def certain(found):
        return torch.nn.functional.one_hot(found, 2).movedim(-1, 1).float()

    assert float(volume_dice(certain(labels), labels)) == 0.0
    nothing = torch.zeros_like(labels)
    assert float(volume_dice(certain(nothing), nothing)) == 0.0
    assert float(volume_dice(certain(nothing), labels)) == pytest.approx(1 - 1 / 3)


def test_dice_is_monais():
    ours = volume_dice(logits().softmax(1), truth())
    options = {"include_background": False, "to_onehot_y": True, "batch": False}
    oracle = DiceLoss(**options, softmax=True, smooth_nr=1.0, smooth_dr=1.0)
    torch.testing.assert_close(ours, oracle(logits(), truth()[:, None]), rtol=1e-6, atol=1e-6)


def test_segmentation_loss_is_monais_dice_plus_cross_entropy():
    oracle = DiceCELoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        batch=False,
        smooth_nr=1.0,
        smooth_dr=1.0,
    )
    x, y = logits().requires_grad_(), logits().requires_grad_()
    ours, theirs = total_loss(x, truth()), oracle(y, truth()[:, None])
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    ours.backward()
    theirs.backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-5, atol=1e-8)


def test_cross_entropy_of_knowing_nothing():
    labels = truth()
    loss = total_loss(torch.zeros(2, 4, 3, 8, 6), labels)
    dice = volume_dice(torch.full((2, 4, 3, 8, 6), 0.25), labels)
    assert float(loss - dice) == pytest.approx(math.log(4), rel=1e-6)


def test_half_precision_logits_are_scored_in_fp32():
    half = logits().bfloat16()
    loss = total_loss(half, truth())
    assert loss.dtype == torch.float32
    assert torch.equal(loss, total_loss(half.float(), truth()))


def test_each_coarser_head_counts_half():
    heads = [logits(s, (2, 4, 3, 8 >> s, 8 >> s)) for s in range(3)]
    labels = truth(shape=(2, 3, 8, 8))
    parts = [
        float(total_loss(heads[0], labels)),
        float(total_loss(heads[1], labels[..., 1::2, 1::2])),
        float(total_loss(heads[2], labels[..., 2::4, 2::4])),
    ]
    expected = (parts[0] + parts[1] / 2 + parts[2] / 4) / 1.75
    assert float(deep_supervision(heads, labels)) == pytest.approx(expected, rel=1e-6)
    assert float(deep_supervision(heads[:1], labels)) == pytest.approx(parts[0], rel=1e-6)


def drawn(samples=3, shape=(2, 4, 3, 8, 6)):
    """Logits of several samples, sample by sample: (samples*B, C, Z, Y, X)."""
    return torch.cat([logits(seed, shape) for seed in range(samples)])


def test_several_samples_by_hand():
    """One voxel of class 1 that two samples give 0.8 and 0.4, so 0.6 in the mean."""
    probabilities = torch.tensor([[0.2, 0.8], [0.6, 0.4]]).reshape(2, 2, 1, 1, 1)
    labels = torch.ones(1, 1, 1, 1, dtype=torch.long)
    dice = 1 - (2 * 0.6 + 1) / (0.6 + 1 + 1)
    variance = 0.2**2
    loss = total_loss(probabilities.log(), labels, 2, 3.0)
    assert float(loss) == pytest.approx(dice - math.log(0.6) + 3 * variance, rel=1e-6)


def test_dice_and_likelihood_are_those_of_the_mean_probability():
    mean = drawn().reshape(3, 2, 4, 3, 8, 6).softmax(dim=2).mean(dim=0)
    likelihood = torch.nn.functional.nll_loss(mean.log(), truth())
    expected = volume_dice(mean, truth()) + likelihood
    torch.testing.assert_close(total_loss(drawn(), truth(), 3), expected, rtol=1e-6, atol=1e-6)
    weighed = total_loss(drawn(), truth(), 3, 2.0) - total_loss(drawn(), truth(), 3)
    spread = drawn().reshape(3, 2, 4, 3, 8, 6).softmax(dim=2).var(dim=0, correction=0).mean()
    torch.testing.assert_close(weighed, 2 * spread, rtol=1e-4, atol=1e-6)


def test_samples_that_agree_cost_what_one_does():
    same = logits().repeat(4, 1, 1, 1, 1)
    expected = total_loss(logits(), truth())
    torch.testing.assert_close(total_loss(same, truth(), 4, 3.0), expected, rtol=1e-6, atol=1e-6)


def test_samples_far_off_have_a_finite_loss_and_gradient():
    wrong = torch.zeros(2, 2, 1, 1, 1)
    wrong[:, 0] = 400.0
    wrong.requires_grad_()
    loss = total_loss(wrong, torch.ones(1, 1, 1, 1, dtype=torch.long), 2, 3.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(400.5)
    assert wrong.grad.isfinite().all()


def test_every_head_has_mean_and_variance_of_its_own_samples():
    heads = [drawn(2, (2, 4, 3, 8 >> s, 8 >> s)) for s in range(2)]
    labels = truth(shape=(2, 3, 8, 8))
    fine = float(total_loss(heads[0], labels, 2, 3.0))
    coarse = float(total_loss(heads[1], labels[..., 1::2, 1::2], 2, 3.0))
    expected = (fine + coarse / 2) / 1.5
    assert float(deep_supervision(heads, labels, 2, 3.0)) == pytest.approx(expected, rel=1e-6)


def test_generalised_dice_by_hand():
    """Class 0 fills 4 voxels, class 1 two, class 2 none: weights 1/16, 1/4 and, absent, 1/4."""
    p = torch.tensor(
        [
            [0.9, 0.8, 0.7, 0.6, 0.2, 0.1],
            [0.1, 0.2, 0.2, 0.2, 0.7, 0.6],
            [0.0, 0.0, 0.1, 0.2, 0.1, 0.3],
        ]
    ).reshape(1, 3, 1, 2, 3)
    labels = torch.tensor([0, 0, 0, 0, 1, 1]).reshape(1, 1, 2, 3)
    overlap = 3.0 / 16 + 1.3 / 4
    total = (3.3 + 4) / 16 + (2.0 + 2) / 4 + 0.7 / 4
    dice = 1 - 2 * overlap / total
    assert float(
        generalised_dice(p, torch.nn.functional.one_hot(labels, 3).movedim(-1, 1))
    ) == pytest.approx(dice, rel=1e-6)
    right = [0.9, 0.8, 0.7, 0.6, 0.7, 0.6]
    entropy = -sum(math.log(value) for value in right) / 6
    loss = total_loss(p.log(), labels, dice="generalised")
    assert float(loss) == pytest.approx(dice + entropy, rel=1e-6)


def test_dice_is_taken_by_volume():
    labels = torch.zeros(2, 1, 8, 8, dtype=torch.long)
    labels[0, :, :6, :6], labels[1, :, :2, :2] = 1, 1
    right = torch.nn.functional.one_hot(labels, 2).movedim(-1, 1).float()
    assert float(volume_dice(right, labels)) == pytest.approx(0, abs=1e-4)
    lost = right.clone()
    lost[1] = right[1].flip(0)  # the small one is missed: half of the loss, however small it is
    assert float(volume_dice(lost, labels)) > 0.4


def test_where_only_the_lv_is_drawn_the_others_may_be_anything():
    labels = torch.full((1, 1, 8, 8), UNKNOWN)
    labels[:, :, :4] = 1
    lv = torch.zeros(1, 4, 1, 8, 8)
    lv[:, 1, :, :4] = 50
    for others in (0, 2, 3):
        said = lv.clone()
        said[:, others, :, 4:] = 50
        assert float(total_loss(said, labels)) == pytest.approx(0, abs=1e-3)
    unsure = torch.zeros(1, 4, 1, 8, 8).log_softmax(1)
    told = log_likelihood(unsure, labels)
    assert float(told[0, 0, 0, 0]) == pytest.approx(math.log(1 / 4))
    assert float(told[0, 0, 7, 0]) == pytest.approx(math.log(3 / 4))


def test_generalised_dice_has_a_finite_gradient_where_all_is_background():
    x = logits().requires_grad_()
    total_loss(x, torch.zeros_like(truth()), dice="generalised").backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().max() > 0


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
