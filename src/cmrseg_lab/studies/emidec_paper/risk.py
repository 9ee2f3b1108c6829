"""Does doubt point at what is wrong? Risk-coverage curves and rank correlation.

Cases are kept from the least uncertain on; the curve is the mean score of those kept against their
share (El-Yaniv and Wiener, JMLR 2010, told in scores instead of risks). Doubt that knows nothing
makes it level; doubt that ranks cases as their scores do makes it as steep as can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.imaging.volume import Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskCoverage:
    """A cohort's curve.

    Attributes:
        coverage: (n,) share of the cases kept, from the single most certain one to all.
        score: (n,) mean score of those kept.
        best: (n,) the same had cases been kept in the order of their scores.
    """

    coverage: Array
    score: Array
    best: Array

    def at(self, coverage: float) -> float:
        """Mean score when about so large a share is kept (at least one case)."""
        kept = max(1, round(coverage * len(self.score)))
        return float(self.score[kept - 1])

    @property
    def share_of_best(self) -> float:
        """Area above the level line, over that of the best order: 1 perfect, 0 nothing, below 0
        misleading. 0 where all cases score alike: there is nothing to find.
        """
        level = self.score[-1]
        reachable = float((self.best - level).mean())
        # A sum of rounding errors is no room for improvement.
        return float((self.score - level).mean()) / reachable if reachable > 1e-12 else 0.0


def risk_coverage(uncertainty: Sequence[float], score: Sequence[float]) -> RiskCoverage:
    """The curve of a cohort.

    Args:
        uncertainty: one a case, larger for less certain; equals keep their order.
        score: one a case, larger for better.

    Raises:
        ValueError: no case, or not one of each a case.
    """
    if not len(score) or len(score) != len(uncertainty):
        raise ValueError(f"{len(uncertainty)} uncertainties for {len(score)} scores")
    found, kept = np.asarray(score, float), np.arange(1, len(score) + 1)
    by_doubt = np.argsort(np.asarray(uncertainty, float), kind="stable")
    return RiskCoverage(
        coverage=kept / len(found),
        score=np.cumsum(found[by_doubt]) / kept,
        best=np.cumsum(np.sort(found)[::-1]) / kept,
    )


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Spearman's rho and its two-sided p-value; (0, 1) where one of them never varies."""
    from scipy.stats import spearmanr

    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0, 1.0
    found = spearmanr(a, b)
    return float(found.statistic), float(found.pvalue)
