"""Anatomical rules for EMIDEC: what a network does not know of hearts, told to its mask.

A rule is a pure function of a mask, the class probabilities behind it and the voxel's volume; it
returns another mask. Which rules a bundle carries, with which parameters, was chosen on patients
that none of its networks learned from (:mod:`cmrseg_lab.training.calibration.emidec`) and stands in
its manifest; a bundle without rules gives the mask as it is.

Labels: 0 background, 1 cavity, 2 normal myocardium, 3 infarction, 4 no-reflow. The official
structures are unions: infarction is 3 | 4, myocardium 2 | 3 | 4.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
from scipy import ndimage

from cmrseg.imaging.postprocess import largest
from cmrseg.imaging.volume import Array
from cmrseg.models.manifest import Manifest, RuleStep
from cmrseg.runtime.errors import WeightsError

CAVITY, NORMAL, INFARCTION, NO_REFLOW = 1, 2, 3, 4
UNIONS = {"myocardium": (2, 3, 4), "infarction": (3, 4), "no_reflow": (4,)}
"""What the challenge scores."""
PEAK_ML = 0.5
"""A peak is a probability that so much tissue has at the least: one voxel may be noise."""
IN_PLANE = ndimage.generate_binary_structure(3, 1) & (np.arange(3) == 1)[:, None, None]
"""Neighbours along y and x: slices lie an order of magnitude further apart."""
ALL_AROUND = np.ones((3, 3, 3), bool)

Feature = Literal["expected_ml", "peak", "found_ml"]
"""What a gate looks at: expected volume, robust peak of the probability, volume in the mask."""


def nested(
    mask: Array, probabilities: Array, voxel_ml: float, *, infarction: float, no_reflow: float
) -> Array:
    """Decide from the outside in: heart muscle, infarction in it, no-reflow in that.

    Among five classes the muscle's votes are split in three and the background may win although it
    is the less likely. Here muscle (2 | 3 | 4) competes as one; a share of its probability above
    ``infarction`` makes it infarcted, a share of that above ``no_reflow`` no-reflow. So infarction
    lies in the myocardium and no-reflow in the infarction by construction.
    """
    muscle, dead = probabilities[2:].sum(axis=0), probabilities[3:].sum(axis=0)
    heart = np.stack([probabilities[0], probabilities[1], muscle]).argmax(axis=0)
    heart[~largest(heart > 0)] = 0
    infarct = (heart == NORMAL) & (dead > infarction * muscle)
    core = infarct & (probabilities[NO_REFLOW] > no_reflow * dead)
    return np.select([core, infarct], [NO_REFLOW, INFARCTION], heart).astype(np.uint8)


def one_ring(mask: Array, probabilities: Array, voxel_ml: float, *, least_share: float) -> Array:
    """One ring of muscle a slice: pieces below ``least_share`` of its largest one go.

    They become what surrounds them: cavity or background.
    """
    found = mask.copy()
    for plane in found:
        pieces, count = ndimage.label(plane >= NORMAL, structure=np.ones((3, 3)))
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        for piece in np.flatnonzero(sizes < least_share * sizes.max(initial=0)) + 1:
            here = pieces == piece
            plane[here] = _most_around(plane, here, (0, CAVITY), np.ones((3, 3), bool))
    return found


def infarct_in_myocardium(
    mask: Array, probabilities: Array, voxel_ml: float, *, least_share: float
) -> Array:
    """Infarcts border on living muscle: a piece whose border has less of it is relabelled.

    The largest piece stays: it may be transmural all around.
    """
    found, infarct = mask.copy(), mask >= INFARCTION
    for here in _pieces(infarct & ~largest(infarct)):
        if _share_around(mask, here, (NORMAL,)) < least_share:
            found[here] = _most_around(mask, here, (0, CAVITY, NORMAL), IN_PLANE)
    return found


def no_reflow_in_infarct(
    mask: Array, probabilities: Array, voxel_ml: float, *, least_share: float
) -> Array:
    """No-reflow is the core of an infarct: a piece with less infarct around it becomes muscle."""
    found = mask.copy()
    for here in _pieces(mask == NO_REFLOW):
        if _share_around(mask, here, (INFARCTION,)) < least_share:
            found[here] = _most_around(mask, here, (NORMAL, INFARCTION), IN_PLANE)
    return found


def smallest_infarct(
    mask: Array, probabilities: Array, voxel_ml: float, *, least_ml: float
) -> Array:
    """Pieces of infarction below a volume are normal myocardium."""
    return _without_small(mask, mask >= INFARCTION, least_ml / voxel_ml, NORMAL)


def smallest_no_reflow(
    mask: Array, probabilities: Array, voxel_ml: float, *, least_ml: float
) -> Array:
    """Pieces of no-reflow below a volume are infarction."""
    return _without_small(mask, mask == NO_REFLOW, least_ml / voxel_ml, INFARCTION)


def normal_heart(
    mask: Array, probabilities: Array, voxel_ml: float, *, by: Feature, below: float
) -> Array:
    """A whole heart with too little sign of an infarct has none."""
    if feature(mask, probabilities, voxel_ml, UNIONS["infarction"], by) >= below:
        return mask
    return np.where(mask >= INFARCTION, NORMAL, mask).astype(np.uint8)


def no_obstruction(
    mask: Array, probabilities: Array, voxel_ml: float, *, by: Feature, below: float
) -> Array:
    """A whole heart with too little sign of no-reflow has none: it is infarction."""
    if feature(mask, probabilities, voxel_ml, UNIONS["no_reflow"], by) >= below:
        return mask
    return np.where(mask == NO_REFLOW, INFARCTION, mask).astype(np.uint8)


def feature(
    mask: Array, probabilities: Array, voxel_ml: float, labels: tuple[int, ...], by: Feature
) -> float:
    """How much of a structure there seems to be in a heart.

    Args:
        mask: (z, y, x) labels.
        probabilities: (C, z, y, x).
        voxel_ml: volume of a voxel.
        labels: which the structure unites.
        by: ``expected_ml``: its probability summed over the muscle, in mL; ``peak``: the largest
            probability that :data:`PEAK_ML` of muscle reach; ``found_ml``: its volume in the mask.
    """
    if by == "found_ml":
        return float(np.isin(mask, labels).sum() * voxel_ml)
    inside = probabilities[list(labels)].sum(axis=0)[mask >= NORMAL]
    if by == "expected_ml":
        return float(inside.sum() * voxel_ml)
    voxels = max(1, round(PEAK_ML / voxel_ml))
    return float(np.sort(inside)[-voxels]) if len(inside) >= voxels else 0.0


Function = Callable[..., Array]
RULES: dict[str, Function] = {
    rule.__name__: rule
    for rule in (
        nested,
        one_ring,
        infarct_in_myocardium,
        normal_heart,
        smallest_infarct,
        no_reflow_in_infarct,
        no_obstruction,
        smallest_no_reflow,
    )
}
"""By name, in the order in which they are tried and applied."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its parameters, by name; hashable, so that results can be looked up by it."""

    name: str
    parameters: tuple[tuple[str, str | float], ...]

    @classmethod
    def of(cls, name: str, **parameters: Any) -> Rule:
        """From keywords."""
        return cls(name, tuple(sorted(parameters.items())))

    def apply(self, mask: Array, probabilities: Array, voxel_ml: float) -> Array:
        """The mask (z, y, x) after the rule; the given one stays as it is."""
        return RULES[self.name](mask, probabilities, voxel_ml, **dict(self.parameters))

    def as_dict(self) -> dict[str, str | float]:
        """JSON-ready."""
        return {"rule": self.name, **dict(self.parameters)}


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules one after the other."""

    steps: tuple[Rule, ...] = ()

    @classmethod
    def from_manifest(cls, manifest: Manifest) -> Rules:
        """Those of a bundle; none where it has none.

        Raises:
            WeightsError: it names a rule or a parameter that this cmrseg does not know.
        """
        steps = manifest["rules"]["steps"] if "rules" in manifest else []
        return cls(tuple(_known(step) for step in steps))

    def then(self, rule: Rule) -> Rules:
        """One rule more."""
        return Rules((*self.steps, rule))

    def apply(self, mask: Array, probabilities: Array, voxel_ml: float) -> Array:
        """The mask (z, y, x) after all of them."""
        for rule in self.steps:
            mask = rule.apply(mask, probabilities, voxel_ml)
        return mask

    def told(
        self, mask: Array, probabilities: Array, voxel_ml: float
    ) -> tuple[Array, list[dict[str, object]]]:
        """The mask after all of them, and of each what it changed, JSON-ready."""
        record = []
        for rule in self.steps:
            after = rule.apply(mask, probabilities, voxel_ml)
            record.append({**rule.as_dict(), **_change(mask, after, voxel_ml)})
            mask = after
        return mask, record


def _known(step: RuleStep) -> Rule:
    parameters = {key: value for key, value in step.items() if key != "rule"}
    name = str(step["rule"])
    if name not in RULES or set(parameters) != keywords(RULES[name]):
        raise WeightsError(
            f"the bundle has a rule {name} that this cmrseg does not know",
            "use the cmrseg that packed the bundle, or calibrate it anew",
        )
    return Rule.of(name, **parameters)


def keywords(rule: Function) -> set[str]:
    """Names of a rule's parameters."""
    told = inspect.signature(rule).parameters.values()
    return {p.name for p in told if p.kind is inspect.Parameter.KEYWORD_ONLY}


