"""What walks through the house: a case on its way in, a result on its way out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Array, Volume
from cmrseg.runtime.errors import CmrsegError


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One image of a case: a file or a folder of DICOM slices, and a frame if it is a cine.

    Attributes:
        path: the file or folder.
        frame: which frame of a cine, from 0.
        volume: the image itself, where a program has it in memory; nothing is read then.
    """

    path: Path
    frame: int | None = None
    volume: Volume | None = None

    def read(self) -> Volume:
        """The image.

        Raises:
            InputError: as :func:`cmrseg.imaging.read.read`.
            MemoryLimitError: it does not fit the memory.
        """
        return self.volume or read(self.path, self.frame)


Measures = dict[str, Any]
"""Findings by name as they are recorded: numbers with their unit in the name, or findings again.
Recipes differ in what they measure; `docs/site/reference/summary.md` lists it. JSON-ready."""
CINE = "SA_CINE"
"""The role of a short-axis cine of which all frames are wanted."""


@dataclass(frozen=True, slots=True)
class Case:
    """One patient's images, by role.

    Attributes:
        id: names the case in outputs ("Case_P001", "012", a file's stem).
        images: role -> source. Roles: ``LGE`` (emidec); ``SA_ED``, ``SA_ES``, ``LA_ED``,
            ``LA_ES``, and :data:`CINE` where ED and ES are to be found (mnms2).
        log_name: how the case is called in log lines, where no file name may stand.
        warnings: what was odd about the case's files, in words.
        problem: why the case cannot be segmented, known from its files alone; the run then
            reports it without calling the recipe.
        review: what was guessed about the case's files, in words: somebody has to look at it.
        notes: what is worth knowing and nothing to worry about, in words (a view not given).
    """

    id: str
    images: Mapping[str, ImageSource]
    log_name: str
    warnings: tuple[str, ...] = ()
    problem: CmrsegError | None = None
    review: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What came of one image: labels and float maps, all on the image's own voxels.

    Attributes:
        mask: uint8 labels in the challenge's codes.
        maps: float32 volumes by name (for example ``variance``, ``entropy``).
        expected: makes the labels that quality control would have expected, for pictures; they are
            never written.
        probabilities: makes the class probabilities that the mask came of, before any rule:
            (classes, z, y, x) in 0 to 1, background first.
    """

    mask: Volume
    maps: Mapping[str, Volume] = field(default_factory=dict)
    expected: Callable[[], Volume] | None = None
    probabilities: Callable[[], Array] | None = None


@dataclass(frozen=True, slots=True)
class Cine:
    """What came of a whole cine.

    Attributes:
        labels: (t, z, y, x) uint8, of every frame.
        frames: role (``SA_ED``, ``SA_ES``) -> the frame, from 0, that it was found to be.
    """

    labels: Array
    frames: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case.

    Attributes:
        predictions: role -> prediction; empty if the case failed.
        measures: JSON-ready findings (volumes in mL, quality, ...); no NaN, no infinity.
        timings_s: step -> seconds; the run adds ``total``, the case's wall clock.
        warnings: what the user should know, in words.
        error: why the case failed, else None.
        failed: role -> why its image could not be segmented although others of the case were.
        computed: how: device, precision, threads, mirrors, samples, bundle (its SHA-256).
        review: why somebody has to look at the case whatever quality control says, in words:
            guessed roles, sizes that no heart has. The run adds each to ``warnings``.
        notes: what is worth knowing and nothing to worry about, in words.
        cine: the masks of all frames, where the case is a cine.
        masks: role -> where its mask lies, relative to the output folder, once it is written.
    """

    predictions: Mapping[str, Prediction] = field(default_factory=dict)
    measures: Mapping[str, Any] = field(default_factory=dict)
    timings_s: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str | None = None
    failed: Mapping[str, CmrsegError] = field(default_factory=dict)
    computed: Mapping[str, Any] = field(default_factory=dict)
    review: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cine: Cine | None = None
    masks: Mapping[str, str] = field(default_factory=dict)


class Contract(Protocol):
    """One way for cases to come in and results to go out.

    ``write`` stages a result outside the output folder, re-reads it, compares geometry and label
    set with the input, and moves it in whole; it raises ``OutputError`` rather than leave a file
    that could not be verified.
    """

    name: ClassVar[str]

    @abstractmethod
    def cases(self) -> Iterator[Case]:
        """The cases found, in a stable order."""

    @abstractmethod
    def write(self, case: Case, result: Result) -> Result:
        """Put one verified result in its place; returns it with what that added to tell."""

    @abstractmethod
    def finish(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        """Write what belongs to the whole run (a summary), after the last case.

        Returns:
            Warnings, in words.
        """

    def done(self, case: Case) -> Result | None:
        """The result that an earlier run left, if it is whole and would come out the same."""
        return None

    def under_way(self, case: Case) -> AbstractContextManager[None]:
        """Within this block an account, if one is kept, says that the case is being computed."""
        return nullcontext()

    def was_killed(self, case: Case) -> bool:
        """Whether a run that is gone on with was killed at this case."""
        return False

    def discard(self, case: Case) -> None:
        """Take away what an earlier run wrote for a case that has failed now."""
        return

    def notes(self) -> tuple[str, ...]:
        """What was odd about the input as a whole, known once the cases are listed."""
        return ()

    def closing(self, results: Mapping[str, Result]) -> str | None:
        """What to say of the whole run at its end, where something may be said."""
        return None

    def account(self) -> str | None:
        """The file that tells of each case by name, if there will be one."""
        return None
