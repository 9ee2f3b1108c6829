"""A shared prefix is the same training step as separate passes; rows are ratios of steps."""

from __future__ import annotations

import pytest
import torch

from cmrseg_lab.studies.bench import passes
from cmrseg_lab.studies.bench.passes import KINDS, SAMPLES, BenchTrainee, training_rows
from tiny import segmenter_preset

CPU = torch.device("cpu")
TINY = segmenter_preset("emidec", batch=1, patch=(2, 16, 16))


def test_a_shared_prefix_computes_what_the_naive_loop_does() -> None:
    x = torch.randn(1, 1, 2, 16, 16, dtype=torch.float64)
    found = []
    for kind in ("naive loop", "shared prefix"):
        network = BenchTrainee(kind, TINY, CPU).trainee.unet.double()
        torch.manual_seed(5)
        found.append(network.train()(x, SAMPLES))
    for a, b in zip(*found, strict=True):
        assert a.shape[0] == SAMPLES
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_a_step_trains() -> None:
    trainee = BenchTrainee("shared prefix", TINY, CPU)
    before = [p.detach().clone() for p in trainee.trainee.parameters()]
    assert trainee.seconds("fp32") > 0
    moved = zip(before, trainee.trainee.parameters(), strict=True)
    assert all(not torch.equal(a, b) for a, b in moved)
    assert (trainee.task.preset.samples, trainee.task.preset.alpha) == (5, 3.0)


def test_ratios_are_taken_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = (1.0, 6.0, 3.0)
    taken: list[str] = []

    def seconds(self: BenchTrainee, precision: str) -> float:
        taken.append(precision)
        slower = (len(taken) - 1) // len(KINDS)  # by round
        return speeds[(len(taken) - 1) % len(KINDS)] * (1 + slower)

    monkeypatch.setattr(passes, "read_preset", lambda name: TINY)
    monkeypatch.setattr(BenchTrainee, "seconds", seconds)
    one, naive, shared = training_rows(CPU, 2)
    assert one.value.values == (2.0, 3.0)
    assert (naive.value.values, shared.value.values) == ((6.0, 6.0), (3.0, 3.0))
    assert (naive.aim, shared.aim, shared.met) == (None, 3.5, True)
