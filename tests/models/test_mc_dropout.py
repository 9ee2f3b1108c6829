"""Passes that share work are as many separate calls: outputs, gradients, running statistics."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn

from cmrseg.models.fusion import fuse
from cmrseg.models.layers import SliceNorm
from cmrseg.models.mc_dropout import counting, sampled
from cmrseg.models.unet import UNet, UNetConfig

CONFIG = UNetConfig(
    classes=3,
    features=(4, 6, 8, 10, 6),
    across=(False, False, True, True, True),
    dropout=(0.0, 0.0, 0.0, 0.3, 0.3),
)
PLACES = {
    "as the recipe": CONFIG.dropout,
    "bottleneck alone": (0.0, 0.0, 0.0, 0.0, 0.5),
    "from the first block on": (0.2,) * 5,
    "skipping a stage": (0.0, 0.4, 0.0, 0.2, 0.0),
    "nowhere": (0.0,) * 5,
}
SEAMS = {
    "as BN2": (0.0, 0.3, 0.3, 0.3, 0.0),
    "from the first on": (0.2, 0.2, 0.2, 0.2, 0.0),
    "skipping a stage": (0.0, 0.4, 0.0, 0.2, 0.0),
    "nowhere": (0.0,) * 5,
}
PASSES = 3


def noise(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def network(execution="folded", dropout=CONFIG.dropout, **changed):
    """In double precision, with biases and norms of its own."""
    torch.manual_seed(0)
    net = UNet(replace(CONFIG, dropout=dropout, **changed), execution).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


class Masks(nn.Module):
    """Dropout that draws its n-th mask from (its place, n) alone, whatever is called between."""

    def __init__(self, rate, place):
        super().__init__()
        self.rate, self.place, self.calls = rate, place, 0

    def forward(self, x):
        generator = torch.Generator().manual_seed(1000 * self.place + self.calls)
        self.calls += 1
        kept = torch.rand(x.shape, generator=generator, dtype=x.dtype) >= self.rate
        return x * kept / (1 - self.rate)


def with_masks(net):
    """The network with the same masks for its first, second, ... pass however passes are run."""
    stages = [*net.encoder, *net.decoder]
    for place, block in enumerate(b for s in stages for b in (s.first, s.second)):
        block.dropout = Masks(block.dropout.p, place)
    for place, stage in enumerate(stages, start=100):
        if stage.seam:
            stage.seam = Masks(stage.seam.p, place)
    return net


def naive(net, x):
    """As many calls, pass by pass."""
    return [torch.cat(head) for head in zip(*(net(x) for _ in range(PASSES)), strict=True)]


def probability_loss(heads):
    """Means and variances over the passes, as the paper's loss has them."""
    losses = []
    for head in heads:
        p = head.reshape(PASSES, -1, *head.shape[1:]).softmax(dim=2)
        losses.append((p.mean(0) ** 3).sum() + 3 * p.var(0, correction=0).sum())
    return torch.stack(losses).sum()


@pytest.mark.parametrize("execution", ["folded", "native"])
@pytest.mark.parametrize("place", PLACES)
def test_outputs_gradients_and_statistics_are_those_of_separate_passes(place, execution):
    check_against_separate(place, execution, dropout=PLACES[place])


@pytest.mark.parametrize("execution", ["folded", "native"])
@pytest.mark.parametrize("pooling", ["max", "stride"])
@pytest.mark.parametrize("place", SEAMS)
def test_so_they_are_where_dropout_sits_at_the_seams(place, pooling, execution):
    options = {"dropout": SEAMS[place], "dropout_at": "seams", "pooling": pooling}
    check_against_separate(place, execution, **options)


def check_against_separate(place, execution, **options):
    one, other = (with_masks(network(execution, **options)).train() for _ in range(2))
    inputs = [noise(2, 1, 3, 32, 16).requires_grad_() for _ in range(2)]
    expected = naive(one, inputs[0])
    found = sampled(other, inputs[1], PASSES)
    assert [y.shape for y in found] == [(6, 3, 3, 32 >> s, 16 >> s) for s in range(3)]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
    differ = (expected[0][:2] - expected[0][2:4]).abs().max()
    assert (differ > 1e-2) == (place != "nowhere")

    probability_loss(expected).backward()
    probability_loss(found).backward()
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, rtol=1e-8, atol=1e-10)
    for (name, a), (_, b) in zip(other.named_parameters(), one.named_parameters(), strict=True):
        assert b.grad.abs().max() > 0, name
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-9, msg=name)
    for (name, a), (_, b) in zip(other.named_buffers(), one.named_buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12, msg=name)


