"""Do the probabilities mean what they say? Brier score, reliability bins, calibration error.

The paper (arega2021, section 3): the Brier score "measures how close the predicted segmentation
probabilities are to their corresponding ground truth probabilities (one-hot encoding of each
classes) by computing the mean square error of the two probabilities".

It does not say over which voxels. Over a whole image a network that never finds the myocardium
scores just the myocardium's share of the voxels, one or two in a hundred, which is better than the
4 in a hundred that Table 1 prints for the best network: so the mean was probably taken near the
heart (a reading). Hence every function takes a ``region``, and figures are comparable only over
the same kind of region: say which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.imaging.volume import Array


def brier_scores(
    probabilities: Array,
    labels: Array,
    structures: Mapping[str, Iterable[int]],
    region: Array | None = None,
) -> dict[str, float]:
    """Mean square error between probabilities and one-hot truth, overall and by structure.

    A structure that unites labels (myocardium = 2 | 3 | 4) has the sum of their probabilities.

    Args:
        probabilities: (class, z, y, x), summing to 1 over classes.
        labels: true labels (z, y, x), each below the number of classes.
        structures: name -> the labels it unites, as ``emidec.STRUCTURES``.
        region: bool (z, y, x), the voxels that count; None for all.

    Returns:
        ``overall_brier``, the mean over voxels and classes, and ``<structure>_brier``, the mean
        over voxels. All in 0..1, 0 the best. Empty where the region holds no voxel: there is
        nothing to say, and a mean of nothing would be NaN.

    Raises:
        ValueError: shapes do not fit, or a label has no class.
    """
    p, t = _voxels(probabilities, labels, region)
    if t.size == 0:
        return {}
    one_hot = t == np.arange(len(p))[:, None]
    scores = {"overall_brier": float(np.mean((p - one_hot) ** 2))}
    for name, values in structures.items():
        united = list(values)
        found = p[united].sum(axis=0) - one_hot[united].any(axis=0)
        scores[f"{name}_brier"] = float(np.mean(found**2))
    return scores


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reliability:
    """How often what was said with a probability was true, in bins of equal width over 0..1.

    Holds sums, so that the cases of a cohort add up (``a + b``) without keeping their voxels.

    Attributes:
        count: (bins,) how many predictions fall in each bin.
        said: (bins,) sum of their probabilities.
        true: (bins,) how many of them were true.
    """

    count: Array
    said: Array
    true: Array

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            count=self.count + other.count,
            said=self.said + other.said,
            true=self.true + other.true,
        )

    @property
    def edges(self) -> Array:
        """(bins + 1,) borders of the bins."""
        return np.linspace(0.0, 1.0, len(self.count) + 1)

    @property
    def mean_probability(self) -> Array:
        """(bins,) what was said on average; 0 in a bin that holds nothing (see ``count``)."""
        return _ratio(self.said, self.count)

    @property
    def frequency(self) -> Array:
        """(bins,) how often it was true; 0 in a bin that holds nothing (see ``count``)."""
        return _ratio(self.true, self.count)

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean |said - true| of the bins, weighted by their counts.

        0..1, 0 the best; 0 if there are no predictions at all.
        """
        total = self.count.sum()
        return float(np.abs(self.said - self.true).sum() / total) if total else 0.0

    @property
    def largest_error(self) -> float:
        """Maximum calibration error: the largest |said - true| of a bin that holds anything."""
        return float(np.abs(self.mean_probability - self.frequency).max())


def reliability(probability: Array, truth: Array, *, bins: int = 15) -> Reliability:
    """Reliability bins of a yes-or-no prediction.

    A bin holds its lower border and not its upper one; the last holds 1 too.

    Args:
        probability: in 0..1, any shape.
        truth: bool, same shape.
        bins: how many, of equal width.

    Raises:
        ValueError: the shapes differ, or a probability is NaN or not in 0..1.
    """
    p, t = np.asarray(probability, np.float64).ravel(), np.asarray(truth, bool).ravel()
    if p.shape != t.shape:
        raise ValueError(f"{p.size} probabilities for {t.size} truths")
    if not ((p >= 0.0) & (p <= 1.0 + 1e-6)).all():
        raise ValueError("probabilities must lie in 0..1")
    place = np.minimum((p * bins).astype(np.intp), bins - 1)
    return Reliability(
        count=np.bincount(place, minlength=bins),
        said=np.bincount(place, weights=p, minlength=bins),
        true=np.bincount(place[t], minlength=bins),
    )


def structure_reliability(
    probabilities: Array,
    labels: Array,
    values: Sequence[int],
    region: Array | None = None,
    *,
    bins: int = 15,
) -> Reliability:
    """Reliability of one structure's probability (the sum over ``values``), voxel by voxel.

    Arguments and errors as :func:`brier_scores` and :func:`reliability`.
    """
    p, t = _voxels(probabilities, labels, region)
    return reliability(p[list(values)].sum(axis=0), np.isin(t, list(values)), bins=bins)


def _voxels(probabilities: Array, labels: Array, region: Array | None) -> tuple[Array, Array]:
    """The region's voxels: probabilities (class, n) in double precision and labels (n,)."""
    if probabilities.shape[1:] != labels.shape:
        raise ValueError(f"probabilities {probabilities.shape} for labels {labels.shape}")
    if region is None:
        region = np.ones(labels.shape, bool)
    elif region.shape != labels.shape or region.dtype != bool:
        raise ValueError(f"region {region.shape} {region.dtype} for labels {labels.shape}")
    chosen = labels[region]
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < len(probabilities):
        raise ValueError(f"a label has no class among {len(probabilities)}")
    return probabilities[:, region].astype(np.float64), chosen


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
