"""Several processes that train one network together, started by torchrun.

Each process makes its share of a step's patches and passes it through the network. Everything that
looks at the whole batch still does: the statistics of batch norm are those of all patches
(:mod:`cmrseg_lab.training.sync_batchnorm`), and every process has all logits before the loss, so
that Dice
is that of the batch, as in one process. The gradients of the shares then add up to those of the
whole, however unevenly it is shared. What differs from one process: which values dropout takes, and
the order in which sums are rounded.

Outside torchrun there is one process, and nothing here does anything.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from cmrseg.runtime import cpu_limit, use_device
from cmrseg.runtime.errors import EXIT_BUG, UsageError

TOGETHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells its processes in the environment."""
PATIENCE = timedelta(hours=2)
"""How long the others wait while the first looks at held-out patients."""


class EndedTogetherError(Exception):
    """This process ends because another one does, which tells why.

    Args:
        exit_code: of the command.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__("another process of this training ended")
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of one training, seen from one of them.

    Attributes:
        device: where this one computes.
        rank: its number, from 0.
        size: how many there are.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that tells and keeps."""
        return self.rank == 0

    def share(self, batch: int, rank: int | None = None) -> range:
        """Which patches of a batch are a process's own; shares differ by one at most."""
        rank = self.rank if rank is None else rank
        return range(batch * rank // self.size, batch * (rank + 1) // self.size)

    def check(self, batch: int) -> None:
        """Refuse a batch that leaves a process without patches.

        Raises:
            UsageError: there are more processes than patches.
        """
        if batch < self.size:
            raise UsageError(
                f"{self.size} processes cannot share a batch of {batch}",
                f"start no more than {batch}",
            )

    def seed(self, seed: int, step: int) -> None:
        """Let a step's dropout follow from the step and the process, for masks of its own each.

        One process goes on with the random numbers it has.
        """
        if self.size > 1:
            drawn = np.random.SeedSequence([seed, step, self.rank]).generate_state(1, np.uint64)
            torch.manual_seed(int(drawn[0]))

    def whole(self, own: Tensor, batch: int, samples: int = 1) -> Tensor:
        """All processes' shares of a batch in one; gradients reach the own share alone.

        Args:
            own: (samples*b, ...) with b the own share, sample by sample.
            batch: B, patches in all.
            samples: dropout passes.

        Returns:
            (samples*B, ...), sample by sample.
        """
        if self.size == 1:
            return own
        mine = own.reshape(samples, -1, *own.shape[1:])
        parts = []
        for rank in range(self.size):
            shape = (samples, len(self.share(batch, rank)), *own.shape[1:])
            part = mine.detach().contiguous() if rank == self.rank else mine.new_empty(shape)
            with told_of_loss():
                dist.broadcast(part, rank)
            parts.append(mine if rank == self.rank else part)
        return torch.cat(parts, dim=1).flatten(0, 1)

    def add_up(self, parameters: Iterable[nn.Parameter]) -> None:
        """Make every gradient the sum of all processes'."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        summed = self.sum(torch.cat([g.flatten() for g in gradients]))
        parts = torch.split(summed, [g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def sum(self, own: Tensor) -> Tensor:
        """The sum of all processes' tensors, in place of ``own``; without a gradient."""
        if self.size > 1:
            with told_of_loss():
                dist.all_reduce(own)
        return own

    def any(self, own: bool) -> bool:
        """Whether it is so in any process; all wait for each other."""
        if self.size == 1:
            return own
        return bool(self.sum(torch.tensor(float(own), device=self.device)))

    def of_first(self, own: int) -> int:
        """The first process's number."""
        return int(self.sum(torch.tensor(own if self.first else 0, device=self.device)))

    def wait(self) -> None:
        """Until all have come here."""
        self.any(False)


ALONE = Group(torch.device("cpu"))
"""One process, wherever it computes."""


@contextlib.contextmanager
def together(device: str) -> Iterator[Group]:
    """The group this process belongs to, for as long as it trains; alone outside torchrun.

    On GPUs each process takes the one of its local rank; on a CPU they share its cores.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or, for one process, ``cuda:N``.

    Raises:
        UsageError: no such device, or too few GPUs.
        EndedTogetherError: another process ended first.
    """
    if not several():
        yield Group(use_device(device))
        return
    rank, local, size, beside = (int(os.environ[name]) for name in TOGETHER[:4])
    chosen = _own_device(device, local)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    else:
        torch.set_num_threads(max(1, cpu_limit() // beside))
    # Default arguments there hold the group that exists on import, and the first optimiser imports
    # it: its threads would outlive the group's end, and now and then abort the interpreter's.
    importlib.import_module("torch.distributed.nn.functional")
    with told_of_loss():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Group(chosen, rank, size)
    finally:
        dist.destroy_process_group()


def several() -> bool:
    """Whether torchrun started this process beside others."""
    known = all(name in os.environ for name in TOGETHER)
    return known and int(os.environ["WORLD_SIZE"]) > 1


def alone(what: str) -> None:
    """Refuse to do by several processes what is one's work.

    Raises:
        UsageError: torchrun started several.
    """
    if several():
        raise UsageError(
            f"torchrun started several processes, and {what} is the work of one",
            "start it without torchrun, or train one network from CACHE into RUN",
        )


def _own_device(device: str, local: int) -> torch.device:
    """The GPU of a local rank, or the CPU."""
    if device.startswith("cuda:"):
        raise UsageError(
            f"all processes would compute on {device}", "use --device cuda: each takes its own GPU"
        )
    found = use_device(device)
    if found.type == "cpu":
        return found
    if local >= torch.cuda.device_count():
        raise UsageError(
            f"there are {torch.cuda.device_count()} GPUs, and this is process {local + 1} here",
            "start as many processes as there are GPUs, or use --device cpu",
        )
    return torch.device("cuda", local)


@contextlib.contextmanager
def told_of_loss() -> Iterator[None]:
    """Tell a lost connection from a fault of one's own."""
    try:
        yield
    except RuntimeError as error:
        if not dist.is_initialized() or isinstance(error, torch.OutOfMemoryError):
            raise
        # On stdout: the last line on stderr is the reason, and that is the other process's to tell.
        print("another process of this training was lost: so this one ends", flush=True)
        raise EndedTogetherError(EXIT_BUG) from error
