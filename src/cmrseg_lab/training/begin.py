"""How a training begins: from nothing, or where an earlier run of the same kind stood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from cmrseg.runtime.errors import UsageError
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.config import TrainingConfig


def begin(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    config: TrainingConfig,
    about: dict[str, Any],
    *,
    resume: bool,
) -> dict[str, Any]:
    """What a training begins with beside tensors, or goes on with, once those are put back.

    Args:
        path: its checkpoint.
        network: gets the checkpoint's weights.
        optimiser: gets what the checkpoint's had gathered.
        config: what is to be trained.
        about: data, fold and command.
        resume: go on from the checkpoint.

    Raises:
        InputError: there is nothing to resume from.
        UsageError: the run to resume had another configuration, fold or data; or there is a run
            and it was not to be resumed.
    """
    if resume:
        _check_same_run(checkpoint.read_state(path), config, about)
        return checkpoint.restore(path, network, optimiser)
    if path.exists():
        raise UsageError(
            f"{path.parent} holds a training already",
            "go on with --resume, or use another folder",
        )
    return {"step": 0, "config": config.as_dict(), "about": about}


def _check_same_run(state: dict[str, Any], config: TrainingConfig, about: dict[str, Any]) -> None:
    """A resumed run is the same run: another fold would learn from its own held-out patients."""
    began, stored = TrainingConfig.from_dict(state["config"]).as_dict(), state["about"]
    now = config.as_dict()
    pairs = {k: (began[k], now[k]) for k in now if k != "checkpoint_every_s"}
    # Runs from before configurations had names are told apart by their settings.
    pairs |= {k: (stored.get(k), about[k]) for k in about if k in stored or k != "configuration"}
    if "started_from" in stored and "started_from" in about:
        # Runs from before more was recorded of their start are compared by what they recorded.
        then, asked = stored["started_from"], about["started_from"]
        pairs["started_from"] = (then, {k: v for k, v in asked.items() if k in then})
    changed = [_differing(k, then, asked) for k, (then, asked) in pairs.items() if then != asked]
    if changed:
        raise UsageError(
            f"the run to resume began with another {', '.join(changed)}",
            "resume with the settings and the cache it began with, or train into a new folder",
        )


def _differing(name: str, then: Any, asked: Any) -> str:
    """A setting's name, with both values where they are short."""
    if isinstance(then, list | tuple | dict) or isinstance(asked, list | tuple | dict):
        return name
    return f"{name} ({then}, now {asked})"
