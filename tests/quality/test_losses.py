from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from monai.losses import GeneralizedDiceLoss

from cmrseg.quality.losses import (
    generalised_dice,
    reconstruction_loss,
    semi_supervised_loss,
    supervised_loss,
)


def onehot(labels, classes=4):
    return F.one_hot(torch.tensor(labels), classes).movedim(-1, 1).float()


def random_pair():
    torch.manual_seed(0)
    probabilities = torch.randn(2, 4, 9, 9).softmax(dim=1)
    return probabilities, onehot(torch.randint(0, 4, (2, 9, 9)).tolist())


def test_generalised_dice_by_hand():
    # One voxel of class 1, three of class 0: weights 1 and 1/9. Half of everything is right.
    target = onehot([[[0, 0, 0, 1]]], 2)
    probabilities = torch.full_like(target, 0.5)
    overlap = 1 / 9 * 1.5 + 1 * 0.5
    total = 1 / 9 * (2 + 3) + 1 * (2 + 1)
    assert float(generalised_dice(probabilities, target)) == pytest.approx(1 - 2 * overlap / total)


def test_generalised_dice_as_monai_has_it():
    probabilities, target = random_pair()
    theirs = GeneralizedDiceLoss(batch=True, smooth_nr=0, smooth_dr=0)(probabilities, target)
    assert float(generalised_dice(probabilities, target)) == pytest.approx(float(theirs), abs=1e-6)


def test_importance_makes_a_class_count_more():
    target = onehot([[[0, 0, 1, 1, 3, 3]]])
    right = target.clone()
    wrong_rv, wrong_lv = onehot([[[0, 0, 1, 1, 3, 0]]]), onehot([[[0, 0, 1, 0, 3, 3]]])
    assert float(generalised_dice(right, target, (1, 1, 1, 4))) == pytest.approx(0, abs=1e-6)
    assert float(generalised_dice(wrong_rv, target)) == pytest.approx(
        float(generalised_dice(wrong_lv, target))
    )
    assert float(generalised_dice(wrong_rv, target, (1, 1, 1, 4))) > 1.5 * float(
        generalised_dice(wrong_lv, target, (1, 1, 1, 4))
    )


def test_inventing_a_class_costs_and_nothing_is_infinite():
    target = onehot([[[0] * 30 + [1, 1]]])
    invented = target.clone()
    invented[0, 0, 0, 0], invented[0, 3, 0, 0] = 0, 1
    assert float(generalised_dice(invented, target)) > 0.05
    empty = onehot([[[0] * 8]])
    assert float(generalised_dice(empty, empty)) == pytest.approx(0, abs=1e-6)


def test_reconstruction_loss_is_mse_and_generalised_dice():
    probabilities, target = random_pair()
    found = reconstruction_loss(probabilities.log(), target.argmax(dim=1))
    squared = float(((probabilities - target) ** 2).mean())
    assert float(found) == pytest.approx(squared + float(generalised_dice(probabilities, target)))


def test_supervised_loss_is_generalised_dice_and_cross_entropy():
    probabilities, target = random_pair()
    truth = target.argmax(dim=1)
    entropy = float(F.cross_entropy(probabilities.log(), truth))
    found = float(supervised_loss(probabilities, truth))
    assert found == pytest.approx(entropy + float(generalised_dice(probabilities, target)))
    certain_and_wrong = onehot([[[1]]])
    assert math.isfinite(float(supervised_loss(certain_and_wrong, torch.tensor([[[0]]]))))


@pytest.mark.parametrize("epoch", [1, 2, 10])
def test_alpha_falls_with_the_epoch(epoch):
    probabilities, target = random_pair()
    truth = target.argmax(dim=1)
    pseudo = torch.roll(truth, 1, dims=-1)
    importance = (1.0, 1.0, 1.0, 4.0)
    found = semi_supervised_loss(
        probabilities, pseudo, probabilities, truth, epoch=epoch, importance=importance
    )
    weighted = generalised_dice(probabilities, onehot(pseudo.tolist()), importance)
    expected = float(weighted) / epoch + float(supervised_loss(probabilities, truth))
    assert float(found) == pytest.approx(expected)
