"""What a training tells while it goes on: TensorBoard scalars, and ``log.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

LOG = "log.jsonl"


def forget_after(run_dir: Path, last: int) -> None:
    """Drop what ``log.jsonl`` says of steps after ``last``: they are about to be taken again."""
    log = run_dir / LOG
    if log.exists():
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(line for line in lines if json.loads(line)["step"] <= last))


class Scalars:
    """TensorBoard scalars, where tensorboard is installed; ``log.jsonl`` is written anyway."""

    def __init__(self, run_dir: Path, done: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            print("tensorboard is not installed: scalars go to log.jsonl alone", flush=True)
            self.writer = None
        else:
            self.writer = SummaryWriter(str(run_dir), purge_step=done + 1)

    def add(self, at: int, values: dict[str, float]) -> None:
        """Record named values of a step."""
        for name, value in values.items():
            if self.writer:
                self.writer.add_scalar(name, value, at)

    def add_scores(self, at: int, dice: dict[str, float], choice: dict[str, float]) -> None:
        """Record a look: held-out Dice, and Dice to choose by."""
        self.add(at, {f"dice/{name}": value for name, value in dice.items()})
        self.add(at, {f"choose/{name}": value for name, value in choice.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        if self.writer:
            self.writer.close()


def note_scores(
    run_dir: Path,
    at: int,
    loss: float,
    dice: dict[str, float],
    choice: dict[str, float] | None = None,
) -> None:
    """Tell a look at the held-out volumes and at those to choose by; append it to ``log.jsonl``."""
    told = {"step": at, "loss": loss, "dice": dice, **({"choose": choice} if choice else {})}
    with (run_dir / LOG).open("a") as log:
        log.write(json.dumps(told) + "\n")
    if choice:
        print(f"step {at}: Dice to choose by {choice}", flush=True)
    if dice or not choice:
        print(f"step {at}: held-out Dice {dice}", flush=True)
