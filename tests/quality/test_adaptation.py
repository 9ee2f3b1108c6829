from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cmrseg.models.unet import UNet, UNetConfig
from cmrseg.quality.adaptation import refine
from cmrseg.quality.adaptation_types import Flagged, Refining, mended
from cmrseg.quality.borrow import class_probabilities, most_probable, probabilities
from cmrseg.quality.losses import semi_supervised_loss
from cmrseg.quality.pseudo_metrics import Pseudo, pseudo_measures
from cmrseg.quality.replay import Rehearsal
from cmrseg.quality.selection import Fences
from quality.tools import STRUCTURES, Copier, Square, control

FENCES = Fences(th_low=0.9, th_up_mm=3.0, measures=20)
AGES = 1e6
"""Seconds: a busy machine must not change what is learned."""
QUICK = Refining(learning_rate=0.1, epochs=10, slices=2, budget_s=AGES)


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


def flagged(networks, known, **changes):
    """The heart, with the masks of these networks as they are now."""
    image = changes.pop("image", heart())
    masks = [mask_of(network, image) for network in networks]
    spacing_mm = (8.0, 1.5, 1.5)
    measures = tuple(
        pseudo_measures(m, known.reconstructor.labels(m), spacing_mm, STRUCTURES) for m in masks
    )
    told = {"spacing_mm": spacing_mm, "fences": FENCES, "masks": tuple(masks)}
    told["answering"] = tuple(range(len(networks)))
    return Flagged(image=image[None], measures=measures, **told | changes)


@torch.no_grad()
def mask_of(network, image):
    mode = network.training
    maps = class_probabilities(network.eval(), torch.from_numpy(image)[None, None])[0]
    network.train(mode)
    return most_probable(maps.numpy())


def refined(networks, known, labelled, config, cases=1, **given):
    """Refine on one heart or several."""
    fences = given.pop("fences", [FENCES] * cases)
    images = [flagged(networks, known, fences=own) for own in fences]
    return refine(networks, images, known, labelled, config, **given)


def rehearsal(rv_from):
    """Labelled slices on which everything from a grey value on is RV."""
    image = heart(6)
    return Rehearsal(image, np.where(image >= rv_from, 3, 0).astype(np.uint8))


def test_a_segmenter_learns_what_the_autoencoder_knows():
    # It finds the inner square alone; the autoencoder knows squares of 16.
    network = Threshold()
    (found,) = refined([network], control(Square()), rehearsal(1), QUICK)
    assert found is not None
    assert found.kept
    assert found.reason == "all in range"
    assert 1 <= found.epochs < QUICK.epochs
    assert found.before.measures[0]["RV"].pdc == pytest.approx(2 * 64 / (64 + 256))
    assert found.after.measures[0]["RV"].pdc == 1.0
    assert found.rehearsal_loss[1] < found.rehearsal_loss[0]
    network.load_state_dict(found.weights)
    np.testing.assert_array_equal(mask_of(network, heart()) == 3, heart() >= 1)


def test_weights_statistics_and_mode_come_back():
    network = Threshold().train()
    refined([network], control(Square()), rehearsal(1), QUICK)
    assert float(network.at.detach()) == 1.5
    assert network.training
    assert network.at.grad is None
    assert float(network.norm.running_mean) == 0.0
    assert int(network.norm.num_batches_tracked) == 0


def test_the_semi_supervised_part_alone_can_do_it():
    # Labelled slices without the square of 1 leave a threshold between 0 and 2 where it is.
    image = np.where(heart(6) == 1, 0, heart(6)).astype(np.float32)
    neutral = Rehearsal(image, np.where(image == 2, 3, 0).astype(np.uint8))
    config = replace(QUICK, learning_rate=0.2, slices=3, tolerance=0.1)
    (found,) = refined([Threshold(1.2)], control(Square()), neutral, config)
    assert found is not None
    assert found.kept


