"""Trials with faults, each a process of its own, and what they come to.

A trial's input folder holds two images: one that the fault happens to, and one that is sound, whose
mask is known. Processes are forked from one that has all libraries loaded.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.evaluation.table import TextTable
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg.imaging.write import SUFFIXES
from cmrseg.runtime.errors import (
    EXIT_BUG,
    EXIT_INPUT,
    EXIT_MEMORY,
    EXIT_OK,
    EXIT_OUTPUT,
    EXIT_PARTIAL,
    CmrsegError,
)
from cmrseg_lab.studies.faults.inputs import FAULTS, HIDDEN, SHARES, Conditions, TrialFolders

OUTCOMES = ("right", "refused", "wrong", "crashed", "hung", "half-written")
BAD = OUTCOMES[2:]
LONGEST_S = 120.0
"""After that, and after so many times a usual run's time, a run hangs."""
MANY = 20.0
KNOWN = (EXIT_OK, EXIT_INPUT, EXIT_PARTIAL, EXIT_OUTPUT, EXIT_MEMORY)
SOUND = "sound_SA_ED"
"""The image without a fault."""
PIPE_BYTES = 1 << 20
"""A run's lines go through a pipe of that size: a file would have the bound of full disks."""

HEAVY = (
    *("cmrseg.run.predict", "cmrseg.models.ensemble", "cmrseg.report.run_report"),
    *("cmrseg.recipes.emidec_rules", "cmrseg.recipes.mnms2", "cmrseg.quality.inspector"),
    *("cmrseg.imaging.nifti", "cmrseg.imaging.itk", "cmrseg.imaging.dicom", "safetensors.torch"),
    *("cmrseg.imaging.postprocess", "cmrseg.recipes.steps", "cmrseg.models.roi_crop"),
)
"""Loaded once, before processes are forked."""

