"""What networks had learned before their last run, as far as their manifests tell.

Runs can go on from one another (``cmrseg-lab train --start``). A manifest says of each run before
the
last how many steps it took, with which seed, on which data, and, of runs begun since that is
recorded, with how many samples and which alpha, and the digest of the checkpoint gone on from.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from cmrseg.models.bundle import Bundle

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
    since = [_since_parting(one, other) for one, other in pairs]
    if not all(since):
        return (
            "**The two went on from different runs**: what is compared is all of both trainings, "
            "not the uncertainty in the loss alone."
        )
    return _of_the_steps_since(pairs, [runs for runs in since if runs])


def _since_parting(one: Training, other: Training) -> tuple[list[Training], list[Training]] | None:
    """Both's runs since they went on from one and the same, latest first.

    None where they never did, or did not take as many steps on the same data ever since.
    """
    mine, theirs = [one, *_before(one)], [other, *_before(other)]
    known = [n for n, run in enumerate(mine) if n and run in theirs[1:]]
    if not known:
        return None
    runs = mine[: known[0]], theirs[: theirs.index(mine[known[0]])]
    told = [[(_steps(r), r.get("seed"), r.get("sources")) for r in each] for each in runs]
    return runs if told[0] == told[1] else None


def _of_the_steps_since(
    pairs: list[tuple[Training, Training]], since: list[tuple[list[Training], list[Training]]]
) -> str:
    """What is told where both of each pair went on from one run in the same way."""
    starts = [runs[-1]["started_from"] for runs, _ in since]
    certain = all("sha256" in start for start in starts)
    steps = sorted({sum(_steps(run) for run in runs) for runs, _ in since})
    shared = [run for start in starts for run in [start, *_before(start)]]
    weighed = [bool(run["alpha"]) for run in shared if "alpha" in run]
    if len(weighed) < len(shared):
        before = "whether the runs before had uncertainty in the loss is not recorded of all"
    elif any(weighed):
        before = "runs before had uncertainty in the loss too, the baseline's as well"
    else:
        before = "no run before had uncertainty in the loss"
    return (
        f"**The ablation is of the last {' or '.join(map(str, steps))} steps alone**: in each fold "
        f"both went on from "
        f"{'the same weights' if certain else 'runs told alike, so presumably the same weights'}"
        f"{_in_runs(since)}; {before}."
    )


def _in_runs(since: list[tuple[list[Training], list[Training]]]) -> str:
    """Which of several runs since then had uncertainty in the loss, in each method."""
    if all(len(runs) == 1 for runs, _ in since):
        return ""
    told = []
    for name, each in zip(("baseline", "proposed"), zip(*since, strict=True), strict=True):
        ways = sorted({_weighed(runs[::-1]) for runs in each})
        told.append(f"{name} {' or '.join(ways)}")
    return f", in runs as long, with the same seeds, on the same data: {', '.join(told)}"


def _weighed(runs: list[Training]) -> str:
    """The steps of runs, oldest first, with uncertainty in the loss."""
    steps = [str(_steps(run)) for run in runs if run.get("alpha")]
    if not steps:
        return "without uncertainty in the loss"
    return f"with uncertainty in the loss for {' + '.join(steps)} steps"


def _steps(training: Training) -> int:
    return int(training["steps_done"] if "steps_done" in training else training["steps"])


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