@pytest.mark.parametrize("execution", ["folded", "native"])
@pytest.mark.parametrize(
    "options", [{}, {"dropout": SEAMS["as BN2"], "dropout_at": "seams", "pooling": "max"}]
)
def test_passes_in_a_row_draw_torchs_dropout_as_separate_calls_do(execution, options):
    one, other = (network(execution, **options) for _ in range(2))
    x = noise(2, 1, 3, 16, 16)
    torch.manual_seed(3)
    expected = naive(one, x)
    torch.manual_seed(3)
    found = other(x, PASSES)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_one_pass_is_the_plain_call():
    one, other, x = network(), network(), noise(2, 1, 3, 16, 16)
    torch.manual_seed(3)
    expected = one(x)
    torch.manual_seed(3)
    assert all(torch.equal(a, b) for a, b in zip(other(x, 1), expected, strict=True))


def test_one_pass_taken_apart_is_the_plain_call_too():
    one, other, x = network(), network(), noise(2, 1, 3, 16, 16)
    torch.manual_seed(3)
    expected = one(x)
    torch.manual_seed(3)
    for a, b in zip(sampled(other, x, 1), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("fused", [False, True])
def test_what_lies_before_the_first_dropout_is_computed_once(fused, monkeypatch):
    net = network().eval()
    if fused:
        net = fuse(net)
    calls = Counter()

    def count(name, compute):
        def counted(*arguments):
            calls[name] += 1
            return compute(*arguments)

        return counted

    for number, stage in enumerate(net.encoder):
        for part, block in (("first", stage.first), ("second", stage.second)):
            owner, method = (block, "conv") if fused else (block.conv, "forward")
            compute = getattr(owner, method)
            monkeypatch.setattr(owner, method, count(f"{number}.{part}", compute))
    net.joins = nn.ModuleList([net.join(number) for number in range(4)])
    for number, join in enumerate(net.joins):
        monkeypatch.setattr(join, "aside", count(f"aside {number}", join.aside))
        monkeypatch.setattr(join, "below", count(f"below {number}", join.below))
    with torch.inference_mode():
        sampled(net, noise(1, 1, 2, 16, 16), PASSES)
    once = ["0.first", "0.second", "1.first", "1.second", "2.first", "2.second", "3.first"]
    once += ["aside 0", "aside 1", "aside 2"]
    often = ["3.second", "4.first", "4.second", "aside 3", *(f"below {s}" for s in range(4))]
    assert calls == {**dict.fromkeys(once, 1), **dict.fromkeys(often, PASSES)}


def test_equal_batches_move_running_statistics_in_closed_form():
    x = noise(4, 2, 3, 4, 5)
    one, other = SliceNorm(2).double(), SliceNorm(2).double()
    for _ in range(PASSES):
        one(x)
    with counting([other], PASSES):
        other(x)
    torch.testing.assert_close(other.running_mean, one.running_mean, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(other.running_var, one.running_var, rtol=1e-12, atol=1e-14)
    assert int(other.num_batches_tracked) == int(one.num_batches_tracked) == PASSES
    # By hand: each update keeps nine tenths of what was there.
    expected = (1 - 0.9**PASSES) * x.mean(dim=(0, 2, 3, 4))
    torch.testing.assert_close(other.running_mean, expected, rtol=1e-12, atol=1e-14)
    assert other.momentum == 0.1


@pytest.mark.parametrize("fused", [False, True])
def test_with_dropout_off_all_passes_are_the_plain_call(fused):
    options = {"dropout": SEAMS["as BN2"], "dropout_at": "seams", "pooling": "max"}
    net, x = network(**options).eval(), noise(2, 1, 3, 16, 16)
    with torch.inference_mode():
        expected = net(x)[0]
        found = sampled(fuse(net) if fused else net, x, PASSES)[0]
    torch.testing.assert_close(found, expected.repeat(PASSES, 1, 1, 1, 1), rtol=1e-9, atol=1e-9)


def test_statistics_stay_as_they_are_in_evaluation():
    net = network().eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net(noise(1, 1, 2, 16, 16), PASSES)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_momentum_is_put_back_when_a_pass_fails():
    net = network()
    with pytest.raises(RuntimeError):
        net(noise(1, 2, 2, 16, 16), PASSES)  # one channel too many
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm3d)]
    assert {norm.momentum for norm in norms} == {0.1}
