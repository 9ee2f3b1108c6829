"""A container engine, asked through its command line (``DOCKER_HOST`` is honoured)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from uuid import uuid4

from cmrseg.runtime.errors import InputError

QUICK_S = 120.0
ANOTHER_USER = "31337:31337"
SANDBOX = (
    *("--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--pids-limit", "256"),
    *("--memory", "4g", "--memory-swap", "4g", "--shm-size", "64m"),
    *("--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=256m"),
)
"""The platform's restrictions, or tighter ones."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """Its last line on stderr, else on stdout."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1] if lines else f"exit code {self.code}, and not a word"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine's command line.

    Attributes:
        command: ``docker``, or what understands the same (``podman``).
    """

    command: str = "docker"

    def problem(self) -> str | None:
        """Why the engine cannot be used; None if it answers."""
        try:
            said = self.ask("version", "--format", "{{.Server.Version}}")
        except FileNotFoundError:
            return f"{self.command} is not installed"
        return None if said.code == 0 else f"{self.command}: {said.reason}"

    def ask(self, *arguments: str, timeout_s: float = QUICK_S) -> Said:
        """Run one of the engine's commands; 124 if it takes too long."""
        try:
            done = subprocess.run(
                [self.command, *arguments], capture_output=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            return Said(124, "", f"no end after {timeout_s:.0f} s")
        out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
        return Said(done.returncode, out, err)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run one of the engine's commands in the background; its output is dropped."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen([self.command, *arguments], stdout=quiet, stderr=quiet)

    def has(self, image: str) -> bool:
        """Whether there is an image of this name or digest."""
        return self.ask("image", "inspect", image).code == 0

    @contextmanager
    def saved(self, image: str) -> Iterator[BinaryIO]:
        """An image as ``docker save`` streams it.

        Raises:
            InputError: there is no such image.
        """
        if not self.has(image):
            raise InputError(f"there is no image {image}", "build or load it, or give a tar")
        process = subprocess.Popen(
            [self.command, "save", image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            yield cast(BinaryIO, process.stdout)
        finally:
            if process.stdout:
                process.stdout.close()
            process.wait()

    def load(self, archive: Path) -> str:
        """Load an archive; the name or digest of the image in it.

        Raises:
            InputError: the engine does not take it.
        """
        said = self.ask("load", "--quiet", "--input", str(archive), timeout_s=20 * QUICK_S)
        if said.code != 0 or ": " not in said.out:
            raise InputError(f"the engine cannot load it ({said.reason})", "save the image again")
        return said.out.strip().splitlines()[-1].partition(": ")[2]


@dataclass(frozen=True, slots=True)
class Container:
    """A container to be, with the sandbox's restrictions.

    Attributes:
        engine: which runs it.
        name: unique.
        options: of ``run``, without the image.
    """

    engine: Engine
    name: str
    options: tuple[str, ...]

    @classmethod
    def of(cls, engine: Engine, api: str, input_dir: Path, output_dir: Path) -> Container:
        """One that reads and writes two folders of this machine."""
        # Who is not root could not delete what another user writes.
        user = f"{os.getuid()}:{os.getgid()}" if os.getuid() else ANOTHER_USER
        name = f"cmrseg-lint-{uuid4().hex[:12]}"
        mounts = ("-v", f"{input_dir}:/input:ro", "-v", f"{output_dir}:/output")
        # The images' own switch; it means nothing to others.
        told = ("-e", f"CMRSEG_API={api}")
        return cls(engine, name, ("--name", name, "--user", user, *SANDBOX, *mounts, *told))

    def run(self, image: str, timeout_s: float) -> Said:
        """Run it to its end."""
        return self.engine.ask("run", "--rm", *self.options, image, timeout_s=timeout_s)

    def start(self, image: str) -> Said:
        """Start it in the background."""
        return self.engine.ask("run", "--detach", *self.options, image)

    def running(self) -> bool:
        """Whether it has not ended."""
        said = self.engine.ask("inspect", "--format", "{{.State.Running}}", self.name)
        return said.out.strip() == "true"

    def last_words(self) -> str:
        """Its last line on stderr."""
        return self.engine.ask("logs", "--tail", "20", self.name).reason

    def inside(self, *command: str) -> tuple[str, ...]:
        """The engine's arguments that run a command in it."""
        return ("exec", self.name, *command)

    def remove(self) -> None:
        """End it if need be, and delete it."""
        self.engine.ask("rm", "--force", self.name)
