"""Tiny trainings of several processes, one after the other; started by torchrun.

    tiny_together.py OUT

Below OUT every training gets a folder; what processes other than the first saw is told in
``OUT/rank-N.json``. The same trainings by one process: :func:`train_alone`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cmrseg.runtime.errors import UsageError
from cmrseg_lab.training import loop as fitting
from cmrseg_lab.training.distributed import ALONE, EndedTogetherError, Group, together
from tiny import network_config, sample, training_config

SGD = {"optimiser": "sgd", "learning_rate": 0.05, "batch": 3}
PLAIN: dict[str, dict[str, Any]] = {
    "soft": {"recipe": "mnms2-sa", "steps": 2, **SGD},
    "generalised": {"recipe": "mnms2-sa", "steps": 2, "dice": "generalised", **SGD},
    "samples": {"recipe": "emidec", "steps": 2, "samples": 2, "alpha": 3.0, **SGD},
}
"""Trainings without chance: three patches for two processes."""
RANDOM: dict[str, Any] = {"recipe": "emidec", "steps": 4, "samples": 2, "alpha": 3.0, **SGD}


class Every(nn.Dropout):
    """Drops every other channel, always: dropout's place without its chance."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = (torch.arange(x.shape[1]) % 2 * 2.0).to(x.dtype)
        return x * kept.reshape(-1, *(1,) * (x.dim() - 2)) if self.training and self.p else x


def train(folder: Path, group: Group, resume: bool = False, **config: Any) -> Path:
    """One tiny training."""
    recipe = config.pop("recipe")
    hearts = [sample(0), sample(1)]
    options = {"device": torch.device("cpu"), "precision": "fp32", "workers": 0}
    config = training_config(recipe, network=network_config(recipe), **config)
    return fitting.fit(config, hearts, hearts[:1], folder, group=group, resume=resume, **options)


def without_chance(folder: Path, group: Group = ALONE) -> None:
    """The trainings that any number of processes does alike."""
    usual, nn.Dropout.forward = nn.Dropout.forward, Every.forward
    try:
        for name, config in PLAIN.items():
            train(folder / name, group, **config)
    finally:
        nn.Dropout.forward = usual


def stopped(folder: Path, group: Group) -> str:
    """SIGTERM comes to the last process alone, during step 2; what each ended with."""
    take = fitting.step

    def step(network, optimiser, scaler, batch, state, *rest):
        if state["step"] == 1 and group.rank == group.size - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(network, optimiser, scaler, batch, state, *rest)

    fitting.step = step
    try:
        train(folder, group, **RANDOM)
    except fitting.TrainingStoppedError as error:
        return str(error)
    except EndedTogetherError as error:
        # Had the others not waited for it, the first might not have written yet.
        kept = fitting.checkpoint.read_state(folder / fitting.CHECKPOINT)
        return f"{error.exit_code} {kept['step']}"
    finally:
        fitting.step = take
    return "went on"


def refused(folder: Path, group: Group) -> str:
    """A batch that leaves a process without patches."""
    try:
        train(folder, group, **{**RANDOM, "batch": 1})
    except UsageError as error:
        return str(error)
    return "went on"


def masks(group: Group) -> list[int]:
    """What dropout's random numbers begin with in two steps."""
    seeds = []
    for step in range(2):
        group.seed(7, step)
        seeds.append(int(torch.randint(2**31, ())))
    return seeds


def main(out: Path) -> None:
    torch.set_num_threads(1)
    with together("cpu") as group:
        told: dict[str, Any] = {"refused": refused(out / "refused", group)}
        without_chance(out, group)
        train(out / "straight", group, **RANDOM)
        told["stopped"] = stopped(out / "stopped", group)
        train(out / "stopped", group, resume=True, **RANDOM)
        told["masks"] = masks(group)
        # two patches of two values each process, laid out the other way round in memory
        patches = 10 * group.rank + torch.tensor([[1, 3], [2, 4]], dtype=torch.bfloat16).t()
        told["whole"] = group.whole(patches, 4).tolist()
        told["samples"] = group.whole(patches, 2, samples=2).tolist()
    told["threads"] = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    (out / f"rank-{group.rank}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
