"""The best of a training's looks, kept as candidates: m_best of galati2021 section 2.2.

They are chosen by patients that are neither learned from nor held out: the scores of those held out
stay honest.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

from cmrseg_lab.training import checkpoint


class Snapshots:
    """``best-1.safetensors``, the best, to ``best-N.safetensors`` in a run's folder.

    Every file tells its own step, rank and score, so a run that was killed at any moment finds out
    what it has by looking.

    Args:
        run_dir: the run's folder.
        keep: N; 0 keeps none.
        done: steps the run has taken; looks after that are about to be taken again.
    """

    def __init__(self, run_dir: Path, keep: int, done: int) -> None:
        self.paths = [run_dir / f"best-{rank}.safetensors" for rank in range(1, keep + 1)]
        self.looks: list[tuple[int, float]] = []
        for at, path in enumerate(self.paths):
            if not path.exists():
                continue
            state = checkpoint.read_state(path)
            look = (state["step"], state["snapshot"]["dice"])
            if look in self.looks or look[0] > done:
                path.unlink()
                continue
            if at != len(self.looks):
                self._move(at, len(self.looks))
            self.looks.append(look)

    def offer(self, scores: dict[str, float], network: nn.Module, state: dict[str, Any]) -> bool:
        """Keep the network if it is among the best so far; of equal ones the earlier is better.

        Args:
            scores: its Dice by foreground class; their mean counts.
            network: as it is now.
            state: of the training, JSON-ready.

        Returns:
            Whether it was kept.
        """
        if not self.paths:
            return False
        dice = fmean(scores.values())
        rank = sum(kept >= dice for _, kept in self.looks)
        if rank == len(self.paths):
            return False
        self.looks.insert(rank, (state["step"], dice))
        del self.looks[len(self.paths) :]
        for at in reversed(range(rank + 1, len(self.looks))):
            self._move(at - 1, at)
        told = {key: state[key] for key in ("step", "config", "about", "precision")}
        weights = network.state_dict()
        checkpoint.save_weights(
            self.paths[rank], weights, {**told, "snapshot": self._told(rank, dice)}
        )
        return True

    def _told(self, at: int, dice: float) -> dict[str, Any]:
        return {"rank": at + 1, "of": len(self.paths), "dice": dice}

    def _move(self, at: int, to: int) -> None:
        state = checkpoint.read_state(self.paths[at])
        state["snapshot"] = self._told(to, state["snapshot"]["dice"])
        checkpoint.save_weights(self.paths[to], checkpoint.network_weights(self.paths[at]), state)
        if to < at:
            self.paths[at].unlink()
