"""Which anatomical rules pay, with which parameters, told honestly.

Every patient's probabilities come from networks that never learned from it. A rule's parameters
are chosen on all parts of the patients but one and scored on that one, part by part: that makes
its gain. Rules are tried one after the other, each on top of those kept; one that does not gain
:data:`LEAST_GAIN` is left out. Keeping or leaving a rule is a choice too, so what the kept rules
bring together is measured once more around all of it: the whole procedure runs without one part
and is scored on that part (:meth:`Chooser.honest`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from scipy import ndimage

from cmrseg.imaging.overlap import dice
from cmrseg.imaging.postprocess import labels
from cmrseg.imaging.volume import Array
from cmrseg.recipes.emidec_rules import UNIONS, Rule, Rules
from cmrseg_lab.training.calibration.emidec_out_of_fold import Held

LEAST_GAIN = 0.0005
"""Of the mean Dice of the three structures, a twentieth of a Dice point: less is chance."""
MARGIN = 3
"""Voxels kept around the heart, so that what borders on it is seen."""
SCORES = tuple(f"{name}_{metric}" for metric in ("dice", "vd_ml") for name in UNIONS)
"""What is told of a mask: Dice and absolute volume difference of the official structures."""


def _every(name: str, **values: Iterable[object]) -> list[Rule]:
    """A rule with all combinations of some values."""
    return [
        Rule.of(name, **dict(zip(values, one, strict=True))) for one in product(*values.values())
    ]


def _gate(name: str, up_to_ml: float, step_ml: float) -> list[Rule]:
    """A gate by each feature, in fine steps."""
    volumes = _steps(step_ml, up_to_ml, step_ml)
    by_feature = {"expected_ml": volumes, "peak": _steps(0.4, 0.98, 0.01), "found_ml": volumes}
    return [rule for by, v in by_feature.items() for rule in _every(name, by=[by], below=v)]


def _steps(first: float, last: float, by: float) -> list[float]:
    return [round(first + by * n, 4) for n in range(round((last - first) / by) + 1)]


SHARES = (0.3, 0.4, 0.5, 0.6)
CHOICES: dict[str, list[Rule]] = {
    "nested": _every("nested", infarction=SHARES, no_reflow=SHARES),
    "one_ring": _every("one_ring", least_share=(0.05, 0.1, 0.25, 0.5, 1.0)),
    "infarct_in_myocardium": _every("infarct_in_myocardium", least_share=(0.02, 0.1, 0.2)),
    "normal_heart": _gate("normal_heart", up_to_ml=6.0, step_ml=0.25),
    "smallest_infarct": _every("smallest_infarct", least_ml=(0.1, 0.2, 0.4, 0.7, 1.0, 1.5)),
    "no_reflow_in_infarct": _every("no_reflow_in_infarct", least_share=(0.05, 0.15, 0.3)),
    "no_obstruction": _gate("no_obstruction", up_to_ml=2.0, step_ml=0.1),
    "smallest_no_reflow": _every("smallest_no_reflow", least_ml=(0.05, 0.1, 0.2, 0.4, 0.7, 1.0)),
}
"""What is tried, rule by rule, in the order in which rules are applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of one rule.

    Attributes:
        name: the rule.
        kept: with the parameters that all patients together prefer; None if it does not pay.
        gain: mean change of each of :data:`SCORES`, parameters chosen on other patients than
            those scored.
    """

    name: str
    kept: Rule | None
    gain: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class RuleCase:
    """A patient cut down to the heart, where rules act."""

    probabilities: Array
    truth: Array
    mask: Array
    voxel_ml: float

    @classmethod
    def of(cls, held: Held) -> RuleCase:
        """Cut out whatever the expert or the networks call heart."""
        mask = labels(held.probabilities)
        seen = (mask > 0) | (held.truth > 0) | (held.probabilities[1:].sum(axis=0) > 0.5)
        found = ndimage.find_objects(seen.astype(np.int8))
        plane = np.s_[:, :, :] if not found else _wider(found[0])
        return cls(
            held.probabilities[(slice(None), *plane)].astype(np.float32),
            held.truth[plane],
            mask[plane],
            held.voxel_ml,
        )

    def scores(self, mask: Array) -> list[float]:
        """In the order of :data:`SCORES`."""
        # Each union is a label and all above it; this runs thousands of times.
        pairs = [(mask >= min(v), self.truth >= min(v)) for v in UNIONS.values()]
        overlap = [dice(found, true) for found, true in pairs]
        return overlap + [
            abs(int(found.sum()) - int(true.sum())) * self.voxel_ml for found, true in pairs
        ]


def _wider(box: tuple[slice, ...]) -> tuple[slice, ...]:
    """All slices, and a margin in plane."""
    plane = [slice(max(0, s.start - MARGIN), s.stop + MARGIN) for s in box[1:]]
    return (slice(None), *plane)


@dataclass(slots=True)
class Chooser:
    """Tries rules on patients dealt into parts.

    Attributes:
        hearts: the patients.
        parts: for each the part it is scored in.
    """

    hearts: Sequence[RuleCase]
    parts: Sequence[int]
    _masks: dict[Rules, list[Array]] = field(default_factory=dict)
    _scores: dict[Rules, Array] = field(default_factory=dict)

    def scores(self, rules: Rules) -> Array:
        """(patients, :data:`SCORES`) after some rules."""
        if rules not in self._scores:
            pairs = zip(self.hearts, self.after(rules), strict=True)
            self._scores[rules] = np.array([heart.scores(mask) for heart, mask in pairs])
        return self._scores[rules]

    def choose(self, among: Array | None = None) -> list[Tried]:
        """Try all rules on some patients (by place; None for all)."""
        chosen = np.arange(len(self.hearts)) if among is None else among
        kept, tried = Rules(), []
        for name in CHOICES:
            tried.append(self._try(name, kept, chosen))
            if rule := tried[-1].kept:
                kept = kept.then(rule)
                self._masks[kept] = self.after(kept)  # what further rules build on
        return tried

    def honest(self) -> dict[int, Rules]:
        """Part -> the rules that the other parts choose: to be scored on that part."""
        parts = np.asarray(self.parts)
        return {
            part: together(self.choose(np.flatnonzero(parts != part)))
            for part in sorted(set(self.parts))
        }

    def _try(self, name: str, before: Rules, among: Array) -> Tried:
        """One rule on top of others."""
        base = self.scores(before)[among]
        found = np.stack([self.scores(before.then(rule))[among] for rule in CHOICES[name]])
        change = found - base  # (parameters, patients, scores)
        parts = np.asarray(self.parts)[among]
        gain = np.zeros_like(base)
        for part in set(parts.tolist()):
            best = _best(change[:, parts != part])
            if best is not None:
                gain[parts == part] = change[best, parts == part]
        mean = gain.mean(axis=0)
        best = _best(change) if mean[:3].mean() >= LEAST_GAIN else None
        return Tried(
            name=name,
            kept=None if best is None else CHOICES[name][best],
            gain=dict(zip(SCORES, mean.tolist(), strict=True)),
        )

    def after(self, rules: Rules) -> list[Array]:
        """Every heart's mask after some rules, (z, y, x) each."""
        if not rules.steps:
            return [heart.mask for heart in self.hearts]
        if rules in self._masks:
            return self._masks[rules]
        pairs = zip(self.hearts, self.after(Rules(rules.steps[:-1])), strict=True)
        last = rules.steps[-1]
        return [last.apply(mask, heart.probabilities, heart.voxel_ml) for heart, mask in pairs]


def together(tried: Sequence[Tried]) -> Rules:
    """The rules that were kept, in order."""
    return Rules(tuple(one.kept for one in tried if one.kept))


def _best(change: Array) -> int | None:
    """The parameters with the largest mean change of the three Dices; None if none is a gain.

    Of neighbours that do equally well, as thresholds between the same two patients do, the middle
    one: it is as far from either patient as can be.

    Args:
        change: (parameters, patients, :data:`SCORES`).
    """
    if not change.shape[1]:
        return None
    means = change[:, :, :3].mean(axis=(1, 2))
    first = int(means.argmax())
    if means[first] <= 0:
        return None
    alike = np.isclose(means[first:], means[first], rtol=0, atol=1e-9)
    last = first + (len(alike) if alike.all() else int(alike.argmin())) - 1
    return (first + last) // 2
