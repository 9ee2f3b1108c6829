"""The quicker execution is chosen by time, and only where it clearly is."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cmrseg.models import layout
from cmrseg.models.layout import CLEARLY, EXECUTIONS, probe, quicker_execution

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def timed(monkeypatch: pytest.MonkeyPatch, native: float, folded: float) -> list[tuple[Any, ...]]:
    """Let the probe find these seconds; what it is asked."""
    asked: list[tuple[Any, ...]] = []

    def found(*arguments: Any) -> dict[str, float]:
        asked.append(arguments)
        return {"native": native, "folded": folded}

    monkeypatch.setattr(layout, "probe", found)
    return asked


@pytest.mark.parametrize(
    ("device", "native", "folded", "chosen"),
    [
        (CPU, 5.0, 1.0, "folded"),
        (CPU, CLEARLY - 0.01, 1.0, "native"),
        (CPU, CLEARLY + 0.01, 1.0, "folded"),  # nearly as quick
        (GPU, 1.0, 5.0, "native"),
        (GPU, 1.0, CLEARLY - 0.01, "folded"),
        (GPU, 1.0, CLEARLY + 0.01, "native"),
    ],
)
def test_the_clearly_quicker_one_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
    device: torch.device,
    native: float,
    folded: float,
    chosen: str,
) -> None:
    timed(monkeypatch, native, folded)
    assert quicker_execution((4, 8), (True, True), device, training=True) == chosen


@pytest.mark.parametrize("training", [True, False])
def test_the_finest_stage_that_looks_across_is_timed(
    monkeypatch: pytest.MonkeyPatch, training: bool
) -> None:
    asked = timed(monkeypatch, 2.0, 1.0)
    quicker_execution((4, 8, 16, 32), (False, False, True, True), CPU, training=training)
    assert asked == [(16, 24, CPU, training)]


@pytest.mark.parametrize(("device", "usual"), [(CPU, "folded"), (GPU, "native")])
def test_where_no_kernel_looks_across_nothing_is_timed(
    monkeypatch: pytest.MonkeyPatch, device: torch.device, usual: str
) -> None:
    asked = timed(monkeypatch, 1.0, 1.0)
    assert quicker_execution((4, 8), (False, False), device, training=False) == usual
    assert asked == []


@pytest.mark.parametrize("training", [True, False])
def test_both_are_really_timed_and_no_random_number_is_used_up(training: bool) -> None:
    probe.cache_clear()
    state = torch.get_rng_state()
    seconds = probe(4, 8, CPU, training)
    assert set(seconds) == set(EXECUTIONS)
    assert min(seconds.values()) > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert probe(4, 8, CPU, training) is seconds