def test_rolled_back_when_labelled_slices_suffer():
    # On the labelled slices the inner square alone is RV: what is learned here is forgotten there.
    config = replace(QUICK, learning_rate=0.3, slices=3)
    known = Rehearsal(heart(6), np.where(heart(6) == 2, 3, 0).astype(np.uint8))
    # A rehearsal too weak to hold it: it has no gradient.
    (found,) = refined([Threshold()], control(Square()), known, config, forward=strong_on_stacks)
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
    (found,) = refined([Threshold()], control(Copier(without_rv=True)), rehearsal(1), QUICK)
    assert found is not None
    assert not found.kept
    assert found.after is found.before
    assert found.epochs == QUICK.epochs
    assert "rolled back" in found.reason


def test_rolled_back_when_another_structure_is_gone():
    inside = Fences(th_low=0.9, th_up_mm=3.0, measures=20)
    was, lost, good = Pseudo(0.5, 9.0), Pseudo(0.0, 99.0), Pseudo(0.95, 1.0)
    assert mended({"LV": was, "RV": good}, {"LV": good, "RV": was}, inside)
    assert not mended({"LV": good, "RV": was}, {"LV": good, "RV": was}, inside)
    assert not mended({"LV": lost, "RV": good}, {"LV": was, "RV": was}, inside)
    assert mended({"LV": lost, "RV": good}, {"LV": lost, "RV": was}, inside)  # never was there


def test_what_is_in_range_already_is_left_alone():
    (found,) = refined([Threshold(0.5)], control(Square()), rehearsal(1), QUICK)
    assert found is not None
    assert (found.kept, found.epochs, found.reason) == (False, 0, "all in range")


def test_a_cohort_is_refined_together_and_its_best_moment_kept():
    never = Fences(th_low=1.1, th_up_mm=0.0, measures=20)
    (found,) = refined(
        [Threshold()], control(Square()), rehearsal(1), QUICK, fences=[FENCES, never]
    )
    assert found is not None
    assert found.kept
    assert (found.before.mended, found.after.mended) == ((False, False), (True, False))
    assert found.epochs == QUICK.epochs
    assert [found.record(image)["kept"] for image in (0, 1)] == [True, False]


def test_every_candidate_is_refined_for_itself():
    known, alone = control(Square()), Threshold(1.8)
    image = flagged([alone], known)
    both = {"masks": image.masks * 2, "measures": image.measures * 2, "answering": (0, 1)}
    others = replace(image, **both)
    config = replace(QUICK, epochs=3)
    found = refine([Threshold(1.5), alone], [others], known, rehearsal(1), config)
    again = refine([alone], [image], known, rehearsal(1), config)
    assert found[1].rehearsal_loss == again[0].rehearsal_loss


def test_only_who_answers_is_refined_and_has_all_the_time_unless_all_are_asked_for():
    three, known = [Threshold(1.8), Threshold(1.5), Threshold(1.5)], control(Square())
    images = [flagged(three, known, answering=own) for own in [(1,), (1, 2)]]
    own, everyone = (replace(QUICK, epochs=1, candidates=who) for who in ("answering", "all"))
    found = refine(three, images, known, rehearsal(1), own)
    assert [one and len(one.before.measures) for one in found] == [None, 2, 1]
    found = refine(three, images, known, rehearsal(1), everyone)
    assert [len(one.before.measures) for one in found] == [2, 2, 2]
    slow, given = Slow(), {"pass_s": 3.0}
    given |= {"clock": slow, "forward": slow.forward}
    for config, began in ((own, [False, True, False]), (everyone, [False, False, True])):
        enough = replace(config, budget_s=6 * 1.2)  # for one check
        found = refine(three, images[:1], known, rehearsal(1), enough, **given)
        assert [one is not None for one in found] == began


def test_what_a_check_took_says_what_is_to_be_expected_of_a_look():
    """A pass is expected to take 30 s and takes 3: after the first check that is known."""
    slow = Slow()
    config = replace(QUICK, epochs=1, checked=6, budget_s=100.0, flips=((), (-1,)))
    given = {"pass_s": 30.0, "clock": slow, "forward": slow.forward}
    known = control(Copier(without_rv=True))
    (found,) = refined([Threshold()], known, rehearsal(1), config, **given)
    assert found is not None
    assert found.epochs == 1


