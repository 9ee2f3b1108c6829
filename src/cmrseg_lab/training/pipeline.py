"""A challenge's whole training in one command: ``cmrseg-lab train emidec --data FOLDER``.

Preprocessing, every fold, packing, calibration and out-of-fold scores, one after the other. Given
again after a stop the same command goes on where it stood: a cache that is whole is not made
again, a run goes on from its checkpoint, and what follows is made anew. Folds may as well run side
by side, each on a GPU of its own (``--folds 0 --out a``, ``--folds 1 --out b``); once their
``work`` folders lie in one, a last call with all folds finds them done.

Below ``out``: ``<challenge>/``, the bundle, and ``work/<challenge>/``, caches, runs and scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cmrseg.cases.labels import Challenge
from cmrseg.runtime.errors import InputError, UsageError
from cmrseg.runtime.logs import Line, tell

NETWORKS: dict[str, tuple[str, ...]] = {
    "emidec": ("emidec",),
    "mnms2": ("mnms2-sa", "mnms2-la"),
}
"""What a challenge's bundle is made of, beside a quality-control autoencoder for each of mnms2."""
FOLDS: dict[str, tuple[int | None, ...]] = {"emidec": (0, 1, 2, 3, 4), "mnms2": (0,)}
"""The papers': five-fold cross-validation; candidates of one training, whose thresholds ask for
patients that none of a view's networks met."""
OFFICIAL = {"emidec": "emidec-official", "mnms2": "mnms2"}
"""What the organisers' data is called in manifest and model card, unless it is told otherwise."""

OF_ONE = 6
"""Dropout samples of one network, from which it is learned how far they usually agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is to be trained, and where.

    Attributes:
        challenge: ``emidec`` or ``mnms2``.
        data: labelled cases in the challenge's layout.
        out: the bundle and all on the way to it go here.
        source: names the data in the manifest; a data set's own name stands for its licence.
        folds: the folds held out, a network each; None for the challenge's usual ones. None among
            them holds nobody out.
        config: which configuration; the papers' by default.
        settings: further arguments of :func:`cmrseg_lab.training.train.train`.
        commit: the commit the bundle is packed at.
        rehearse: mnms2: whose labelled slices travel in the bundle (``calibration.Rehearse``);
            data of patients alone have none of synthetic hearts.
    """

    challenge: Challenge
    data: Path
    out: Path
    source: str | None = None
    folds: Sequence[int | None] | None = None
    config: str = "paper"
    settings: Mapping[str, Any] = field(default_factory=dict)
    commit: str = "unknown"
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


def train_whole(course: Course) -> Path:
    """Train, pack, calibrate and score; returns the bundle.

    Raises:
        InputError: the data cannot be used.
        UsageError: there is no such configuration or fold, or what lies in ``out`` was begun with
            other settings.
        TrainingStoppedError: on SIGTERM, after the checkpoint is safe.
    """
    from cmrseg_lab.training.pack import pack

    _check_configuration(course)
    checkpoints: list[Path] = []
    for network in NETWORKS[course.challenge]:
        _preprocess(course, network)
        for fold in course.held_out:
            checkpoints += _segmenter(course, network, fold)
            if course.challenge == "mnms2":
                checkpoints.append(_autoencoder(course, network, fold))
    pack(course.challenge, checkpoints, course.bundle, commit=course.commit)
    _calibrate(course)
    _score(course)
    _tell_of_refinement(course)
    _say(f"the bundle lies in {course.bundle}")
    return course.bundle


def _check_configuration(course: Course) -> None:
    """Of all networks, before the first is trained for hours."""
    from cmrseg_lab.training.presets import RECIPES

    for network in NETWORKS[course.challenge]:
        known = RECIPES[network].training
        if course.config not in known:
            raise UsageError(
                f"{network} has no configuration {course.config}", f"use {' or '.join(known)}"
            )


def _cache(course: Course, network: str) -> Path:
    return course.work / network / "cache"


def _preprocess(course: Course, network: str) -> None:
    """The cache that fitting reads, unless it is there."""
    from cmrseg_lab.training import cache
    from cmrseg_lab.training.preprocess import preprocess
    from cmrseg_lab.training.presets import RECIPES

    place = _cache(course, network)
    items = RECIPES[network].items(course.data)
    if (place / cache.INDEX).exists():  # it is written last
        found = {(e.source, e.patient, e.role) for e in cache.read_index(place, network)}
        if found == {(course.named, item.patient, item.role) for item in items}:
            return
        raise UsageError(
            f"{course.work} was begun with other cases or another --source",
            "give the same data, or another --out",
        )
    preprocess(network, items, RECIPES[network].grid, place, source=course.named)


def _segmenter(course: Course, network: str, fold: int | None) -> list[Path]:
    """One fold's checkpoints: the best snapshots where some are kept, else the last one."""
    from cmrseg_lab.training.loop import CHECKPOINT
    from cmrseg_lab.training.presets import RECIPES
    from cmrseg_lab.training.train import train

    run = course.work / network / f"fold-{'all' if fold is None else fold}"
    last = train(
        RECIPES[network].training[course.config],
        _cache(course, network),
        run,
        fold=fold,
        resume=(run / CHECKPOINT).exists(),
        configuration=course.config,
        **course.settings,
    )
    return sorted(run.glob("best-*.safetensors")) or [last]


def _autoencoder(course: Course, network: str, fold: int | None) -> Path:
    """The quality-control autoencoder of a view."""
    from cmrseg_lab.training.autoencoder import train_autoencoder
    from cmrseg_lab.training.autoencoder_config import configurations
    from cmrseg_lab.training.loop import CHECKPOINT

    run = course.work / network / f"qc-{'all' if fold is None else fold}"
    known = configurations(f"{network}-qc")
    shared = ("device", "steps", "seed")
    return train_autoencoder(
        known["compact" if "compact" in course.config else "paper"],
        _cache(course, network),
        run,
        fold=fold,
        resume=(run / CHECKPOINT).exists(),
        **{k: v for k, v in course.settings.items() if k in shared},
    )


def _calibrate(course: Course) -> None:
    """Rules, or quality thresholds, from held-out patients; told where there are too few."""
    from cmrseg_lab.training.calibration import emidec, mnms2
    from cmrseg_lab.training.calibration.emidec_out_of_fold import Effort

    device = course.settings.get("device", "auto")
    try:
        if course.challenge == "emidec":
            told = emidec.calibrate(
                course.data,
                course.bundle,
                source=course.named,
                work=course.work / "held-out",
                effort=Effort(samples=OF_ONE, device=device),
            )
            _say(told)
            return
        for network in NETWORKS["mnms2"]:
            cache = _cache(course, network)
            told = mnms2.calibrate(
                network, cache, course.bundle, device=device, rehearse=course.rehearse
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
        device=course.settings.get("device", "auto"),
        record=True,
    )
    _say(report.text())


def _tell_of_refinement(course: Course) -> None:
    """That the bundle cannot be refined, where nobody chose so."""
    from cmrseg_lab.training.calibration.mnms2 import without_refinement

    if course.challenge == "mnms2" and course.rehearse != "none":
        _say(without_refinement(course.bundle))


def _say(words: str) -> None:
    """Tell something, a line at a time."""
    for line in words.splitlines():
        tell(Line(line))
