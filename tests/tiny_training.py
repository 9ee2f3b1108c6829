"""``cmrseg train`` on the tiny configuration, in a process of its own.

    tiny_training.py [--block NAME,...] [--stop-after N] [--fail-at N] NETWORK CACHE RUN
        [options of train]

``--block`` makes importing the packages named fail as if they were not installed. ``--stop-after``
sends SIGTERM to the whole process group during step N, as a cluster does. ``--fail-at`` makes step
N of process 1 (of two) fail.
"""

from __future__ import annotations

import importlib.abc
import os
import signal
import sys


class Blocked(importlib.abc.MetaPathFinder):
    """Fails to find some packages."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def option(name: str, arguments: list[str]) -> str | None:
    """Take an option and its value out of the arguments."""
    if name not in arguments:
        return None
    at = arguments.index(name)
    value = arguments[at + 1]
    del arguments[at : at + 2]
    return value


def stop_after(steps: int) -> None:
    """SIGTERM to the group while step ``steps`` is being taken."""
    from cmrseg_lab.training import loop

    take = loop.step

    def step(network, optimiser, scaler, batch, state, *rest):
        if state["step"] == steps - 1:
            os.killpg(os.getpgid(0), signal.SIGTERM)
        return take(network, optimiser, scaler, batch, state, *rest)

    loop.step = step


def fail_at(number: int) -> None:
    """An error for people in step ``number``, in process 1 alone."""
    from cmrseg.runtime.errors import InputError
    from cmrseg_lab.training import loop

    take = loop.step

    def step(network, optimiser, scaler, batch, state, *rest):
        if state["step"] == number - 1 and os.environ.get("RANK") == "1":
            raise InputError("a patient is unreadable", "Ask for another one")
        return take(network, optimiser, scaler, batch, state, *rest)

    loop.step = step


def main(arguments: list[str]) -> int:
    blocked = option("--block", arguments)
    stop = option("--stop-after", arguments)
    fail = option("--fail-at", arguments)
    if blocked:
        sys.meta_path.insert(0, Blocked(blocked.split(",")))
    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])

    from cmrseg_lab.cli import main as cli
    from cmrseg_lab.training.presets import RECIPES
    from tiny import training_config

    if stop:
        stop_after(int(stop))
    if fail:
        fail_at(int(fail))
    network = arguments[0]
    RECIPES[network].training["tiny"] = training_config(network)
    code = cli.main(["train", *arguments, "--config", "tiny", "--device", "cpu"])
    loaded = {name for name in (blocked or "").split(",") if name in sys.modules}
    print(f"loaded although blocked: {sorted(loaded)}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
