"""What Dice a mask would have against an expert's, and what it has at least.

Beside the paper's QC flag, which says in or out of distribution. Three signs that need no expert
are put together: how far test-time flips disagree, how far the class probabilities are from
certain, and how far the autoencoder's reconstruction is from the mask. All of them are shares of a
structure that is in doubt, as one minus Dice is, and small ones differ by factors: so it is their
logarithms that are added up, with slopes that are not negative, for no sign of doubt may raise what
is expected.

The bound is split conformal (:mod:`~cmrseg.quality.uncertainty.conformal`) on patients of domains
that the fit has not seen (a domain is a data set and a vendor): each in turn is left out, and the
widest error counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np
from scipy.optimize import nnls

from cmrseg.imaging.volume import Array

LEVEL = 0.9
"""Share of the images of a domain never seen whose Dice the bound holds for."""
FEWEST = 10
"""Images of a domain; of fewer nothing is said."""
LEAST = 0.005
"""Added to every share before its logarithm is taken: below that, differences are chance."""
Signs = tuple[float, float, float]
"""One minus: agreement of the flips, expected Dice of the probabilities, pDC. Each in 0..1."""


def signs(
    answer: Array,
    agreement: Mapping[str, float],
    pdc: Mapping[str, float],
    structures: Mapping[str, Sequence[int]],
) -> dict[str, Signs]:
    """Structure -> signs of doubt about an image's mask.

    Args:
        answer: (C, z, y, x) class probabilities that the mask is made of.
        agreement: structure -> Dice of the mask with each network's at each flip, their mean
            (:func:`~cmrseg.quality.uncertainty.measures.dice_within_samples`).
        pdc: structure -> pDC of the mask.
        structures: name -> the classes it is made of.
    """
    likeliest = answer.argmax(axis=0)
    found = {}
    for name, parts in structures.items():
        share = answer[list(parts)].sum(axis=0)
        inside = np.isin(likeliest, parts)
        total = float(share.sum()) + int(inside.sum())
        # The Dice to expect if each voxel is the structure's with its own probability.
        expected = 2 * float(share[inside].sum()) / total if total else 0.0
        found[name] = (1 - agreement[name], 1 - expected, 1 - pdc[name])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DiceBound:
    """Of one structure of one view.

    Attributes:
        slopes: of the signs' logarithms.
        intercept: added to them.
        factor: by what the expected error is multiplied to hold for :data:`LEVEL` of images.
        level: share that it holds for; below :data:`LEVEL` where images were too few.
        images: it was fitted on.
        domains: that were left out in turn; one means that none could be.
    """

    slopes: tuple[float, ...]
    intercept: float
    factor: float
    level: float
    images: int
    domains: int

    def expected(self, doubt: Signs) -> float:
        """The Dice to expect, 0..1."""
        return _dice(self._log_error(doubt))

    def at_least(self, doubt: Signs) -> float:
        """The Dice that is exceeded in :attr:`level` of images, 0..1."""
        return _dice(self._log_error(doubt) + float(np.log(self.factor)))

    def _log_error(self, doubt: Signs) -> float:
        return float(np.dot(self.slopes, _log(np.array(doubt))) + self.intercept)

    @classmethod
    def fit(
        cls, doubts: Sequence[Signs], dices: Sequence[float], domains: Sequence[str]
    ) -> DiceBound:
        """From images on which no network was trained.

        Args:
            doubts: signs, one an image.
            dices: against the expert.
            domains: data set and vendor; no image is judged by the fit of its own domain.

        Raises:
            ValueError: fewer than :data:`FEWEST` images.
        """
        if len(dices) < FEWEST:
            raise ValueError(f"a bound of Dice needs {FEWEST} images")
        shares, errors = _log(np.array(doubts)), _log(1 - np.array(dices))
        groups = np.array(domains)
        left_out = [d for d in sorted(set(domains)) if (groups == d).sum() >= FEWEST]
        if len(left_out) < 2:
            left_out = []
        widest, level = -np.inf, LEVEL
        for own in [groups == d for d in left_out] or [np.ones(len(groups), bool)]:
            others = ~own if left_out else own
            slopes, intercept = _fitted(shares[others], errors[others])
            rest = np.sort(errors[own] - shares[own] @ slopes - intercept)
            rank = min(ceil(LEVEL * (len(rest) + 1)), len(rest))
            widest, level = max(widest, float(rest[rank - 1])), min(level, rank / (len(rest) + 1))
        slopes, intercept = _fitted(shares, errors)
        return cls(
            slopes=tuple(np.round(slopes, 4).tolist()),
            intercept=round(float(intercept), 4),
            factor=round(float(np.exp(max(widest, 0.0))), 4),
            level=round(level, 3),
            images=len(dices),
            domains=max(len(left_out), 1),
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, the inverse of :meth:`from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DiceBound:
        """From a manifest's JSON."""
        return cls(**{**values, "slopes": tuple(values["slopes"])})


def _fitted(shares: Array, errors: Array) -> tuple[Array, float]:
    """Slopes that are not negative, and an intercept that may be."""
    ones = np.ones((len(shares), 1))
    found, _ = nnls(np.hstack([shares, ones, -ones]), errors)
    return found[:-2], float(found[-2] - found[-1])


def _log(share: Array) -> Array:
    logged: Array = np.log(np.clip(share, 0, 1) + LEAST)
    return logged


def _dice(log_error: float) -> float:
    return float(np.clip(1 - (np.exp(log_error) - LEAST), 0, 1))
