"""The page: what helps where, a picture, tables, and how far all this can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmrseg.bundle import Bundle
from cmrseg.challenges.mnms2 import RECIPES
from cmrseg.evaluation.paired import Paired, in_words
from cmrseg.evaluation.table import Grid
from cmrseg.reproduce.augmentation.gains import SHOWN_BELOW, Gains, Scores, gains, mean, shown
from cmrseg.reproduce.augmentation.measure import DRAWN, SLICES
from cmrseg.reproduce.augmentation.picture import save_heat_map
from cmrseg.reproduce.augmentation.shifts import SHIFTS
from cmrseg.reproduce.page import Page

DECISIVE = "rv_dice"
FAR = "rv_hd_mm"
METRICS = {
    DECISIVE: ("RV Dice", 3, ""),
    "lv_dice": ("LV Dice", 3, ""),
    "myo_dice": ("MYO Dice", 3, ""),
    FAR: ("RV HD", 1, "mm"),
}
"""Metric -> title, digits, unit."""


def write(
    out: Path, scores: Scores, bundles: Mapping[str, Bundle], *, made: str, note: str, drawn: str
) -> list[Path]:
    """The page with its tables and picture, in ``out``.

    Args:
        out: an existing folder.
        scores: shift -> training -> patient -> metrics.
        bundles: training -> the bundle it left.
        made: how and when, told under each table.
        note: what else readers have to know of these trainings; "" for nothing.
        drawn: which generation of drawn hearts is shown; "" if that is not known.

    Returns:
        The files written.
    """
    page, found = Page(out, made), gains(scores, DECISIVE)
    first = next(iter(bundles))
    page.say("# What each augmentation brings", _lead(scores, first), _findings(scores, first))
    picture = page.figure(
        "differences",
        f'Difference of the RV\'s mean Dice to "{first}", in hundredths: rows are trainings, '
        f"columns what was shown; bold with a star where p < {SHOWN_BELOW:g}.",
    )
    save_heat_map(found, picture)
    page.say("## Where the trainings stand", "Mean over patients: RV Dice, then HD.")
    for metric in (DECISIVE, FAR):
        page.table(metric, _means(scores, metric))
    page.say(f'## Differences to "{first}"', _how_compared(found))
    page.table("differences", _differences(scores))
    page.say("## What was shown", _shown(scores, drawn))
    page.say("## What the trainings were", *([note] if note else []))
    page.table("trainings", _trainings(bundles))
    page.say("## What this can and cannot show", _limits(scores, bundles, found))
    page.close()
    return page.files


def _lead(scores: Scores, first: str) -> str:
    patients = len(scores[next(iter(scores))][first])
    return (
        "Written by `make augmentation`. One short-axis network was trained on for a while in "
        f'several ways, each unlike "{first}" in one thing. That has the grey-scale '
        "augmentation usual at one centre, but for fields of view; each other training has one "
        "group as strong as our bundles have it, or all of them, or drawn hearts as well. "
        f"{patients} patients that no network learned from, one phase of each (ED and ES by "
        f"turns) and {SLICES} slices of it, were then shown as they are and with one thing "
        "changed. Masks are scored at native geometry, after the shipped rule for stray pieces and "
        "without quality control."
    )


def _findings(scores: Scores, first: str) -> str:
    """A line a training: where it is shown to be better or worse, where perhaps, where neither.

    Of the LV and the myocardium only what is shown.
    """
    found = {metric: gains(scores, metric) for metric in METRICS if metric.endswith("dice")}
    lines = []
    for name in dict.fromkeys(name for _, name in found[DECISIVE]):
        told = []
        for metric, all_gains in found.items():
            own = {shift: one for (shift, other), one in all_gains.items() if other == name}
            told += _told(METRICS[metric][0], own, everything=metric == DECISIVE)
        lines.append(f"- **{name}**: {'; '.join(told)}.")
    return (
        f'Against "{first}" (better, worse: p < {SHOWN_BELOW:g} among all comparisons of a '
        "structure; perhaps: the interval alone leaves out zero):\n\n" + "\n".join(lines)
    )


def _told(title: str, own: Mapping[str, Paired], *, everything: bool) -> list[str]:
    """Of one structure: shifts by what is said of them, the largest differences first."""
    kinds = {shift: _kind(one) for shift, one in own.items()}
    told = []
    for kind in ("better", "worse", *(("perhaps better", "perhaps worse") if everything else ())):
        some = sorted((s for s in own if kinds[s] == kind), key=lambda s: -abs(own[s].mean))
        if some:
            listed = ", ".join(f"{shift} ({own[shift].mean:+.3f})" for shift in some)
            told.append(f"{title} {kind} on {listed}")
    rest = ", ".join(shift for shift, kind in kinds.items() if not kind)
    return [*told, f"no difference of {title} shown on {rest}"] if rest and everything else told


def _kind(one: Paired) -> str:
    """What a difference is called; nothing where none is seen."""
    if not (shown(one) or one.low > 0 or one.high < 0):
        return ""
    return f"{'' if shown(one) else 'perhaps '}{'better' if one.mean > 0 else 'worse'}"


def _means(scores: Scores, metric: str) -> Grid:
    title, digits, unit = METRICS[metric]
    names = list(next(iter(scores.values())))
    lines = [
        [name, *(f"{mean(table[name], metric):.{digits}f}" for table in scores.values())]
        for name in names
    ]
    return Grid(header=[f"{title}{f' ({unit})' if unit else ''}", *scores], lines=lines)


def _differences(scores: Scores) -> Grid:
    found = {metric: gains(scores, metric) for metric in METRICS}
    lines = []
    for key in found[DECISIVE]:
        cells = [
            in_words(found[metric][key], digits=digits, unit=unit) if key in found[metric] else "-"
            for metric, (_, digits, unit) in METRICS.items()
        ]
        lines.append([*key, *cells])
    titles = [title for title, _, _ in METRICS.values()]
    return Grid(header=["shown", "training", *titles], lines=lines)


def _how_compared(found: Gains) -> str:
    return (
        "Mean over patients, 95 % bootstrap interval, Wilcoxon's signed-rank p, made larger by "
        f"Holm's rule for the {len(found)} comparisons of a column. HD: below zero is better."
    )


def _shown(scores: Scores, drawn: str) -> str:
    lines = [f"- {name}: {SHIFTS[name].words}." for name in scores if name in SHIFTS]
    if DRAWN in scores:
        number = len(next(iter(scores[DRAWN].values())))
        which = f" of generation {drawn}" if drawn else ""
        lines.append(f"- {DRAWN}: {number} other hearts{which}, drawn in held-out styles.")
    return "\n".join(lines)


def _trainings(bundles: Mapping[str, Bundle]) -> Grid:
    """What each learned from and how, as its manifest tells."""
    header = ["training", "strong groups", "steps", "patches a step", "rate", "seed"]
    lines = [
        [name, *_training(_trained(found)), found.digest[:12]] for name, found in bundles.items()
    ]
    return Grid(header=[*header, "learned from", "manifest"], lines=lines)


def _training(training: Mapping[str, Any]) -> list[str]:
    steps = [f"{training['steps_done']}"]
    earlier = training.get("started_from")
    while earlier:
        steps.append(f"after {earlier['steps']} on {' and '.join(earlier['sources'])}")
        earlier = earlier.get("started_from")
    return [
        _strong(training.get("grey")),
        ", ".join(steps),
        str(training["batch"]),
        f"{training['learning_rate']:g}",
        str(training["seed"]),
        f"{' and '.join(training['sources'])} ({training['volumes']} volumes)",
    ]


def _strong(groups: Sequence[str] | None) -> str:
    return "another augmentation" if groups is None else ", ".join(groups) or "none"


def _trained(found: Bundle) -> Mapping[str, Any]:
    training: Mapping[str, Any] = next(
        n["training"] for n in found.networks if n["recipe"] == RECIPES["SA"].name
    )
    return training


def _limits(scores: Scores, bundles: Mapping[str, Bundle], found: Gains) -> str:
    all_told = [_trained(found) for found in bundles.values()]
    grouped = [one for one in all_told if one.get("grey") is not None] or all_told
    steps = " or ".join(str(n) for n in sorted({one["steps_done"] for one in grouped}))
    patients = len(next(iter(next(iter(scores.values())).values())))
    return (
        f"The trainings are {steps} steps long: they show what a network learns quickly from a "
        "group, and what learning it costs meanwhile; a full training may even out losses and make "
        "gains larger. Each group's was made once, so that the chance of a training is in every "
        "difference; p speaks of other patients, not of other trainings. With "
        f"{patients} patients and {len(found)} comparisons only differences that nearly all "
        "patients share can pass. Shifts are computed on one hospital's images: they are as "
        "strong as held-out styles, not as any scanner that was measured."
    )