def test_the_same_seed_gives_the_same_result():
    torch.manual_seed(0)
    config = UNetConfig(
        classes=4, features=(4, 6, 8), across=(False,) * 3, dropout=(0.5,) * 3, deep_supervision=1
    )
    network = UNet(config).eval()

    def run(seed):
        loose = Fences(th_low=2.0, th_up_mm=0.0, measures=20)
        settings = Refining(
            epochs=2, slices=1, rehearsed=2, seed=seed, tolerance=10.0, budget_s=AGES
        )
        work = refined([network], control(Square()), labelled, settings, fences=[loose])
        return work[0].rehearsal_loss

    noise = np.random.default_rng(0).normal(size=(6, 40, 40)).astype(np.float32)
    labelled = Rehearsal(noise, (noise > 0).astype(np.uint8))

    torch.manual_seed(1)
    first = run(0)
    torch.manual_seed(2)  # the global generator plays no part
    assert run(0) == first
    assert run(1) != first
    assert first[1] != first[0]


def test_a_segmenter_learns_from_its_own_mask(monkeypatch):
    # The autoencoder reproduces anything; the others see the outer square.
    three = [Threshold(1.5), Threshold(0.5), Threshold(0.5)]
    known, taught = control(Copier(size=40)), []

    def loss(predicted, reconstructed, *rest, **more):
        taught.append(int((reconstructed == 3).sum()))
        return semi_supervised_loss(predicted, reconstructed, *rest, **more)

    monkeypatch.setattr("cmrseg.quality.adaptation.semi_supervised_loss", loss)
    image = flagged(three, known, fences=replace(FENCES, th_low=2.0), answering=(0,))
    refine(three, [image], known, rehearsal(1), replace(QUICK, slices=3, epochs=1))
    assert taught == [3 * 8**2]


def test_steps_see_a_window_around_the_heart_and_looks_the_whole_image():
    shapes = set()

    def forward(network, x):
        shapes.add((torch.is_grad_enabled(), tuple(x.shape[2:])))
        return network(x)

    config = replace(QUICK, window=24, epochs=1, flips=((), (-1,)))
    refined([Threshold()], control(Square()), rehearsal(1), config, forward=forward)
    assert (True, (2, 24, 24)) in shapes
    assert (True, (2, 40, 40)) not in shapes
    assert (False, (3, 40, 40)) in shapes


def test_mirror_images_are_averaged_as_candidates_are():
    class Left(nn.Module):
        def forward(self, x):
            ramp = torch.linspace(0, 1, x.shape[-1]).expand_as(x)
            return torch.cat([ramp, 1 - ramp], dim=1)

    image = np.zeros((2, 8, 8), np.float32)
    image = image[None]
    plain = probabilities(Left(), image, ((),), torch.device("cpu"))
    assert plain.shape == (2, 2, 8, 8)
    assert plain[0, 0, 0, -1] == 1
    both = probabilities(Left(), image, ((), (-1,)), torch.device("cpu"))
    np.testing.assert_allclose(both, 0.5, atol=1e-6)


def test_told_in_json():
    (found,) = refined([Threshold()], control(Square()), rehearsal(1), QUICK)
    told = json.loads(json.dumps(found.record(), allow_nan=False))
    assert told["kept"] is True
    assert told["before"]["pDC"] == 0.4
    assert (told["after"]["pDC"], told["after"]["pHD_mm"]) == (1.0, 0.0)


class Slow:
    """A clock, and a segmenter's pass that takes a second a slice on it, thrice with a gradient.

    From a moment on everything takes longer: the machine has got busy.
    """

    def __init__(self, busy_from=float("inf")) -> None:
        self.now, self.busy_from = 0.0, busy_from

    def __call__(self):
        return self.now

    def forward(self, network, x):
        seconds = x.shape[0] * x.shape[2] * (3 if torch.is_grad_enabled() else 1)
        self.now += seconds * (5 if self.now > self.busy_from else 1)
        return network(x)