class RuleChange(TypedDict):
    """How many voxels have another label, and by how much the official structures changed."""

    changed_voxels: int
    change_ml: dict[str, float]


def _change(before: Array, after: Array, voxel_ml: float) -> RuleChange:
    """How many voxels have another label, and how the official structures' volumes changed."""
    ml = {
        name: round(float((np.isin(after, v).sum() - np.isin(before, v).sum()) * voxel_ml), 3)
        for name, v in UNIONS.items()
    }
    return {"changed_voxels": int((before != after).sum()), "change_ml": ml}


def _pieces(mask: Array) -> Iterator[Array]:
    """Connected pieces, joined across slices, each as a bool (z, y, x)."""
    pieces, count = ndimage.label(mask, structure=ALL_AROUND)
    for piece in range(1, count + 1):
        yield pieces == piece


def _without_small(mask: Array, structure: Array, least_voxels: float, instead: int) -> Array:
    pieces, count = ndimage.label(structure, structure=ALL_AROUND)
    small = np.bincount(pieces.ravel(), minlength=count + 1) < least_voxels
    small[0] = False
    return np.where(small[pieces], instead, mask).astype(np.uint8)


def _around(mask: Array, here: Array, neighbours: Array) -> Array:
    """Labels of the voxels that border on a piece."""
    labels: Array = mask[ndimage.binary_dilation(here, neighbours) & ~here]
    return labels


def _share_around(mask: Array, here: Array, labels: Sequence[int]) -> float:
    """Share of a piece's border that has one of the labels; 0 where it has no border."""
    around = _around(mask, here, IN_PLANE)
    return float(np.isin(around, labels).mean()) if len(around) else 0.0


def _most_around(mask: Array, here: Array, labels: Sequence[int], neighbours: Array) -> int:
    """Which of some labels a piece borders on most; the first of equals."""
    around = _around(mask, here, neighbours)
    return max(labels, key=lambda label: int((around == label).sum()))
