"""A challenge's whole training in one command: ``cmrseg-lab train emidec --data FOLDER``.

Preparation, every fold, packing, calibration and out-of-fold scores, one after the other. Given
again after a stop the same command goes on where it stood: a cache that is whole is not made
again, a run goes on from its checkpoint, and what follows is made anew. Folds may as well run side
by side, each on a GPU of its own (``--folds 0 --out a``, ``--folds 1 --out b``); once their
``work`` folders lie in one, a last call with all folds finds them done.

Below ``out``: ``<challenge>/``, the bundle, and ``work/<challenge>/``, caches, runs and scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

from cmrseg.cases.challenge import EMIDEC, MNMS2, Challenge
from cmrseg.models import bundle
from cmrseg.models.bundle import Bundle
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg.runtime.logs import Line, tell
from cmrseg_lab.training import preset

PRESETS: dict[str, dict[str, tuple[str, ...]]] = {
    EMIDEC.name: {"emidec": ("emidec",)},
    MNMS2.name: {
        "mnms2-sa": ("short_axis", "qc_short_axis"),
        "mnms2-la": ("long_axis", "qc_long_axis"),
    },
}
"""What a challenge's bundle is made of: recipe -> presets, an autoencoder's among them."""
FOLDS: dict[str, tuple[int | None, ...]] = {EMIDEC.name: (0, 1, 2, 3, 4), MNMS2.name: (0,)}
"""The papers': five-fold cross-validation; candidates of one training, whose thresholds ask for
patients that none of a view's networks met."""
OFFICIAL = {"emidec": "emidec-official", "mnms2": "mnms2"}
"""What the organisers' data is called in manifest and model card, unless it is told otherwise."""
OF_ONE = 6
"""Dropout samples of one network, from which it is learned how far they usually agree."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """What is to be trained, and where.

    Attributes:
        challenge: ``emidec`` or ``mnms2``.
        data: labelled cases in the challenge's layout.
        out: the bundle and all on the way to it go here.
        source: names the data in the manifest; a data set's own name stands for its licence.
        folds: the folds held out, a network each; None for the challenge's usual ones. None among
            them holds nobody out.
        size: ``compact``: what a CPU trains in hours; ``paper``: the papers' networks.
        changed: values of the presets to change, ``steps`` say.
        seed: everything random follows from it.
        device: where to compute.
        workers: processes that make samples.
        commit: the commit the bundle is packed at.
        start: a bundle to fine-tune: each of its networks is trained further, those of a view of
            which the data have nothing are taken over.
        rehearse: mnms2: whose labelled slices travel in the bundle (``calibration.Rehearse``);
            data of patients alone have none of synthetic hearts.
    """

    challenge: Challenge
    data: Path
    out: Path
    source: str | None = None
    folds: Sequence[int | None] | None = None
    size: Literal["compact", "paper"] = "compact"
    changed: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"
    workers: int = 1
    commit: str = "unknown"
    start: Path | None = None
    rehearse: Literal["synthetic", "learned", "none"] = "synthetic"

    @property
    def work(self) -> Path:
        """Where caches, runs and scores lie."""
        return self.out / "work" / self.challenge

    @property
    def bundle(self) -> Path:
        """Where the bundle lies."""
        return self.out / self.challenge

    @property
    def named(self) -> str:
        """The source's name; "emidec" is that of our copy, recovered from pictures."""
        return self.source or OFFICIAL[self.challenge]

    @property
    def held_out(self) -> tuple[int | None, ...]:
        """The folds."""
        return tuple(self.folds or FOLDS[self.challenge])

    @cached_property
    def begun(self) -> Bundle | None:
        """The bundle to fine-tune."""
        return bundle.find(self.challenge, self.start) if self.start else None

    @cached_property
    def recipes(self) -> list[str]:
        """What is trained; in fine-tuning what there are cases of.

        Raises:
            InputError: none.
        """
        from cmrseg_lab.training import datasets

        known, found, problem = list(PRESETS[self.challenge]), [], None
        if not self.start:
            return known
        for recipe in known:
            try:
                datasets.find_labelled(recipe, self.data)
            except InputError as error:
                problem = error
            else:
                found.append(recipe)
        if problem and not found:
            raise problem
        return found


