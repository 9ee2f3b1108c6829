"""The page tells what both methods had in common before, and what it cannot know."""

from types import SimpleNamespace

import pytest

from cmrseg_lab.studies.emidec_paper.lineage import ablated, history, last_runs

PRE = {"steps": 1300, "seed": 0, "sources": ["drawn"]}


def run(steps, samples, alpha, *, fold=0, before=None):
    told = {"steps_done": steps, "samples": samples, "alpha": alpha, "fold": fold}
    return told | ({"started_from": before} if before else {})


def earlier(steps, samples=None, alpha=0.0, before=PRE, sha256="ab"):
    told = {"steps": steps, "seed": 0, "sources": ["emidec"]}
    if samples:
        told |= {"samples": samples, "alpha": alpha, "sha256": sha256}
    return told | ({"started_from": before} if before else {})


def bundle(*trainings):
    return SimpleNamespace(networks=[{"training": one} for one in trainings])


def both(before, other=None):
    """What is said of a baseline and a proposed bundle that went on from these."""
    one, two = run(150, 1, 0.0, before=before), run(150, 5, 3.0, before=other or before)
    return ablated(bundle(one), bundle(two, run(150, 5, 3.0, fold=1)))


def test_last_runs_and_those_before_are_told_apart():
    found = bundle(*(run(150, 5, 3.0, fold=k, before=earlier(250, 5, 3.0)) for k in (0, 1)))
    assert last_runs(found) == "N = 5, alpha = 3 for 150 steps"
    assert history(found) == (
        "Gone on from 1300 steps on drawn (N and alpha not recorded), then 250 steps on emidec "
        "(N = 5, alpha = 3)."
    )
    twice = bundle(run(150, 5, 3.0, before=earlier(500, before=earlier(250))))
    assert "then 250 + 500 steps on emidec (N and alpha not recorded)." in history(twice)
    alone = bundle(run(150, 1, 0.0), {"fold": 1})
    assert history(alone) == "Trained from the beginning."
    assert last_runs(bundle({"fold": 1})) == "training not told"


@pytest.mark.parametrize(
    ("before", "weights", "loss"),
    [
        (earlier(500), "presumably the same weights", "is not recorded of all"),
        (earlier(500, 1, 0.0), "both went on from the same weights", "is not recorded of all"),
        (earlier(9, 1, before=earlier(8, 5, 3.0, before=None)), "from the same weights", "too"),
        (earlier(9, 1, before=earlier(8, 5, before=None)), "from the same weights", "no run"),
    ],
)  # fmt: skip
def test_of_one_start_the_last_steps_alone_are_compared(before, weights, loss):
    told = both(before)
    assert "of the last 150 steps alone" in told
    assert weights in told
    assert loss in told


def test_other_weights_are_another_start_though_told_alike():
    assert "went on from different runs" in both(
        earlier(9, 1, before=None), earlier(9, 1, before=None, sha256="cd")
    )
    assert "went on from different runs" in both(earlier(9), earlier(8))
    whole = ablated(bundle(run(9, 1, 0.0)), bundle(run(9, 5, 3.0)))
    assert "from the beginning" in whole
    # A start in one of them alone is another start.
    assert "different runs" in ablated(bundle(run(9, 1, 0.0)), bundle(run(9, 5, 3.0, before=PRE)))


def chained(*kinds, seed=0):
    """A training of several runs after one that both methods share, oldest first."""
    first = earlier(450, 1)
    for n, (steps, samples, alpha) in enumerate(kinds[:-1]):
        first = earlier(steps, samples, alpha, before=first, sha256=f"{samples}-{n}")
        first["seed"] = seed
    return run(*kinds[-1], before=first)


def test_trainings_that_parted_runs_ago_are_compared_since_then():
    baseline = chained((250, 1, 0.0), (500, 1, 0.0), (150, 1, 0.0))
    proposed = chained((250, 5, 3.0), (500, 1, 0.0), (150, 5, 3.0))
    assert ablated(bundle(baseline), bundle(proposed)) == (
        "**The ablation is of the last 900 steps alone**: in each fold both went on from the same "
        "weights, in runs as long, with the same seeds, on the same data: baseline without "
        "uncertainty in the loss, proposed with uncertainty in the loss for 250 + 150 steps; "
        "whether the runs before had uncertainty in the loss is not recorded of all."
    )


@pytest.mark.parametrize(
    "other",
    [
        chained((251, 5, 3.0), (500, 1, 0.0), (150, 5, 3.0)),
        chained((250, 5, 3.0), (150, 5, 3.0)),
        chained((250, 5, 3.0), (500, 1, 0.0), (150, 5, 3.0), seed=1),
    ],
)
def test_runs_that_are_not_alike_since_the_parting_are_different_ones(other):
    baseline = chained((250, 1, 0.0), (500, 1, 0.0), (150, 1, 0.0))
    assert "different runs" in ablated(bundle(baseline), bundle(other))
