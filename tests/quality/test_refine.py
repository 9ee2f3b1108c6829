from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch
from torch import nn

from cmrseg.networks.unet import UNet, UNetConfig
from cmrseg.quality.refine import Flagged, Refining, refine
from cmrseg.quality.rehearsal import Rehearsal
from cmrseg.quality.thresholds import Fences
from quality.tools import Copier, Square, control

FENCES = Fences(th_low=0.9, th_up_mm=3.0, measures=20)
QUICK = Refining(learning_rate=0.1, epochs=10, slices=2)


class Threshold(nn.Module):
    """Calls RV what is brighter than its one weight."""

    def __init__(self, at: float = 1.5) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(at))
        self.norm = nn.BatchNorm3d(1, affine=False)  # its statistics must not move
        self.norm.eps = 0.0

    def forward(self, x):
        rv = torch.sigmoid(8 * (self.norm(x) - self.at))
        none = torch.zeros_like(rv)
        return torch.cat([1 - rv, none, none, rv], dim=1)


def heart(slices=3):
    """A square of 16 x 16 voxels with grey value 1, in it one of 8 x 8 with 2."""
    image = np.zeros((slices, 40, 40), np.float32)
    image[:, 12:28, 12:28] = 1
    image[:, 16:24, 16:24] = 2
    return image


def flagged(**changes):
    return Flagged(**{"image": heart(), "spacing_mm": (8.0, 1.5, 1.5), "fences": FENCES, **changes})


def rehearsal(rv_from):
    """Labelled slices on which everything from a grey value on is RV."""
    image = heart(6)
    return Rehearsal(image, np.where(image >= rv_from, 3, 0).astype(np.uint8))


def test_a_segmenter_learns_what_the_autoencoder_knows():
    # It finds the inner square alone; the autoencoder knows squares of 16.
    network = Threshold()
    (found,) = refine([network], [flagged()], control(Square()), rehearsal(1), QUICK)
    assert found is not None
    assert found.kept
    assert found.reason == "all in range"
    assert 1 <= found.epochs < QUICK.epochs
    assert found.before.measures[0]["RV"].pdc == pytest.approx(2 * 64 / (64 + 256))
    assert found.after.measures[0]["RV"].pdc == 1.0
    np.testing.assert_array_equal(found.after.probabilities[0].argmax(axis=0) == 3, heart() >= 1)
    assert found.rehearsal_loss[1] < found.rehearsal_loss[0]


def test_weights_statistics_and_mode_come_back():
    network = Threshold().train()
    refine([network], [flagged()], control(Square()), rehearsal(1), QUICK)
    assert float(network.at.detach()) == 1.5
    assert network.training
    assert network.at.grad is None
    assert float(network.norm.running_mean) == 0.0
    assert int(network.norm.num_batches_tracked) == 0


def test_the_semi_supervised_part_alone_can_do_it():
    # Labelled slices without the square of 1 leave a threshold between 0 and 2 where it is.
    image = np.where(heart(6) == 1, 0, heart(6)).astype(np.float32)
    neutral = Rehearsal(image, np.where(image == 2, 3, 0).astype(np.uint8))
    config = Refining(learning_rate=0.2, epochs=10, slices=3, tolerance=0.1)
    (found,) = refine([Threshold(1.2)], [flagged()], control(Square()), neutral, config)
    assert found is not None
    assert found.kept


def test_rolled_back_when_labelled_slices_suffer():
    # On the labelled slices the inner square alone is RV: what is learned here is forgotten there.
    config = Refining(learning_rate=0.3, epochs=10, importance=(1, 1, 1, 4), slices=3)
    known = Rehearsal(heart(6), np.where(heart(6) == 2, 3, 0).astype(np.uint8))
    network = Threshold()
    # A rehearsal too weak to hold it: one slice of it a step, mostly background.
    (found,) = refine(
        [network], [flagged()], control(Square()), known, config, forward=strong_on_stacks
    )
    assert found is not None
    assert not found.kept
    assert "forget" in found.reason
    assert "rolled back" in found.reason
    assert found.after is found.before
    assert found.rehearsal_loss[1] > found.rehearsal_loss[0]


def strong_on_stacks(network, x):
    """Labelled slices (several single ones) have no gradient: nothing holds the segmenter back."""
    return network(x) if x.shape[0] == 1 else network(x).detach()