Main = Callable[[Sequence[str]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One fault and what came of it.

    Attributes:
        number: with the seed it decides everything.
        kind: a key of ``FAULTS``.
        what: the fault in words.
        outcome: one of :data:`OUTCOMES`.
        reason: why, where the outcome is bad: words, or the run's last line.
    """

    number: int
    kind: str
    what: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended: its exit code (below zero: a signal), None if it hung; and its lines."""

    code: int | None
    lines: str

    @property
    def last(self) -> str:
        """The last line."""
        return self.lines.strip().rpartition("\n")[2]


@dataclass(slots=True)
class Campaign:
    """Faults drawn from a seed.

    Attributes:
        main: ``cmrseg``'s command line.
        challenge: the recipe.
        image: a small (z, y, x) stack.
        options: of ``predict``, as words.
        seed: of all trials.
        usual_s: seconds of a run without a fault.
        mask: of the sound image, as a run without faults made it.
    """

    main: Main
    challenge: Challenge
    image: Volume
    options: Sequence[str]
    seed: int
    usual_s: float = LONGEST_S
    mask: Array = field(default_factory=lambda: np.zeros(0))

    def trials(self, numbers: Iterable[int], workers: int = 1) -> Iterator[Trial]:
        """Trials in order, so many at once; the first call learns what is right.

        Raises:
            CmrsegError: not even a sound image is segmented.
        """
        self._learn()
        if workers == 1:
            yield from map(self._trial, numbers)
            return
        with get_context("fork").Pool(workers) as pool:
            yield from pool.imap(self._trial, numbers)

    def _learn(self) -> None:
        for name in HEAVY:
            import_module(name)
        with TemporaryDirectory() as folder:
            scene = self._scene(Path(folder))
            started = time.perf_counter()
            ran = self._run(scene, Conditions(what="none"))
            self.usual_s = time.perf_counter() - started
            if ran.code != EXIT_OK:
                raise CmrsegError(f"A sound image is not segmented: {ran.last}", "Mend that first")
            self.mask = read(scene.outputs / f"{SOUND}_seg.nii.gz").array

    def _trial(self, number: int) -> Trial:
        rng = np.random.default_rng([self.seed, number])
        shares = np.array(SHARES) / sum(SHARES)
        kind = str(rng.choice(list(FAULTS), p=shares))
        with TemporaryDirectory() as folder:
            scene = self._scene(Path(folder))
            conditions = FAULTS[kind](scene, rng)
            # Pictures take longer than masks this small: one trial of four draws some.
            quick = ["--no-report"] * bool(number % 4)
            ran = self._run(scene, conditions, *quick)
            outcome, reason = self._outcome(scene, conditions, ran)
            if conditions.kill_at is not None and outcome not in BAD:
                outcome, reason = self._gone_on_with(scene)
        return Trial(number=number, kind=kind, what=conditions.what, outcome=outcome, reason=reason)

    def _scene(self, folder: Path) -> TrialFolders:
        scene = TrialFolders(folder=folder, image=self.image, stem="odd_SA_ED", role="_SA_ED")
        scene.inputs.mkdir()
        scene.outputs.mkdir()
        (folder / HIDDEN).write_text(HIDDEN)
        scene.put(".nii.gz", SOUND)
        return scene

    def _gone_on_with(self, scene: TrialFolders) -> tuple[str, str]:
        """A killed run with ``--resume``: twice, as the case under way is left out once."""
        outcome = "right", ""
        for _ in range(2):
            ran = self._run(scene, Conditions(what="resumed"), "--resume")
            outcome = self._outcome(scene, Conditions(what="resumed"), ran)
            if ran.code == EXIT_OK:
                break
        return outcome if outcome[0] != "refused" else ("wrong", f"not resumed: {outcome[1]}")

    def _run(self, scene: TrialFolders, conditions: Conditions, *more: str) -> RunEnd:
        words = ["predict", self.challenge, str(scene.inputs), str(scene.outputs)]
        words += [*self.options, *more]
        ended_s = None
        if conditions.kill_at is not None:
            ended_s = conditions.kill_at * self.usual_s
        runs = [_Process.forked(lambda: self.main(words), conditions)]
        if conditions.twice:
            runs.append(_Process.forked(lambda: self.main(words), conditions))
        longest_s = max(LONGEST_S, MANY * self.usual_s)
        ends = [one.end(ended_s, conditions.by, longest_s) for one in runs]
        return max(ends, key=lambda one: -1 if one.code is None else one.code)

    def _outcome(self, scene: TrialFolders, conditions: Conditions, ran: RunEnd) -> tuple[str, str]:
        killed = conditions.kill_at is not None
        if ran.code is None:
            return "hung", ran.last
        documented = (*KNOWN, *((130, 143, -conditions.by) if killed else ()))
        if ran.code not in documented or "Traceback" in ran.lines:
            return "crashed", f"exit code {ran.code}: {ran.last}"
        if (scene.folder / HIDDEN).read_text() != HIDDEN:
            return "wrong", "a file beside the folders was written"
        checked = _Process.forked(lambda: self._check(scene, ran, killed), Conditions(what="check"))
        found = checked.end(None, signal.SIGKILL)
        if found.code not in range(len(OUTCOMES)):
            return "wrong", f"the results cannot be checked: {found.last}"
        return OUTCOMES[found.code or 0], found.last or ran.last

    def _check(self, scene: TrialFolders, ran: RunEnd, killed: bool) -> int:
        """In a process of its own, as it reads what may be anything: the outcome's number."""
        outcome, reason = self._checked(scene, ran, killed)
        print(reason)
        return OUTCOMES.index(outcome)

    def _checked(self, scene: TrialFolders, ran: RunEnd, killed: bool) -> tuple[str, str]:
        left = [path.name for path in scene.outputs.iterdir() if path.name.startswith(".cmrseg-")]
        if left and not killed:
            return "half-written", f"left behind: {left}"
        masks = {}
        for path in _masks(scene.outputs):
            try:
                masks[path.name] = read(path)
            except CmrsegError as error:
                return "half-written", str(error)
        if wrong := self._wrong(masks):
            return "wrong", wrong
        if ran.code == EXIT_OK:
            if f"{SOUND}_seg.nii.gz" not in masks:
                return "wrong", "exit code 0, and the sound image has no mask"
            if len(masks) == 2:
                return "right", ""
            if "passed over" not in ran.lines:
                return "wrong", "exit code 0, and not a word of the image without a mask"
        return ("refused", "") if ran.last or killed else ("wrong", "not a word of why")

    def _wrong(self, masks: dict[str, Volume]) -> str:
        """What is wrong with masks that are whole; empty if nothing is."""
        allowed = set(SPECS[self.challenge].codes["all"])
        for name, mask in masks.items():
            if not set(np.unique(mask.array).tolist()) <= allowed:
                return f"{name} holds other values than labels"
        sound = masks.get(f"{SOUND}_seg.nii.gz")
        if sound is not None and not np.array_equal(sound.array, self.mask):
            return "the sound image has another mask"
        return ""


@dataclass(frozen=True, slots=True)
class _Process:
    """A forked process, and the pipe that its lines come through."""

    pid: int
    pipe: int
    started: float

    @classmethod
    def forked(cls, work: Callable[[], int], conditions: Conditions) -> _Process:
        """Run a function in a process of its own; what it returns is the exit code."""
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            os.close(writing)
            return cls(pid, reading, time.perf_counter())
        code = EXIT_BUG
        try:
            os.setpgid(0, 0)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            # What the parent's streams know of their files is not true of a pipe.
            sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
            _bound(conditions)
            code = work()
            sys.stdout.flush()
            sys.stderr.flush()
        except SystemExit as ended:
            code = int(ended.code or 0)
        except KeyboardInterrupt:  # before main was there to take it
            code = 130
        except BaseException as error:
            os.write(2, f"Traceback: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)  # nothing of the parent's may be run at this one's end

    def end(
        self, after_s: float | None, by: signal.Signals, longest_s: float = LONGEST_S
    ) -> RunEnd:
        """Wait for it; ended by a signal after so many seconds, killed after the longest."""
        code = self._waited(after_s if after_s is not None else longest_s)
        if code is None and after_s is not None:
            os.kill(self.pid, by)
            code = self._waited(longest_s)
        if code is None:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        with os.fdopen(self.pipe, "rb") as stream:
            lines = stream.read().decode(errors="replace")
        return RunEnd(code=code, lines=lines)

    def _waited(self, seconds: float) -> int | None:
        until = time.perf_counter() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.perf_counter() >= until:
                return None
            time.sleep(0.005)


def outcome_table(trials: Sequence[Trial]) -> TextTable:
    """A line a kind of fault, a column an outcome, and a line for all."""
    kinds = [kind for kind in FAULTS if any(one.kind == kind for one in trials)]
    counted = Counter((one.kind, one.outcome) for one in trials)
    sums = Counter(one.outcome for one in trials)
    return TextTable(
        header=["fault", "trials", *OUTCOMES],
        lines=[
            *(
                [
                    kind,
                    str(sum(counted[kind, outcome] for outcome in OUTCOMES)),
                    *(str(counted[kind, outcome]) for outcome in OUTCOMES),
                ]
                for kind in kinds
            ),
            ["all", str(len(trials)), *(str(sums[outcome]) for outcome in OUTCOMES)],
        ],
    )


def small_stack(path: Path) -> Volume:
    """The middle of a sample image: four slices, 80 pixels wide, so that a run takes a second."""
    volume = read(path)
    z, y, x = (max(0, (n - w) // 2) for n, w in zip(volume.array.shape, (4, 80, 80), strict=True))
    part = np.ascontiguousarray(volume.array[z : z + 4, y : y + 80, x : x + 80])
    spacing = volume.geometry.spacing_mm
    return Volume(part.astype(np.int16), Geometry(part.shape, spacing))


def _masks(folder: Path) -> Iterator[Path]:
    """Masks that a run wrote; links and folders that the trial put there are none."""
    for path in sorted(folder.iterdir()):
        is_mask = path.name.endswith(tuple(f"_seg{ending}" for ending in SUFFIXES))
        if is_mask and path.is_file() and not path.is_symlink():
            yield path


def _bound(conditions: Conditions) -> None:
    if conditions.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (conditions.file_bytes, conditions.file_bytes))
    if conditions.memory_bytes is not None:
        held = next(
            int(line.split()[1]) << 10
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("VmData:")
        )
        most = held + conditions.memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
