"""All executions are the same training step; their rows are ratios of it."""

from __future__ import annotations

import math

import pytest
import torch

from cmrseg_lab.studies.bench import passes
from cmrseg_lab.studies.bench.passes import (
    EXECUTIONS,
    LAYOUTS,
    SAMPLES,
    Trainee,
    cost_rows,
    layout_rows,
    main,
    memory_rows,
)
from cmrseg_lab.studies.bench.process import Ran
from tiny import segmenter_preset

CPU = torch.device("cpu")
TINY = segmenter_preset("emidec", batch=1, patch=(2, 16, 16))


@pytest.mark.parametrize("execution", [name for name in EXECUTIONS if name != "plain"])
def test_every_execution_computes_what_the_naive_loop_does(execution: str) -> None:
    networks = [Trainee(name, TINY, CPU).trainee.unet.double() for name in ("naive", execution)]
    x = torch.randn(1, 1, 2, 16, 16, dtype=torch.float64)
    found = []
    for network in networks:
        for layer in (m for m in network.modules() if isinstance(m, torch.nn.Dropout)):
            layer.p = 0.0 if execution == "stacked" else layer.p  # draws in another order
        torch.manual_seed(5)
        found.append(network.train()(x, SAMPLES))
    for a, b in zip(*found, strict=True):
        assert a.shape[0] == SAMPLES
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_executions_share_what_they_say() -> None:
    """How often the first stage and separate up-sampling are called."""
    told: dict[str, tuple[int, int]] = {}
    for name in EXECUTIONS:
        network = Trainee(name, TINY, CPU).trainee.unet
        stage, up = [0], [0]
        network.encoder[0].register_forward_hook(lambda *_, n=stage: n.__setitem__(0, n[0] + 1))
        for layer in network.up:
            layer.register_forward_hook(lambda *_, n=up: n.__setitem__(0, n[0] + 1))
        network(torch.randn(1, 1, 2, 16, 16), EXECUTIONS[name][1])
        told[name] = stage[0], up[0]
    n = SAMPLES
    assert told == {
        "plain": (1, 2),
        "naive": (n, 2 * n),
        "prefix": (1, 2 * n),
        "split": (1, 2 * n),
        "used": (1, 0),
        "stacked": (1, 0),
    }


def test_a_step_trains() -> None:
    trainee = Trainee("used", TINY, CPU)
    before = [p.detach().clone() for p in trainee.trainee.parameters()]
    assert trainee.seconds("fp32") > 0
    moved = zip(before, trainee.trainee.parameters(), strict=True)
    assert all(not torch.equal(a, b) for a, b in moved)
    preset = trainee.task.preset
    assert (preset.samples, preset.alpha) == (5, 3.0)
    assert Trainee("plain", TINY, CPU).task.preset == TINY


def test_ratios_are_taken_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = dict(zip(EXECUTIONS, (1.0, 6.0, 5.0, 4.0, 3.0, 3.6), strict=True))
    trainees = {name: Trainee(name, TINY, CPU) for name in EXECUTIONS}
    names = {id(trainee): name for name, trainee in trainees.items()}
    taken: list[str] = []

    def seconds(self: Trainee, precision: str) -> float:
        taken.append(names[id(self)])
        slower = (len(taken) - 1) // len(EXECUTIONS)  # by round
        return speeds[taken[-1]] * (1 + slower)

    monkeypatch.setattr(Trainee, "seconds", seconds)
    rows = list(cost_rows(trainees, 2, "fp32"))
    assert taken == 3 * list(EXECUTIONS)
    assert [row.unit for row in rows] == ["s", "x", "x", "x", "x", "x"]
    assert rows[0].value.values == (2.0, 3.0)
    assert [row.value.values for row in rows[1:]] == [(r, r) for r in (6.0, 5.0, 4.0, 3.0, 3.6)]
    (used,) = [row for row in rows if row.aim is not None]
    assert "(used)" in used.figure
    assert used.aim == 3.5


def test_layouts_are_compared_in_turns_and_in_a_precision_both_can_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[tuple[str, str]] = []

    def seconds(self: Trainee, precision: str) -> float:
        taken.append((self.trainee.unet.execution, precision))
        return {"native": 6.0, "folded": 2.0}[self.trainee.unet.execution] * len(taken)

    monkeypatch.setattr(Trainee, "seconds", seconds)
    (row,) = layout_rows(TINY, CPU, 1, "bf16")
    assert taken == 2 * [("native", "fp32"), ("folded", "fp32")]
    assert row.value.values == (6.0 * 3 / (2.0 * 4),)
    assert "folded used" in row.figure


def test_both_layouts_take_the_same_step() -> None:
    found = []
    for name in LAYOUTS:
        trainee = Trainee("plain", TINY, CPU, name)
        for layer in (m for m in trainee.trainee.modules() if isinstance(m, torch.nn.Dropout)):
            layer.p = 0.0  # draws in another order
        assert trainee.seconds("fp32") > 0
        found.append(torch.cat([p.grad.flatten() for p in trainee.trainee.parameters()]))
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4)


def test_memory_is_that_of_processes_that_train(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str]) -> Ran:
        commands.append(command)
        return Ran(seconds=1.0, first_file_s=None, peak_mb=100.0 * len(commands), stderr="")

    monkeypatch.setattr(passes.process, "run", run)
    rows = list(memory_rows(CPU, "fp32"))
    assert [command[-3:] for command in commands] == [
        [name, "cpu", "fp32"] for name in ("plain", "naive", "used")
    ]
    assert [row.value.median for row in rows] == [100, 200, 300]
    assert all(row.unit == "MB" and math.isfinite(row.value.median) for row in rows)


def test_the_process_takes_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "read", lambda name: TINY)
    taken: list[str] = []
    monkeypatch.setattr(Trainee, "seconds", lambda self, precision: taken.append(precision))
    main(["naive", "cpu", "bf16"])
    assert taken == ["bf16", "bf16"]
