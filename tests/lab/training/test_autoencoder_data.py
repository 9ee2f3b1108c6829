from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from cmrseg.models.autoencoder import AutoencoderConfig
from cmrseg.quality.mask_window import centre, cut, one_hot
from cmrseg_lab.training.autoencoder_config import AutoencoderTraining
from cmrseg_lab.training.autoencoder_data import batches, example
from tiny import heart

CONFIG = AutoencoderTraining(
    recipe="mnms2-sa-qc",
    network=AutoencoderConfig(slices=3, size=32, layers=((8, 2), (8, 2), (4, 2)), dropout=0.0),
    batch=2,
    steps=4,
    learning_rate=1e-3,
)
STACKS = [heart(seed)[1] for seed in range(3)]


def test_true_masks_alone_are_given_as_in_use():
    config = replace(CONFIG, corrupted=0.0, turned=0.0)
    given, truth = example(STACKS[:1], config, 0)
    window = cut(STACKS[0], centre(STACKS[0]), 32)
    torch.testing.assert_close(given, one_hot(window, 4, 3))
    np.testing.assert_array_equal(truth, window)


def test_wrong_masks_are_given_and_right_ones_asked_for():
    config = replace(CONFIG, corrupted=1.0)
    differs = seen = 0
    for index in range(10):
        given, truth = example(STACKS, config, index)
        assert given.shape == (4, 12, 32, 32)
        assert truth.shape == (4, 32, 32)
        middle = given[:, 4:8].argmax(dim=1)
        differs += bool((middle != truth).any())
        seen += bool((truth > 0).any())  # an error may lead the window away from the heart
    assert differs >= 8
    assert seen >= 8


def test_turned_hearts_stay_hearts():
    config = replace(CONFIG, corrupted=0.0, turned=1.0)
    sizes = []
    for index in range(10):
        given, truth = example(STACKS[:1], config, index)
        torch.testing.assert_close(given[:, 4:8].argmax(dim=1), truth)
        sizes.append(int((truth > 0).sum()) / int((STACKS[0] > 0).sum()))
    assert 0.6 < min(sizes) < max(sizes) < 1.65  # scaled by .8 to 1.25 along each axis
    assert len(set(sizes)) > 5


def test_batches_go_on_where_they_stopped():
    whole = list(batches(CONFIG, STACKS, 0))
    rest = list(batches(CONFIG, STACKS, 2))
    assert len(whole) == 4
    for one, other in zip(whole[2:], rest, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    assert not torch.equal(whole[0][0], whole[1][0])


def test_gross_errors_are_given_on_top_and_the_truth_stays():
    stacks = [np.pad(stack, ((0, 0), (60, 60), (60, 60))) for stack in STACKS]
    network = replace(CONFIG.network, size=128)
    config = replace(CONFIG, network=network, corrupted=0.0, turned=0.0, blunders=1.0)
    for index in range(6):
        given, truth = example(stacks, config, index)
        seen = given[:, 4:8].argmax(dim=1)
        wrong = seen != truth
        assert wrong.any()
        # Either all of a slice is missing, or something is where nothing was.
        assert ((truth if (seen[wrong] == 0).all() else seen)[wrong] > 0).all()
        assert int((truth > 0).sum()) in {int((stack > 0).sum()) for stack in stacks}
