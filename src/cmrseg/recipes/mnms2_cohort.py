"""What only a cohort can tell: thresholds of its own, and refinement over all its flagged images.

The paper does both (galati2021 sections 2.2 and 2.3). All cases are segmented once to look at them,
then once more to be answered; images out of distribution a third time where they are learned from.
No image or mask is kept in between but those that refinement learns from.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cmrseg.cases.case import Case
from cmrseg.models.ensemble import Passes
from cmrseg.models.manifest import FencesEntry
from cmrseg.quality.adapt_at_test_time import Effort
from cmrseg.quality.adaptation_types import Flagged, Refined
from cmrseg.quality.inspector import Inspector
from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.selection import judge_measures, of_cohort
from cmrseg.recipes.mnms2 import Mnms2
from cmrseg.runtime.errors import InputError, MemoryLimitError, UsageError
from cmrseg.runtime.logs import Line

Say = Callable[[Line], None]
Settled = dict[str, str | dict[str, FencesEntry]]
"""What a cohort decided by view: its thresholds, and the digest of its refined networks."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One image at first sight: where it is, and the decisive pseudo-measures of its candidates."""

    case: Case
    role: str
    measures: tuple[Pseudo, ...]


def settle(model: Mnms2, cases: Sequence[Case], wanted: Collection[str], say: Say) -> Settled:
    """Look at all cases and set the model's thresholds, and what refinement made of it, by them.

    Args:
        model: its inspectors are replaced.
        cases: the whole cohort; images that cannot be segmented are left out here, and told of
            when their case's turn comes.
        wanted: ``thresholds``, ``refine`` or both.
        say: takes progress lines and warnings.

    Returns:
        What was settled, JSON-ready: a case answered under it need not be answered again.

    Raises:
        UsageError: the bundle has no quality control.
    """
    if not any(model.inspectors.values()):
        raise UsageError(
            "the bundle has no quality control to take from a cohort",
            "use one with an autoencoder and thresholds (`cmrseg-lab calibrate`)",
        )
    seen = list(_look_at_all(model, cases, say))
    settled: Settled = {}
    for view, inspector in model.inspectors.items():
        own = [one for one in seen if one.role.startswith(view)]
        if inspector is None or not own:
            continue
        if "thresholds" in wanted:
            measures: dict[str, list[Sequence[Pseudo]]] = defaultdict(list)
            for one in own:
                measures[one.role].append(one.measures)
            inspector = model.inspectors[view] = with_thresholds(inspector, measures, say)
            settled[f"thresholds of {view}"] = inspector.thresholds.as_dict()
        if "refine" in wanted:
            refined = _refined(model, view, own, say)
            if refined is not None and inspector.refiner:
                refiner = replace(inspector.refiner, cohort=tuple(refined))
                model.inspectors[view] = replace(inspector, refiner=refiner)
                settled[f"refined {view}"] = _digest(refined)
    return settled


def _look_at_all(model: Mnms2, cases: Sequence[Case], say: Say) -> Iterator[Seen]:
    for number, case in enumerate(cases, 1):
        for role in case.images:
            inspector = model.inspectors.get(role[:2])
            if inspector is None or not model.segmenters[role[:2]].networks:
                continue
            try:
                seen = model.segmented(role, case)
            except (InputError, MemoryLimitError, OSError):
                continue
            measures = inspector.measure(seen.shown.image, seen.passes.candidates)
            yield Seen(case, role, tuple(measures))
        say(Line(f"looked at ({number}/{len(cases)})", case=case.log_name))


def with_thresholds(
    inspector: Inspector, measures: Mapping[str, list[Sequence[Pseudo]]], say: Say
) -> Inspector:
    """With the cohort's own thresholds, where it is large enough.

    Args:
        inspector: of one view.
        measures: role -> the decisive pseudo-measures of each image's candidates.
        say: takes progress lines and warnings.
    """
    thresholds, warnings = of_cohort(measures, inspector.thresholds)
    for warning in warnings:
        say(Line(f"thresholds of the cohort: {warning}", "warning"))
    frozen = inspector.thresholds.by_role
    own = {role for role, fences in thresholds.by_role.items() if fences != frozen.get(role)}
    for role in sorted(own):
        fences = thresholds.of(role)
        say(
            Line(
                f"thresholds of the cohort: {role} is in range from pDC {fences.th_low:.3f} to "
                f"pHD {fences.th_up_mm:.1f} mm ({fences.measures} pseudo-measures)"
            )
        )
    return replace(inspector, thresholds=thresholds, of_cohort=frozenset(own))


def _refined(
    model: Mnms2, view: str, seen: Sequence[Seen], say: Say
) -> list[Refined | None] | None:
    """A view's candidates, each refined on all flagged images it is for; None if there is none."""
    inspector = model.inspectors[view]
    if inspector is None or inspector.refiner is None:
        return None
    fences = inspector.thresholds.by_role
    out = [s for s in seen if s.role in fences and judge_measures(s.measures, fences[s.role]).ood]
    flagged, passes = _flagged(model, inspector, out)
    if not passes:
        say(Line(f"{view}: no image out of distribution, nothing to refine"))
        return None
    patients = len({s.case.id for s in out})
    budget_s = model.refine_s * patients
    say(
        Line(
            f"{view}: {len(flagged)} images of {patients} cases out of distribution, refining for "
            f"up to {budget_s:.0f} s"
        )
    )
    effort = Effort(
        budget_s=budget_s,
        pass_s=passes.first_s,
        judge_s=passes.first_s,
        mirrors=passes.counts.mirrors,
    )
    refined = inspector.refiner.on_cohort(flagged, effort)
    for number, one in enumerate(refined, 1):
        in_range = sum(one.after.mended) if one else 0
        reason = one.reason if one else "answers no such image, or no time to begin"
        say(Line(f"{view}: candidate {number}: {reason}; {in_range} images in range"))
    return refined


def _flagged(
    model: Mnms2, inspector: Inspector, images: Sequence[Seen]
) -> tuple[list[Flagged], Passes | None]:
    """The flagged among some images, and how long the last one's passes took; without its maps."""
    found, passes = [], None
    for one in images:
        seen = model.segmented(one.role, one.case)
        flagged = inspector.flagged(one.role, seen.shown, seen.passes.candidates)
        if flagged is not None:
            found.append(flagged)
            passes = replace(seen.passes, maps=seen.passes.maps[:0])
    return found, passes


def _digest(refined: Sequence[Refined | None]) -> str:
    """Of the weights that refinement left, which decide the answers."""
    digest = hashlib.sha256()
    for number, one in enumerate(refined):
        for name, tensor in sorted((one.weights if one and one.weights else {}).items()):
            digest.update(f"{number} {name}".encode())
            digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()