def test_rolled_back_when_no_mask_comes_into_range():
    (found,) = refine(
        [Threshold()], [flagged()], control(Copier(without_rv=True)), rehearsal(1), QUICK
    )
    assert found is not None
    assert not found.kept
    assert found.after is found.before
    assert found.epochs == QUICK.epochs
    assert found.reason == "K_semi epochs are over: rolled back"


def test_what_is_in_range_already_is_left_alone():
    (found,) = refine([Threshold(0.5)], [flagged()], control(Square()), rehearsal(1), QUICK)
    assert found is not None
    assert (found.kept, found.epochs, found.reason) == (False, 0, "all in range")


def test_a_cohort_is_refined_together_and_its_best_moment_kept():
    never = flagged(fences=Fences(th_low=1.1, th_up_mm=0.0, measures=20))
    (found,) = refine([Threshold()], [flagged(), never], control(Square()), rehearsal(1), QUICK)
    assert found is not None
    assert found.kept
    assert (found.before.held, found.after.held) == (0, 1)
    assert found.epochs == QUICK.epochs
    assert len(found.after.probabilities) == 2


def test_every_candidate_is_refined_for_itself():
    found = refine(
        [Threshold(1.5), Threshold(1.8)], [flagged()], control(Square()), rehearsal(1), QUICK
    )
    alone = refine([Threshold(1.8)], [flagged()], control(Square()), rehearsal(1), QUICK)
    assert all(one is not None and one.kept for one in found)
    np.testing.assert_array_equal(found[1].after.probabilities[0], alone[0].after.probabilities[0])


def test_the_same_seed_gives_the_same_result():
    torch.manual_seed(0)
    config = UNetConfig(
        classes=4, features=(4, 6, 8), across=(False,) * 3, dropout=(0.5,) * 3, deep_supervision=1
    )
    network = UNet(config)

    def run(seed):
        loose = Fences(th_low=2.0, th_up_mm=0.0, measures=20)
        settings = Refining(epochs=2, slices=1, rehearsed=2, seed=seed, tolerance=10.0)
        work = refine([network], [flagged(fences=loose)], control(Square()), labelled, settings)
        return work[0].rehearsal_loss

    noise = np.random.default_rng(0).normal(size=(6, 40, 40)).astype(np.float32)
    labelled = Rehearsal(noise, (noise > 0).astype(np.uint8))

    torch.manual_seed(1)
    first = run(0)
    torch.manual_seed(2)  # the global generator plays no part
    assert run(0) == first
    assert run(1) != first
    assert first[1] != first[0]


def test_told_in_json():
    (found,) = refine([Threshold()], [flagged()], control(Square()), rehearsal(1), QUICK)
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["kept"] is True
    assert told["before"] == [{"pDC": 0.4, "pHD_mm": told["before"][0]["pHD_mm"]}]
    assert told["after"] == [{"pDC": 1.0, "pHD_mm": 0.0}]


class Slow:
    """A clock, and a segmenter's pass that takes a second a slice on it, thrice with a gradient."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self):
        return self.now

    def forward(self, network, x):
        self.now += x.shape[0] * x.shape[2] * (3 if torch.is_grad_enabled() else 1)
        return network(x)


@pytest.mark.parametrize("candidates", [1, 3])
@pytest.mark.parametrize("budget_s", [0, 5, 12, 40, 100, 1000])
def test_the_budget_is_met(budget_s, candidates):
    slow = Slow()
    config = Refining(epochs=30, slices=2, rehearsed=2, checked=4, budget_s=budget_s)
    networks = [Threshold() for _ in range(candidates)]
    found = refine(
        networks,
        [flagged()],
        control(Copier(without_rv=True)),
        rehearsal(1),
        config,
        forward=slow.forward,
        look_s=4.0,
        clock=slow,
    )
    assert slow.now <= budget_s
    assert len(found) == candidates
    assert (found[0] is None) == (budget_s < 4 * 2 * 1.2 * candidates)
    if budget_s == 100:
        assert slow.now > 50  # the time given is used
        assert any("time is over" in one.reason for one in found)


def test_the_budget_is_met_by_the_real_clock():
    def forward(network, x):
        time.sleep(0.01 * x.shape[0] * x.shape[2])
        return network(x)

    config = Refining(epochs=100, slices=2, rehearsed=2, checked=4, budget_s=0.8)
    work = [Threshold()], [flagged()], control(Copier(without_rv=True)), rehearsal(1), config
    began = time.monotonic()
    (found,) = refine(*work, forward=forward, look_s=0.03)
    assert time.monotonic() - began < 0.8 + 0.3  # a busy machine may wake late
    assert found is not None