def train_whole(course: Course) -> Path:
    """Train, pack, calibrate and score; returns the bundle.

    Raises:
        InputError: the data cannot be used.
        UsageError: what lies in ``out`` was begun with other settings.
        TrainingStoppedError: on SIGTERM, after the checkpoint is safe.
    """
    from cmrseg_lab.training.pack import pack
    from cmrseg_lab.training.train import train

    checkpoints = []
    for recipe in course.recipes:
        cache = _cache(course, recipe)
        for name in PRESETS[course.challenge][recipe]:
            paper = f"{name}_paper" if course.size == "paper" else name
            for run, (wanted, how) in _runs(course, paper).items():
                checkpoints.append(
                    train(
                        wanted,
                        cache,
                        course.work / "runs" / run,
                        device=course.device,
                        workers=course.workers,
                        **how,
                    )
                )
    keep = course.begun.folder if course.begun else None
    pack(course.challenge, checkpoints, course.bundle, commit=course.commit, keep=keep)
    _calibrate(course)
    _score(course)
    _tell_of_refinement(course)
    _say(f"the bundle lies in {course.bundle}")
    return course.bundle


def _runs(course: Course, name: str) -> Mapping[str, tuple[Any, Mapping[str, Any]]]:
    """The trainings of a preset: run -> the preset as it is trained, and fold, seed and start."""
    from cmrseg_lab.training.start import fine_tuning, starts

    wanted = preset.read_preset(name)
    folds = {fold: "all" if fold is None else fold for fold in course.held_out}
    if not (course.begun and (begun := starts(course.begun, wanted.recipe))):
        changed = replace(wanted, **course.changed)
        return {
            f"{name}-{told}": (changed, {"fold": fold, "seed": course.seed})
            for fold, told in folds.items()
        }
    runs = {}
    for number, (start, fold) in enumerate(zip(begun, cycle(folds), strict=False)):
        tuned = replace(fine_tuning(wanted, start), **course.changed)
        how = {"fold": fold, "seed": course.seed + number, "start": start}
        runs[f"{name}-{folds[fold]}-{number}"] = tuned, how
    return runs


def _cache(course: Course, recipe: str) -> Path:
    """The cache that fitting reads, made unless it is there."""
    from cmrseg_lab.training import cache, datasets
    from cmrseg_lab.training.prepare import prepare_cache

    place = course.work / "cache" / recipe
    if (place / cache.INDEX).exists():  # it is written last
        found = {(p.source, p.patient) for p in cache.read_index(place, recipe)}
        wanted = {(course.named, i.patient) for i in datasets.find_labelled(recipe, course.data)}
        if found != wanted:
            raise UsageError(
                f"{course.work} was begun with other cases or another --source",
                "give the same data, or another --out",
            )
    else:
        prepare_cache(recipe, {course.named: course.data}, place)
    return place


def _calibrate(course: Course) -> None:
    """Rules, or quality thresholds, from held-out patients; told where there are too few."""
    from cmrseg_lab.training.calibration import emidec, mnms2
    from cmrseg_lab.training.calibration.emidec_out_of_fold import RunSettings

    try:
        if course.challenge == EMIDEC.name:
            told = emidec.calibrate_emidec(
                course.data,
                course.bundle,
                source=course.named,
                work=course.work / "held-out",
                effort=RunSettings(samples=OF_ONE, device=course.device),
            )
            _say(told)
            return
        for recipe in course.recipes:
            told = mnms2.calibrate_mnms2(
                recipe,
                course.work / "cache" / recipe,
                course.bundle,
                device=course.device,
                rehearse=course.rehearse,
            )
            _say(told)
    except InputError as error:
        _say(f"not calibrated: {error}")


def _score(course: Course) -> None:
    """Out-of-fold scores into manifest and model card, where somebody was held out."""
    from cmrseg_lab.training.validate import validate

    if all(fold is None for fold in course.held_out):
        return
    report = validate(
        course.challenge,
        course.data,
        course.work / "scores",
        source=course.named,
        weights=course.bundle,
        device=course.device,
        record=True,
    )
    _say(report.text())


def _tell_of_refinement(course: Course) -> None:
    """That the bundle cannot be refined, where nobody chose so."""
    from cmrseg_lab.training.calibration.mnms2 import without_refinement

    if course.challenge == MNMS2.name and course.rehearse != "none":
        _say(without_refinement(course.bundle))


def _say(words: str) -> None:
    """Tell something, a line at a time."""
    for line in words.splitlines():
        tell(Line(line))
