"""The one training loop, from start to finish. Read :func:`fit`.

It stops at any minute (a checkpoint every few minutes and on SIGTERM) and goes on exactly where it
stood: samples follow from (seed, index), dropout from (seed, step, process). Started by torchrun,
the processes share each batch (torch's DistributedDataParallel). What is packed in the end is the
moving average of the weights, where the preset has one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Protocol

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cmrseg.models.unet import count_parameters
from cmrseg.runtime.errors import UsageError
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.checkpoint import State, TrainedOn
from cmrseg_lab.training.preset import Preset, as_values

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"
CHECKPOINT_EVERY_S = 240.0
TELL_EVERY = 50
Batch = dict[str, Tensor]
Scores = dict[str, float]


class TrainingStoppedError(Exception):
    """SIGTERM came; the checkpoint is written."""


class Task(Protocol):
    """What is trained: a segmenter or an autoencoder."""

    @property
    def preset(self) -> Preset:
        """Its training."""

    def network(self, device: torch.device) -> nn.Module:
        """A fresh network: what is stored and packed."""

    def trainee(self, network: nn.Module) -> nn.Module:
        """The network as a step calls it."""

    def samples(self, seed: int) -> torch.utils.data.Dataset[Batch]:
        """All samples of the training, in order."""

    def loss(self, trainee: nn.Module, batch: Batch, step: int) -> Tensor:
        """Of one batch."""

    def look(self, network: nn.Module, device: torch.device, whole: bool) -> dict[str, Scores]:
        """Scores of some patients, or of all that were held out."""


def fit(
    task: Task,
    out: Path,
    *,
    seed: int,
    device: torch.device,
    about: TrainedOn,
    workers: int = 1,
    start: Mapping[str, Tensor] | None = None,
) -> Path:
    """Train, from the checkpoint in ``out`` if there is one, and return the final one.

    Args:
        task: what is trained.
        out: checkpoint, ``log.jsonl`` and TensorBoard scalars go here.
        seed: everything random follows from it.
        device: where to compute.
        about: who was trained on, JSON-ready; stored in the checkpoint.
        workers: processes that make samples; 0 makes them in line.
        start: the network's tensors to begin with; None for random ones.

    Raises:
        UsageError: the checkpoint is another training's, or processes share a batch unevenly.
        TrainingStoppedError: on SIGTERM, after the checkpoint is safe.
    """
    preset, path = task.preset, out / CHECKPOINT
    out.mkdir(parents=True, exist_ok=True)
    with _processes(preset.batch) as (rank, size), stop_on_sigterm() as stop:
        torch.manual_seed(seed)
        network = _begun(task.network(device), start)
        optimiser = make_optimiser(network, preset)
        moving = get_ema_multi_avg_fn(preset.average_decay)  # type: ignore[no-untyped-call]
        average = AveragedModel(network, multi_avg_fn=moving, use_buffers=True)
        state: State = {"step": 0, "preset": as_values(preset), "about": about}
        if path.exists():
            state = _restored(path, state, network, optimiser, average)
        trainee = task.trainee(network)
        if size > 1:
            trainee = DistributedDataParallel(trainee, device_ids=_ids(device))
        told = _Told(out, preset, state["step"]) if rank == 0 else None
        if told:
            parameters = f"{count_parameters(network) / 1e6:.1f} M parameters"
            print(f"{preset.recipe}: {parameters}, {device}, from step {state['step']}", flush=True)
        saved = time.monotonic()
        for batch in _batches(task, state["step"], seed, workers, rank, size):
            loss = take_step(trainee, optimiser, batch, task, seed, state["step"], rank)
            if state["step"] >= preset.average_from * preset.steps:
                average.update_parameters(network)
            state["step"] += 1
            done, stopping = state["step"] == preset.steps, _any(bool(stop), size)
            if told:
                told.step(state["step"], loss)
                if done or stopping or time.monotonic() - saved > CHECKPOINT_EVERY_S:
                    checkpoint.save(path, network, optimiser, state, average)
                    saved = time.monotonic()
                if state["step"] % preset.look_every == 0 or done:
                    best = average.module if average.n_averaged else network
                    told.look(state["step"], task.look(best, device, done))
            if stopping:
                raise TrainingStoppedError(
                    f"Stopped at step {state['step']}: the same command goes on"
                )
    return path


def _begun(network: nn.Module, start: Mapping[str, Tensor] | None) -> nn.Module:
    if start:
        network.load_state_dict(start)
    return network


def make_optimiser(network: nn.Module, preset: Preset) -> torch.optim.Optimizer:
    """SGD as arega2021 section 2.3, Adam with L2, or AdamW."""
    rate, decay = preset.learning_rate, preset.weight_decay
    if preset.optimiser == "sgd":
        return torch.optim.SGD(
            network.parameters(), rate, momentum=0.99, nesterov=True, weight_decay=decay
        )
    kind = torch.optim.Adam if preset.optimiser == "adam" else torch.optim.AdamW
    return kind(network.parameters(), rate, weight_decay=decay, foreach=True)


def take_step(
    trainee: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    task: Task,
    seed: int,
    step: int,
    rank: int = 0,
) -> float:
    """One optimiser step; returns the loss."""
    for group in optimiser.param_groups:
        group["lr"] = task.preset.rate(step)
    torch.manual_seed(hash((seed, step, rank)) % 2**63)  # dropout's masks
    loss = task.loss(trainee.train(), batch, step)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(trainee.parameters(), task.preset.gradient_clip)
    optimiser.step()
    return float(loss.detach())


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[list[int]]:
    """A list that fills when SIGTERM comes."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def _batches(
    task: Task, done: int, seed: int, workers: int, rank: int, size: int
) -> torch.utils.data.DataLoader[Batch]:
    """This process's share of each batch from step ``done`` on, the same however often resumed."""
    batch, steps = task.preset.batch, task.preset.steps
    return torch.utils.data.DataLoader(
        task.samples(seed),
        batch_sampler=[
            list(range(first + rank, first + batch, size))
            for first in range(done * batch, steps * batch, batch)
        ],
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_ignore_signals,
        pin_memory=torch.cuda.is_available(),
        # Without one of its own the loader would draw from the global random numbers.
        generator=torch.Generator(),
    )


