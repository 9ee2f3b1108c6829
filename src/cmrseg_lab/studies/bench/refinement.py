"""Refinement of one flagged image against its budget.

The thresholds are made impossible, so that every candidate is refined and none comes into range:
refinement takes all the time that it is given, and the figure shows whether it takes more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from cmrseg.cases.case import Case
from cmrseg.cases.challenge import MNMS2
from cmrseg.models.bundle import Bundle
from cmrseg.quality.selection import Fences, Thresholds
from cmrseg_lab.studies.bench.table import BenchRow, Spread

BUDGETS_S = (10.0, 60.0)
"""A short one, and what `cmrseg predict --refine case` takes if it is not told otherwise."""
ROUNDS = 2
"""At most: each takes its budget."""
NEVER = Fences(th_low=2.0, th_up_mm=0.0, measures=0)


def refinement_rows(
    weights: Bundle, case: Case, device: str, rounds: int, say: Callable[[str], None]
) -> Iterator[BenchRow]:
    """How much of its budget refining the case's first image takes; nothing without a refiner.

    Args:
        weights: of mnms2.
        case: the sample.
        device: where to compute.
        rounds: how often, :data:`ROUNDS` at most.
        say: takes a line when a measurement starts.
    """
    from cmrseg.recipes.mnms2 import Mnms2
    from cmrseg.run.predict import model

    role, source = next(iter(case.images.items()))
    made = model(MNMS2.name, weights, device=device)
    if not isinstance(made, Mnms2) or (inspector := made.inspectors.get(role[:2])) is None:
        return
    if inspector.refiner is None:
        return
    made.inspectors[role[:2]] = replace(inspector, thresholds=Thresholds({role: NEVER}))
    one = Case(case.id, {role: source}, case.log_name)
    for budget_s in BUDGETS_S:
        say(f"mnms2: refining one flagged image for {budget_s:g} s")
        made.refine_s = budget_s
        took = [made.segment(one).timings_s["refinement"] for _ in range(min(rounds, ROUNDS))]
        share = Spread.of([100 * seconds / budget_s for seconds in took])
        figure = f"refining one flagged image, of its {budget_s:g} s"
        yield BenchRow(recipe=MNMS2.name, figure=figure, value=share, unit="%", aim=100.0)
