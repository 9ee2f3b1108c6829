"""What held-out patients teach a bundle of EMIDEC, put into its manifest.

The anatomical rules that pay; how far volumes under them lie from the expert's; how well samples
agree where nothing is wrong.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from cmrseg.cases.challenge import EMIDEC
from cmrseg.imaging.volume import Array
from cmrseg.models import bundle
from cmrseg.models.manifest import RulesEntry, RuleStep
from cmrseg.quality.uncertainty.conformal import ErrorBand
from cmrseg.quality.uncertainty.measures import agreement
from cmrseg.quality.uncertainty.trust import Trust, lower_fence
from cmrseg.recipes.emidec import JUDGED, MEASURED, SHARE, volumes
from cmrseg.recipes.emidec_rules import Rules
from cmrseg.runtime.errors import InputError
from cmrseg_lab.training.calibration.emidec_out_of_fold import (
    Held,
    RunSettings,
    choosing_parts,
    predict_held_out,
)
from cmrseg_lab.training.calibration.emidec_rule_search import (
    SCORES,
    Chooser,
    RuleCase,
    Tried,
    together,
)
from cmrseg_lab.training.pack import read_manifest, write_manifest

Measures = dict[str, list[float]]
"""Measure -> one value a patient."""
FEWEST = 10
"""Rules chosen on fewer patients are chance."""
TITLES = ("Myo DSC", "MI DSC", "NR DSC", "Myo VD mL", "MI VD mL", "NR VD mL")
"""Of the scores, in their order."""


def calibrate_emidec(
    data: Path,
    weights: Path | None = None,
    *,
    source: str = EMIDEC.name,
    work: Path | None = None,
    effort: RunSettings,
) -> str:
    """Choose the rules, fit intervals and fences, and write them into the bundle.

    Args:
        data: the labelled data the bundle learned from, in the challenge's layout.
        weights: the bundle; None for the usual places.
        source: the name the data was preprocessed under.
        work: where predictions of held-out patients are kept, as ``cmrseg-lab reproduce`` keeps
            them below its output; None makes them anew and keeps nothing.
        effort: how to compute; rules and intervals need no dropout samples, fences do.

    Returns:
        What was tried and what it brought, as a table.

    Raises:
        InputError: no network held anybody out, or too few patients were.
    """
    found = bundle.find(EMIDEC.name, weights)
    with tempfile.TemporaryDirectory() as temporary:
        place = work or Path(temporary)
        held = predict_held_out(found, data, place, source=source, effort=effort)
        chooser, agreed = gather(held)
    if len(chooser.hearts) < FEWEST:
        raise InputError(
            f"{len(chooser.hearts)} held-out patients are too few to choose rules by",
            f"pack networks that held out {FEWEST} or more together",
        )
    tried = chooser.choose()
    honest = chooser.honest()
    entry = _entry(chooser, tried, honest, source)
    trust = Trust(
        bands=error_bands(*measured(chooser, honest)),
        fences=agreement_fences(agreed),
        population={name: tuple(sorted(values)) for name, values in agreed.items()},
        fitted_on=f"{len(chooser.hearts)} held-out patients of {source}",
    )
    manifest = read_manifest(found.folder)
    write_manifest(found.folder, {**manifest, "rules": entry, "trust": trust.as_dict()})
    return rules_table(entry)


def gather(held: Iterable[Held]) -> tuple[Chooser, dict[str, list[float]]]:
    """Patients cut down to what rules need, dealt into the parts that choices are made across.

    Returns:
        Them, and how far each one's dropout samples agree, by structure; empty without samples.
    """
    hearts, patients = [], []
    agreed: dict[str, list[float]] = {}
    for one in held:  # whole, they would fill the memory
        hearts.append(RuleCase.of(one))
        patients.append((one.patient, one.group, one.fold))
        for name, value in agreement(one.samples, (len(one.samples),), JUDGED).items():
            agreed.setdefault(name, []).append(value)
    return Chooser(hearts, choosing_parts(patients)), agreed


def agreement_fences(agreed: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Structure -> least agreement in range, where there is a fence that can flag anything."""
    found = {name: lower_fence(values) for name, values in agreed.items()}
    return {name: fence for name, fence in found.items() if fence is not None}


def measured(chooser: Chooser, by_part: dict[int, Rules]) -> tuple[Measures, Measures]:
    """Volumes (mL) and infarcted share (percent) by name, the networks' and the expert's.

    The networks' are of masks under the rules that the other parts chose.
    """
    ours: Measures = {name: [] for name in (*MEASURED, SHARE)}
    experts: Measures = {name: [] for name in ours}
    masks = {part: chooser.after(rules) for part, rules in by_part.items()}
    for place, (heart, part) in enumerate(zip(chooser.hearts, chooser.parts, strict=True)):
        for mask, kept in ((masks[part][place], ours), (heart.truth, experts)):
            found = volumes(mask, heart.voxel_ml)
            for name, value in {**found["volume_ml"], SHARE: found["infarcted_percent"]}.items():
                if name in kept:
                    kept[name].append(value)
    return ours, experts


def error_bands(ours: Measures, experts: Measures) -> dict[str, ErrorBand]:
    """Measure -> errors to expect of it."""
    return {name: ErrorBand.fit(ours[name], experts[name]) for name in ours}


def honest_scores(chooser: Chooser, by_part: dict[int, Rules]) -> Array:
    """(patients, :data:`SCORES`): each under the rules that the other parts chose."""
    found = chooser.scores(Rules()).copy()
    parts = np.asarray(chooser.parts)
    for part, rules in by_part.items():
        found[parts == part] = chooser.scores(rules)[parts == part]
    return found


def rules_table(entry: RulesEntry) -> str:
    """The manifest's entry as a Markdown table: gains by rule, then all together."""
    lines = [f"| rule | {' | '.join(TITLES)} |", f"|---|{'---:|' * len(TITLES)}"]
    for one in entry["tried"]:
        name = _named(one["kept"]) if one["kept"] else f"{one['rule']}: left out"
        lines.append(f"| {name} | {' | '.join(_cells(one['gain']))} |")
    lines.append(f"| **all that are kept** | {' | '.join(_cells(entry['gain']))} |")
    return "\n".join(lines)


def _entry(
    chooser: Chooser, tried: Sequence[Tried], honest: dict[int, Rules], source: str
) -> RulesEntry:
    """What the manifest says of the rules."""
    before = chooser.scores(Rules())
    after = honest_scores(chooser, honest)
    return {
        "steps": [rule.as_dict() for rule in together(tried).steps],
        "tried": [
            {
                "rule": one.name,
                "kept": one.kept.as_dict() if one.kept else None,
                "gain": _rounded(one.gain.values()),
            }
            for one in tried
        ],
        "without": _rounded(before.mean(axis=0)),
        "gain": _rounded((after - before).mean(axis=0)),
        "chosen_on": f"{len(chooser.hearts)} held-out patients of {source} in "
        f"{len(set(chooser.parts))} parts: parameters chosen on all parts but one, scored on that",
    }


def _rounded(values: Iterable[float]) -> dict[str, float]:
    return {name: round(float(v), 5) for name, v in zip(SCORES, values, strict=True)}


def _named(rule: RuleStep) -> str:
    parameters = [f"{name} {value}" for name, value in rule.items() if name != "rule"]
    return f"{rule['rule']} ({', '.join(parameters)})"


def _cells(gain: dict[str, float]) -> list[str]:
    """Dice in points, volumes in mL."""
    return [f"{100 * v:+.2f}" if name.endswith("dice") else f"{v:+.2f}" for name, v in gain.items()]
