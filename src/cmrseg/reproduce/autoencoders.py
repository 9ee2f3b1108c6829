"""Autoencoders beside one another: which reproduces true masks best, and which is fooled least.

From what `cmrseg score-qc` wrote of each, on the same patients and the same wrong masks. Intervals
are of a bootstrap over patients, whose images and masks stay together: the same draws for every
autoencoder, so that differences are paired.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cmrseg.errors import InputError
from cmrseg.evaluation.risk import rank_correlation
from cmrseg.evaluation.table import NOTHING, Grid
from cmrseg.imaging.volume import Array
from cmrseg.quality.measures import DECISIVE
from cmrseg.training.detection import POOR, roc_area
from cmrseg.training.wrong import MIXED, SPOILED

DRAWS, LEVEL = 1000, 0.95
FLOOR = {"mnms2-sa-qc": 0.93, "mnms2-la-qc": 0.92}
"""RV Dice of unseen true masks that an autoencoder of ours has to reach, set by ourselves."""
AUTHORS = {"mnms2-sa-qc": 0.909, "mnms2-la-qc": 0.839}
"""What the authors' own reached on theirs (galati2021's notebook, other patients)."""

Statistic = Callable[["Scored", Array], float | None]
"""(an autoencoder's scores, numbers of its images, some perhaps twice) to one number."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One autoencoder's ``autoencoder.json``, by name."""

    name: str
    told: dict[str, Any]

    @classmethod
    def read(cls, name: str, path: Path) -> Scored:
        """What `cmrseg score-qc` wrote.

        Raises:
            InputError: nothing of it, or of a version that kept no single masks.
        """
        try:
            told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            _ = told["masks"][MIXED], told["images"], told["patients"], told["checkpoint"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{name}: {path.name} holds no scores of single masks", "run `cmrseg score-qc` anew"
            ) from error
        return cls(name, told)

    def column(self, kind: str, name: str, images: Array) -> Array:
        """One number of each mask of a kind, of these images; NaN where there is none."""
        masks = self.told["masks"][kind]
        of, values = np.array(masks["image"]), np.array(masks[name], float)
        found: Array = np.concatenate([values[of == image] for image in images])
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number that tells autoencoders apart.

    Attributes:
        title: with the unit.
        of: takes it.
        better: 1 if more of it is better, -1 if less.
        digits: after the point.
    """

    title: str
    of: Statistic
    better: int = 1
    digits: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A measure of all images, and of each draw of patients (NaN where it is not defined)."""

    all: float | None
    draws: Array

    def told(self, digits: int, sign: str = "") -> str:
        """``0.912 (0.890 to 0.931)``."""
        if self.all is None:
            return NOTHING
        low, high = self.interval()
        return f"{self.all:{sign}.{digits}f} ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})"

    def interval(self) -> tuple[float, float]:
        """Percentiles of the draws in which it is defined."""
        tail = 50 * (1 - LEVEL)
        low, high = np.nanpercentile(self.draws, [tail, 100 - tail])
        return float(low), float(high)

    def less(self, other: Value) -> Value:
        """The difference, draw by draw."""
        both = None if self.all is None or other.all is None else self.all - other.all
        return Value(all=both, draws=self.draws - other.draws)


def measures(scored: Scored) -> list[Measure]:
    """What is told of autoencoders judged on these kinds of wrong masks."""
    kinds = {k: w for k, w in ((MIXED, "made"), (SPOILED, "found")) if k in scored.told["masks"]}
    blunders = [k for k in ("empty slice", "stray piece") if k in scored.told["masks"]]
    return [
        Measure(title=f"{DECISIVE} Dice of true masks", of=_true("pdc")),
        Measure(title=f"{DECISIVE} HD of true masks (mm)", of=_true("phd_mm"), better=-1, digits=1),
        *(Measure(title=f"Spearman, {w} errors", of=_spearman(k)) for k, w in kinds.items()),
        *(Measure(title=f"ROC area, {w} errors", of=_auc(k)) for k, w in kinds.items()),
        *(
            Measure(title=f"{k} repeated (%)", of=_repeats(k), better=-1, digits=0)
            for k in blunders
        ),
    ]


def value(scored: Scored, measure: Measure, seed: int = 0) -> Value:
    """A measure and its bootstrap over patients."""
    patients = np.array(scored.told["patients"])
    every = [np.flatnonzero(patients == p) for p in np.unique(patients)]
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(every), size=(DRAWS, len(every)))
    drawn = [measure.of(scored, np.concatenate([every[p] for p in draw])) for draw in draws]
    return Value(
        all=measure.of(scored, np.arange(len(patients))),
        draws=np.array([np.nan if v is None else v for v in drawn]),
    )


def what_they_are(each: Sequence[Scored]) -> Grid:
    """Networks and trainings."""
    header = ["", "window", "slices seen", "latent", "parameters", "steps", "given with errors",
              "with blunders", "file"]  # fmt: skip
    lines = []
    for one in each:
        about = one.told["checkpoint"]
        training, latent = about["training"], about["latent"]
        network = training["network"]
        begun = about["steps_in_all"] - one.told["steps"]
        lines.append([
            one.name, f"{network['size']} x {network['size']}", str(network["slices"]),
            f"{' x '.join(map(str, latent))}", f"{about['parameters'] / 1e6:.2f} M",
            f"{begun} + {one.told['steps']}" if begun else str(one.told["steps"]),
            f"{100 * training['corrupted']:.0f} %", f"{100 * training['blunders']:.0f} %",
            about["sha256"][:8],
        ])  # fmt: skip
    return Grid(header=header, lines=lines)


def table(each: Sequence[Scored], values: Mapping[tuple[str, str], Value]) -> Grid:
    """Every measure of every autoencoder, with intervals."""
    wanted = measures(each[0])
    lines = [[o.name, *(values[o.name, m.title].told(m.digits) for m in wanted)] for o in each]
    return Grid(header=["", *(m.title for m in wanted)], lines=lines)


def repeats(each: Sequence[Scored]) -> Grid:
    """How much of each kind of error reconstructions repeat."""
    lines = []
    for kind, first in each[0].told["wrong_masks"].items():
        shares = [one.told["wrong_masks"][kind]["repeats"] for one in each]
        cells = [NOTHING if s is None else f"{100 * s:.0f}" for s in shares]
        lines.append([kind, str(first["masks"]), str(first["poor"]), *cells])
    header = ["repeated (%)", "masks", f"Dice < {POOR}", *(one.name for one in each)]
    return Grid(header=header, lines=lines)


def differences(
    each: Sequence[Scored],
    pairs: Sequence[tuple[str, str]],
    values: Mapping[tuple[str, str], Value],
) -> tuple[Grid, list[str]]:
    """First less other of each pair; and in words what is shown to be better or worse."""
    wanted = measures(each[0])
    lines, words = [], []
    for first, other in pairs:
        cells, shown = [], []
        for m in wanted:
            gain = values[first, m.title].less(values[other, m.title])
            cells.append(gain.told(m.digits, "+"))
            if verdict := _verdict(gain, m):
                shown.append(f"{verdict} in {m.title.removesuffix(' (%)').removesuffix(' (mm)')}")
        lines.append([f"{first} less {other}", *cells])
        told = "; ".join(shown) or "no difference is shown"
        words.append(f"- **{first}** against **{other}**: {told}.")
    return Grid(header=["", *(m.title for m in wanted)], lines=lines), words


def check_same(each: Sequence[Scored]) -> None:
    """Compared are only scores of the same masks.

    Raises:
        InputError: another recipe, other patients, or other wrong masks.
    """
    first = each[0].told
    for one in each[1:]:
        same = all(one.told[key] == first[key] for key in ("recipe", "patients"))
        masks = one.told["masks"]
        if not same or _true_dice(masks) != _true_dice(first["masks"]):
            raise InputError(
                f"{one.name} was not scored on the masks of {each[0].name}",
                "score both with the same cache, --segmenter, --errors and --seed",
            )


def _true_dice(masks: dict[str, Any]) -> dict[str, Any]:
    return {kind: (rows["image"], rows["dice"]) for kind, rows in masks.items()}


def _verdict(gain: Value, measure: Measure) -> str:
    """Better or worse where the interval lies on one side of zero; else nothing."""
    if gain.all is None:
        return ""
    low, high = (measure.better * end for end in gain.interval())
    return "better" if min(low, high) > 0 else "worse" if max(low, high) < 0 else ""


def _true(name: str) -> Statistic:
    def mean(one: Scored, images: Array) -> float:
        found = np.array([image[DECISIVE][name] for image in one.told["images"]])
        return float(found[images].mean())

    return mean


def _spearman(kind: str) -> Statistic:
    def correlation(one: Scored, images: Array) -> float:
        a, b = (one.column(kind, name, images) for name in ("pdc", "dice"))
        return rank_correlation(a.tolist(), b.tolist())[0]

    return correlation


def _auc(kind: str) -> Statistic:
    def area(one: Scored, images: Array) -> float | None:
        poor = one.column(kind, "dice", images) < POOR
        return roc_area(-one.column(kind, "pdc", images), poor)

    return area


def _repeats(kind: str) -> Statistic:
    def share(one: Scored, images: Array) -> float | None:
        found = one.column(kind, "repeats", images)
        return None if np.isnan(found).all() else 100 * float(np.nanmean(found))

    return share
