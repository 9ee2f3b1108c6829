"""What networks had learned before their last run, as far as their manifests tell.

Runs can go on from one another (``cmrseg train --start``). A manifest says of each run before the
last how many steps it took, with which seed, on which data, and, of runs begun since that is
recorded, with how many samples and which alpha, and the digest of the checkpoint gone on from.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from cmrseg.bundle import Bundle

Training = dict[str, Any]
"""What a manifest says of a network's run, or, in ``started_from``, of one before it."""


def last_runs(found: Bundle) -> str:
    """How the last runs of a bundle's networks were trained: N, alpha and steps of each kind."""
    told = sorted(
        {
            (n["training"]["samples"], n["training"]["alpha"], n["training"]["steps_done"])
            for n in found.networks
            if "samples" in n["training"]
        }
    )
    kinds = [f"N = {n}, alpha = {alpha:g} for {steps} steps" for n, alpha, steps in told]
    return " and ".join(kinds) or "training not told"


def history(found: Bundle) -> str:
    """The runs before the last, oldest first, in a sentence a kind of network."""
    return " ".join(sorted({_in_words(n["training"]) for n in found.networks}))


def ablated(baseline: Bundle, proposed: Bundle) -> str:
    """What a comparison of two bundles compares: whole trainings, or what came last.

    Looked at are networks that held out the same fold in both.
    """
    pairs = [
        (one["training"], other["training"])
        for one in baseline.networks
        for other in proposed.networks
        if one["training"]["fold"] == other["training"]["fold"]
    ]
    if not any("started_from" in one or "started_from" in other for one, other in pairs):
        return "Both were trained from the beginning, each in its own way all along."
    if any(one.get("started_from") != other.get("started_from") for one, other in pairs):
        return (
            "**The two went on from different runs**: what is compared is all of both trainings, "
            "not the uncertainty in the loss alone."
        )
    return _of_the_last_steps(pairs)


def _of_the_last_steps(pairs: list[tuple[Training, Training]]) -> str:
    """What is told where both of each pair went on from the same run."""
    certain = all("sha256" in one["started_from"] for one, _ in pairs)
    steps = " or ".join(map(str, sorted({each["steps_done"] for pair in pairs for each in pair})))
    earlier = [run for one, _ in pairs for run in _before(one)]
    weighed = [bool(run["alpha"]) for run in earlier if "alpha" in run]
    if len(weighed) < len(earlier):
        before = "whether the runs before had uncertainty in the loss is not recorded of all"
    elif any(weighed):
        before = "runs before had uncertainty in the loss too, the baseline's as well"
    else:
        before = "no run before had uncertainty in the loss"
    return (
        f"**The ablation is of the last {steps} steps alone**: in each fold both went on from "
        f"{'the same weights' if certain else 'runs told alike, so presumably the same weights'}; "
        f"{before}."
    )


def _in_words(training: Training) -> str:
    runs = list(_before(training))[::-1]
    if not runs:
        return "Trained from the beginning."
    alike = groupby(runs, key=_how)
    told = [f"{' + '.join(str(run['steps']) for run in kind)} steps {how}" for how, kind in alike]
    return f"Gone on from {', then '.join(told)}."


def _how(run: Training) -> str:
    how = "N and alpha not recorded"
    if "alpha" in run:
        how = f"N = {run['samples']}, alpha = {run['alpha']:g}"
    return f"on {' and '.join(run['sources'])} ({how})"


def _before(training: Training) -> Iterator[Training]:
    """The runs that it started from, the latest first."""
    while earlier := training.get("started_from"):
        yield earlier
        training = earlier
