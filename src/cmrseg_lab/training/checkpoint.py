"""A training's whole state in one safetensors file; nothing is ever pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from cmrseg.runtime.errors import InputError


class TrainedOn(TypedDict):
    """Who was trained on, whom a run held out, and from which network it started."""

    fold: int | None
    without: str | None
    seed: int
    patients: list[list[str]]
    started_from: NotRequired[Mapping[str, Any]]


class State(TypedDict):
    """The JSON part of a checkpoint: steps done, the preset's values, and whom it is about."""

    step: int
    preset: Mapping[str, Any]
    about: TrainedOn


AVERAGE = "average."
"""What names of the averaged network's tensors begin with."""


def save(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    state: State,
    average: AveragedModel | None = None,
) -> None:
    """Write network, optimiser, random state and ``state`` (JSON-ready) in one move.

    The mean of its weights goes with them once it is one of any.
    """
    tensors: dict[str, Tensor] = {f"network.{k}": v for k, v in network.state_dict().items()}
    if average is not None and average.n_averaged:
        tensors |= {f"{AVERAGE}{k}": v for k, v in average.state_dict().items()}
    for index, slots in optimiser.state_dict()["state"].items():
        for name, value in slots.items():
            tensors[f"optimiser.{index}.{name}"] = torch.as_tensor(value)
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    _write(path, tensors, state)


def read_state(path: Path) -> State:
    """The JSON part: step, history, configuration.

    Raises:
        InputError: missing or no checkpoint of ours.
    """
    try:
        with safe_open(path, "pt") as file:
            state: State = json.loads(file.metadata()["state"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"no readable checkpoint at {path}",
            "Give the checkpoint.safetensors of a run",
        ) from error
    return state


def restore(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> State:
    """Put everything back where :func:`save` found it and return the JSON part."""
    state = read_state(path)
    tensors = load_file(path)
    network.load_state_dict(_under("network.", tensors))
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("optimiser.", tensors).items():
        index, name = key.split(".", 1)
        slots.setdefault(int(index), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": slots, "param_groups": groups})
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
    return state


def restore_average(path: Path, average: AveragedModel) -> None:
    """Put the mean of the weights back where :func:`save` found it, if there was one yet."""
    if kept := _under(AVERAGE, load_file(path)):
        average.load_state_dict(kept)


def network_weights(path: Path) -> dict[str, Tensor]:
    """Only the network's tensors: the mean's where weights were averaged."""
    tensors = load_file(path)
    return _under(f"{AVERAGE}module.", tensors) or _under("network.", tensors)


def _write(path: Path, tensors: dict[str, Tensor], state: State) -> None:
    stored = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    partial = path.with_suffix(".partial")
    save_file(stored, partial, metadata={"state": json.dumps(state)})
    partial.replace(path)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