def _ignore_signals(worker: int) -> None:
    """Signals to the whole group are the parent's to answer: it still needs its batch."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def _processes(batch: int) -> Iterator[tuple[int, int]]:
    """This process's number and how many there are; one unless torchrun started several."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield 0, 1
        return
    if batch % size:
        raise UsageError(
            f"A batch of {batch} cannot be shared evenly by {size} processes",
            "Start another number, or change the preset's batch",
        )
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield distributed.get_rank(), size
    finally:
        distributed.destroy_process_group()


def _ids(device: torch.device) -> list[int] | None:
    return [device.index or 0] if device.type == "cuda" else None


def _any(flag: bool, size: int) -> bool:
    """Whether any process says so: all of them stop at one step."""
    if size == 1:
        return flag
    told = torch.tensor(int(flag))
    told = told.cuda() if distributed.get_backend() == "nccl" else told
    distributed.all_reduce(told, distributed.ReduceOp.MAX)
    return bool(told.item())


def _restored(
    path: Path,
    begun: State,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: AveragedModel,
) -> State:
    """Where the run in ``path`` stood, its tensors put back."""
    state = checkpoint.read_state(path)
    # Tuples come back from a checkpoint as lists.
    as_stored = json.loads(json.dumps(begun))
    if (state["preset"], state["about"]) != (as_stored["preset"], as_stored["about"]):
        raise UsageError(
            f"{path.parent} holds another training: its preset, fold, seed or patients differ",
            "Give what it began with, or another folder",
        )
    checkpoint.restore(path, network, optimiser)
    checkpoint.restore_average(path, average)
    return state


class _Told:
    """What a training tells while it goes on: lines, ``log.jsonl``, TensorBoard where installed."""

    def __init__(self, out: Path, preset: Preset, done: int) -> None:
        self.log, self.preset, self.at = out / LOG, preset, (done, time.monotonic())
        self.loss: list[float] = []
        if self.log.exists():  # steps after the checkpoint are about to be taken again
            lines = self.log.read_text().splitlines(keepends=True)
            self.log.write_text("".join(x for x in lines if json.loads(x)["step"] <= done))
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.board = None
        else:
            self.board = SummaryWriter(str(out), purge_step=done + 1)

    def step(self, step: int, loss: float) -> None:
        """Tell the mean loss, the pace and what is left, now and then."""
        self.loss.append(loss)
        if step % TELL_EVERY and step != self.preset.steps:
            return
        before, since = self.at
        each = (time.monotonic() - since) / max(step - before, 1)
        mean, left = sum(self.loss) / len(self.loss), each * (self.preset.steps - step) / 60
        print(f"step {step}: loss {mean:.3f}, {each:.2f} s ({left:.0f} min left)", flush=True)
        if self.board:
            self.board.add_scalar("loss", mean, step)
        self.at, self.loss = (step, time.monotonic()), []

    def look(self, step: int, scores: dict[str, Scores]) -> None:
        """Tell scores; append them to the log."""
        self.at = (step, time.monotonic())
        with self.log.open("a") as log:
            log.write(json.dumps({"step": step, **scores}) + "\n")
        for who, own in scores.items():
            told = ", ".join(f"{name} {value:.3f}" for name, value in own.items())
            print(f"step {step}: Dice of {who}: {told}", flush=True)
            for name, value in own.items():
                if self.board:
                    self.board.add_scalar(f"{who}/{name}", value, step)
