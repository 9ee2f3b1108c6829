"""The command line names the networks without importing them: the names must agree."""

from dataclasses import replace

import pytest
import torch

from cmrseg.cases.labels import CODES
from cmrseg.cli import options
from cmrseg.models.unet import UNet
from cmrseg_lab.cli import train
from cmrseg_lab.training.presets import RECIPES


def test_names_agree():
    assert tuple(RECIPES) == train.NETWORKS
    assert tuple(CODES) == options.CHALLENGES
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert all("compact" in recipe.training for recipe in RECIPES.values())


def test_the_paper_configuration_is_the_papers():
    """Section 2.3: batch 5, 1000 epochs of 250 steps, SGD 0.01; dropout 0.1 in the middle."""
    paper = RECIPES["emidec"].training["paper"]
    assert (paper.batch, paper.steps, paper.optimiser, paper.learning_rate) == (
        5,
        250_000,
        "sgd",
        0.01,
    )
    assert set(paper.network.dropout) == {0.0, 0.1}
    assert paper.network.dropout[0] == 0.0
    assert (paper.augmentation, paper.on_heart, paper.upside_down) == ("nnunet", 1 / 3, True)
    assert RECIPES["emidec"].grid.spacing_mm == (None, 1.458, 1.458)


@pytest.mark.parametrize("view", ["SA", "LA"])
def test_both_segmenters_of_the_paper_are_there(view):
    """galati2021 section 3.1 and 2.2: BN1 and BN2, generalised Dice (Eq. 1), m_best = 3."""
    training = RECIPES[f"mnms2-{view.lower()}"].training
    assert training["bn1"] == training["paper"]
    for name in ("bn1", "bn2", "bn2-compact"):
        assert (training[name].dice, training[name].keep) == ("generalised", 3)
    assert (training["compact"].dice, training["compact"].keep) == ("soft", 0)
    bn2, compact = (training[name].network for name in ("bn2", "bn2-compact"))
    assert bn2.features == (48, 96, 192, 384, 768)
    assert (training["bn2"].optimiser, training["bn2"].learning_rate) == ("adam", 5e-4)
    for network in (bn2, compact):
        assert (network.pooling, network.dropout_at) == ("max", "seams")
        with torch.device("meta"):
            stages = UNet(network)
        rates = [s.seam.p if s.seam else 0 for s in (*stages.encoder, *stages.decoder)]
        assert rates == [0, 0, 0.3, 0.3, 0.3, 0, 0.3, 0.3, 0.3]


@pytest.mark.parametrize("view", ["SA", "LA"])
def test_networks_see_one_slice_at_a_time_but_for_the_one_of_stacks(view):
    for name, config in RECIPES[f"mnms2-{view.lower()}"].training.items():
        assert any(config.network.across) == (config.patch[0] > 1) == (name == "stack")
    assert ("stack" in RECIPES[f"mnms2-{view.lower()}"].training) == (view == "SA")


def test_the_network_of_stacks_may_begin_as_the_compact_one():
    compact, stack = (RECIPES["mnms2-sa"].training[name] for name in ("compact", "stack"))
    assert replace(stack.network, across=compact.network.across) == compact.network
    assert 0 < stack.alone < 1