@pytest.mark.parametrize("candidates", [1, 3])
@pytest.mark.parametrize("budget_s", [0, 5, 12, 40, 100, 1000])
def test_the_budget_is_met(budget_s, candidates):
    slow = Slow()
    config = Refining(epochs=30, slices=2, rehearsed=2, checked=4, budget_s=budget_s)
    networks = [Threshold() for _ in range(candidates)]
    found = refined(
        networks,
        control(Copier(without_rv=True)),
        rehearsal(1),
        config,
        forward=slow.forward,
        pass_s=4.0,
        clock=slow,
    )
    assert slow.now <= budget_s
    assert len(found) == candidates
    assert (found[0] is None) == (budget_s < 4 * 4 / 3 * 1.2 * candidates)  # no time for a check
    if budget_s == 100:
        assert slow.now > 50  # the time given is used
        assert any("time is over" in one.reason for one in found if one)


@pytest.mark.parametrize("busy_from", [0, 3, 20, 60])
def test_on_a_machine_that_gets_busy_it_is_late_by_one_piece_at_most(busy_from):
    slow = Slow(busy_from)
    config = Refining(epochs=30, slices=2, rehearsed=2, checked=4, budget_s=100.0)
    refined(
        [Threshold(), Threshold()],
        control(Copier(without_rv=True)),
        rehearsal(1),
        config,
        forward=slow.forward,
        pass_s=4.0,
        clock=slow,
    )
    piece_s = 5 * 3 * 4
    assert slow.now <= 100 + piece_s


def test_a_step_on_a_window_is_not_expected_to_take_what_the_whole_image_takes():
    """A pass takes 36 s, but for a look: steps see a ninth of the image, and small slices."""
    slow, planes = Slow(), []

    def forward(network, x):
        planes.append(tuple(x.shape[2:]))
        slow.now += 36.0 * x[:, 0].numel() / image.size * (3 if torch.is_grad_enabled() else 1)
        return network(x)

    image = np.pad(heart(), ((0, 0), (40, 40), (40, 40)))
    known, networks = control(Copier(without_rv=True)), [Threshold()]
    config = Refining(epochs=3, slices=3, window=40, rehearsed=3, checked=3, budget_s=150.0)
    images = [flagged(networks, known, image=image)]
    timing = {"pass_s": 36.0, "clock": slow, "forward": forward}
    (found,) = refine(networks, images, known, rehearsal(1), config, **timing)
    assert found is not None  # a step over the whole image would take 3 x 36 s, before any look
    assert found.epochs >= 2
    assert (3, 120, 120) in planes
    assert slow.now <= 150


def test_maps_of_the_best_moment_are_kept_of_one_image_and_of_no_cohort():
    alone, cohort = (
        refined([Threshold()], control(Square()), rehearsal(1), QUICK, cases=cases)[0]
        for cases in (1, 2)
    )
    (maps,) = alone.after.maps
    np.testing.assert_array_equal(most_probable(maps) == 3, heart() >= 1)
    assert cohort.kept
    assert cohort.after.maps == ()


def test_the_budget_is_met_by_the_real_clock():
    def forward(network, x):
        time.sleep(0.01 * x.shape[0] * x.shape[2])
        return network(x)

    config = Refining(epochs=100, slices=2, rehearsed=2, checked=4, budget_s=0.8)
    known, networks = control(Copier(without_rv=True)), [Threshold()]
    images = [flagged(networks, known)]
    torch.optim.Adam(networks[0].parameters())  # imports for long, the first time
    began = time.monotonic()
    (found,) = refine(networks, images, known, rehearsal(1), config, forward=forward, pass_s=0.03)
    took = time.monotonic() - began
    assert found is not None
    # All hundred epochs would have taken far longer; a busy machine may wake late.
    assert took < 0.8 + 2 < 0.5 * took / found.epochs * config.epochs
